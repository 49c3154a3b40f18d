"""Campaign files: what they mean, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from services.notifier.campaign.campaign import Campaign, Change, Trigger
from services.notifier.campaign.condition import Surroundings
from services.notifier.campaign.step import Step
from services.notifier.delivery.delivery import ChannelName
from services.notifier.file.campaigns import Loaded, Rules, load_paths, load_text
from shared.clock import HOUR_MS
from tests.builders_notifier import RULES

WHOLE = """
campaign: win-back
description: Bring them back
on: {lifecycle: shop, stage: at_risk, change: lingered, nth: 1}
send:
  - channel: console
  - {channel: webhook, url: "https://example.com/hook?x=1"}
too_old: 1d12h
"""
SMALL = """
campaign: hello
on: {lifecycle: shop, stage: active, change: moved}
send: [{channel: console}]
"""


def load(text: str) -> Loaded:
    return load_text(dedent(text), RULES, file="c.yaml")


def said(text: str) -> list[tuple[int, int, str, str | None]]:
    return [(fault.line, fault.column, fault.message, fault.suggestion) for fault in load(text).faults]


def test_a_whole_file_says_what_it_says():
    loaded = load(WHOLE)
    assert loaded.faults == ()
    assert loaded.campaigns == (
        Campaign(
            "win-back",
            Trigger("shop", "at_risk", Change.LINGERED, 1),
            (Step(ChannelName("console")), Step(ChannelName("webhook"), "https://example.com/hook?x=1")),
            too_old_ms=36 * HOUR_MS,
            description="Bring them back",
        ),
    )


def test_what_is_left_out_has_its_default():
    (campaign,) = load(SMALL).campaigns
    assert (campaign.too_old_ms, campaign.trigger.nth, campaign.description) == (72 * HOUR_MS, None, "")


def test_every_fault_of_a_file_is_told_at_once():
    faults = said("""\
        campaign: Win Back
        on: {lifecycle: shop, stage: at_risk, change: entered, nth: zero}
        sent: []
        send: [{channel: webhoook}]
        too_old: soon
        """)
    assert [(line, column, suggestion) for line, column, _, suggestion in faults] == [
        (1, 11, None),
        (2, 47, "moved"),
        (2, 61, None),
        (3, 1, "send"),
        (4, 18, "webhook"),
        (5, 10, None),
    ]


def test_a_fault_is_shown_with_its_line_and_a_caret():
    (fault,) = load(SMALL.replace("stage:", "stag:")).faults[1:]
    assert fault.render() == (
        "c.yaml:3:23: error: `on` has no `stag` (did you mean `stage`?)\n"
        "  | on: {lifecycle: shop, stag: active, change: moved}\n"
        "  |                       ^^^^"
    )


@pytest.mark.parametrize("missing", ["on", "send"])
def test_a_campaign_without_a_part_that_it_needs_is_a_fault(missing: str):
    text = "\n".join(line for line in SMALL.splitlines() if not line.startswith(missing))
    assert [message for _, _, message, _ in said(text)] == [f"a campaign needs `{missing}`"]


def test_a_document_that_is_no_campaign_is_a_fault():
    assert "begins with" in load("[1, 2]").faults[0].message


def test_a_misspelt_campaign_is_one_fault_and_the_rest_is_read():
    (misspelt,) = load("campain: x\n" + SMALL.replace("campaign: hello\n", "")).faults
    assert misspelt.suggestion == "campaign"


def test_nth_without_lingering_is_a_fault():
    assert "it needs `change: lingered`" in said(SMALL.replace("moved", "moved, nth: 2"))[0][2]


@pytest.mark.parametrize(
    "url", ["example.com", "ftp://example.com", "https://", "https://a b.example", "https://u:p@example.com", "//x"]
)
def test_a_url_that_could_not_be_posted_to_is_a_fault(url: str):
    loaded = load(SMALL.replace("{channel: console}", f'{{channel: webhook, url: "{url}"}}'))
    assert (len(loaded.faults), loaded.campaigns) == (1, ())


def test_http_is_only_warned_of():
    loaded = load(SMALL.replace("{channel: console}", "{channel: webhook, url: 'http://localhost:9/x'}"))
    assert [fault.severity for fault in loaded.faults] == ["warning"]
    assert len(loaded.campaigns) == 1


def test_a_url_does_not_belong_to_the_console():
    assert said(SMALL.replace("console}", "console, url: 'https://x.example'}"))[0][2] == "a console step has no `url`"


def test_two_campaigns_of_one_name_are_a_fault_and_the_first_counts():
    loaded = load(SMALL + "---" + SMALL.replace("moved", "left"))
    assert [(fault.line, fault.message) for fault in loaded.faults] == [(6, "there is a campaign `hello` already")]
    assert [campaign.trigger.change for campaign in loaded.campaigns] == [Change.MOVED]


def test_a_wrong_campaign_does_not_take_its_neighbours_along():
    assert [campaign.name for campaign in load("campaign: 1\n---" + SMALL).campaigns] == ["hello"]


def test_lifecycles_and_segments_are_left_to_others():
    assert load("lifecycle: shop\nstages: []\n---\nsegment: vip\n").faults == ()


def test_a_folder_is_read_in_order_of_name_and_not_deeper(tmp_path: Path):
    (tmp_path / "b.yml").write_text(SMALL.replace("hello", "second"))
    (tmp_path / "a.yaml").write_text(SMALL.replace("hello", "first"))
    (tmp_path / "notes.txt").write_text("{")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.yaml").write_text("{")
    loaded = load_paths([tmp_path], RULES)
    assert ([campaign.name for campaign in loaded.campaigns], loaded.faults) == (["first", "second"], ())


def test_a_path_that_is_not_there_is_a_fault(tmp_path: Path):
    assert "cannot be read" in load_paths([tmp_path / "none.yaml"], RULES).faults[0].message


@pytest.mark.parametrize(
    ("stages", "place"),
    [
        ({"shop": ["active"]}, None),
        ({"shop": ["activ"]}, (3, 30, "activ")),
        ({"shops": ["active"]}, (3, 17, "shops")),
    ],
)
def test_a_campaign_on_a_stage_that_is_not_there_is_a_fault_at_its_place(stages: dict, place: tuple | None):
    known = {name: Surroundings(found, {}) for name, found in stages.items()}
    faults = load_text(dedent(SMALL), Rules(RULES.language, known), file="c.yaml").faults
    assert [(fault.line, fault.column, fault.suggestion) for fault in faults] == ([place] if place else [])
