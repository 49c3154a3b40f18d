"""docs/campaigns-channels.md: every example does what the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.notifier.campaign.campaign import Campaign
from services.notifier.campaign.template import LOOPS_MAX, NAMESPACE, OUTPUT_BYTES_MAX, RENDER_S_MAX
from services.notifier.channel.email import EmailSettings
from services.notifier.channel.registry import KINDS
from services.notifier.channel.slack import SlackSettings
from services.notifier.delivery.message import Message
from services.notifier.file.campaigns import load_paths, load_text
from services.notifier.sending.compose import compose
from services.notifier.settings import NotifierSettings
from services.notifier.unsubscribe import UnsubscribeLinks
from tests.builders_notifier import RULES, a_delivery, a_transition
from tests.docs_examples import DOCS, examples, fences

PAGE = "campaigns-channels.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
LINKS = UnsubscribeLinks("https://shop.example/bye?t={token}", "not to be guessed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The examples as files of one folder, but for the wrong one."""
    for name, text in examples(PAGE).items():
        if not name.startswith("wrong"):
            (tmp_path / name).write_text(text)
    return tmp_path


def campaigns_of(folder: Path) -> dict[str, Campaign]:
    loaded = load_paths([folder], RULES)
    assert loaded.faults == ()
    return {campaign.name: campaign for campaign in loaded.campaigns}


def composed(campaign: Campaign, **traits: Any) -> list[Message]:
    delivery = a_delivery(transition=a_transition(carried={"orders": 3}))
    messages = [compose(delivery, step, traits=traits, links=LINKS) for step in campaign.steps]
    assert all(isinstance(message, Message) for message in messages), messages
    return messages


def test_every_example_of_the_page_is_tried_here():
    assert fences(PAGE) == len(examples(PAGE)) == 7


def test_the_mail_and_the_line_for_slack_say_what_their_templates_say(folder: Path):
    mail, line = composed(campaigns_of(folder)["win-back"], email="ann@example.com", name="<Ann>", city="Rome")
    assert mail.parts["subject"] == "We miss you, <Ann>"
    assert mail.parts["text"].startswith("Hello <Ann>,\nyou have ordered 3 times. Greetings to Rome!")
    assert "Hello &lt;Ann&gt;," in mail.parts["html"]
    assert mail.unsubscribe in mail.parts["text"]
    assert line.parts["text"] == "ann is at risk after 3 orders"


def test_the_mail_can_be_written_to_somebody_of_whom_little_is_known(folder: Path):
    mail, _ = composed(campaigns_of(folder)["win-back"], email="ann@example.com")
    assert mail.parts["subject"] == "We miss you, friend"
    assert "Greetings" not in mail.parts["text"]


def test_the_body_of_ones_own_is_json(folder: Path):
    (message,) = composed(campaigns_of(folder)["tell-the-crm"], name='Ann "the" Great')
    assert json.loads(message.parts["body"]) == {"contact": "ann", "status": "at_risk", "name": 'Ann "the" Great'}


def test_the_mistakes_are_shown_as_the_page_shows_them():
    loaded = load_text(examples(PAGE)["wrong.yaml"], RULES, file="wrong.yaml")
    assert "\n".join(fault.render() for fault in loaded.faults) == examples(PAGE)["wrong.txt"].rstrip("\n")


def test_the_pages_code_reads_our_tokens_and_no_others():
    made: dict[str, Any] = {}
    exec(compile(examples(PAGE)["unsubscribe.py"], "unsubscribe.py", "exec"), made)
    token = LINKS.link(customer="ann", campaign="win-back").partition("?t=")[2]
    assert made["read_token"](token, LINKS.secret) == ("ann", "win-back")
    assert made["read_token"](token, "another secret") is None
    for forged in (
        "",
        ".",
        token[:-1],
        token + "x",
        "x" + token,
        token.replace(".", ""),
        token.partition(".")[0] + ".",
    ):
        assert made["read_token"](forged, LINKS.secret) is None


def test_every_channel_its_parts_and_every_name_stand_on_the_page():
    for kind in KINDS:
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{kind.name}` |"))
        assert all(f"`{part}`" in row for part in kind.parts)
    for root, parts in NAMESPACE.items():
        assert f"`{root}" in TEXT
        assert all(part in TEXT for part in parts)


def test_every_setting_of_the_channels_stands_on_the_page():
    for kind in (EmailSettings, SlackSettings):
        own = kind.model_fields.keys() - NotifierSettings.model_fields.keys()
        assert all(f"STAGELINE_{name.upper()}" in TEXT for name in own)
    for name in ("unsubscribe_url", "unsubscribe_secret", "webhook_secret", "webhook_allow_private"):
        assert f"STAGELINE_{name.upper()}" in TEXT


def test_the_limits_are_those_of_the_page():
    assert (RENDER_S_MAX, OUTPUT_BYTES_MAX, LOOPS_MAX) == (0.25, 250_000, 1_000)
