"""From a delivery to its message: addresses, parts and unsubscribe links."""

from __future__ import annotations

import json

import pytest

from services.notifier.campaign.step import Step
from services.notifier.channel.channel import NoAddress, Rejected
from services.notifier.delivery.message import Message
from services.notifier.file.campaigns import load_text
from services.notifier.sending.compose import compose
from services.notifier.settings import NotifierSettings
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.errors import Refused
from tests.builders_notifier import RULES, a_delivery

LINKS = UnsubscribeLinks("https://shop.example/bye?t={token}", "not to be guessed")
MAIL = '{channel: email, to: traits.email, subject: Hi, text: "Hello {{ traits.name }}"}'


def the_step(text: str) -> Step:
    loaded = load_text(
        f"campaign: a\non: {{lifecycle: shop, stage: b, change: moved}}\nsend:\n  - {text}", RULES, file="c.yaml"
    )
    assert loaded.faults == ()
    return loaded.campaigns[0].steps[0]


def composed(text: str, links: UnsubscribeLinks = LINKS, **traits: object) -> Message:
    message = compose(a_delivery(), the_step(text), traits=traits, links=links)
    assert isinstance(message, Message), message
    return message


def test_a_message_goes_where_the_trait_says_and_holds_what_the_templates_say():
    message = composed(MAIL, email="ann@example.com", name="Ann")
    assert (message.target, dict(message.parts)) == ("ann@example.com", {"subject": "Hi", "text": "Hello Ann"})


@pytest.mark.parametrize("email", [None, "", "  ", 7, ["ann@example.com"], {"work": "ann@example.com"}])
def test_a_customer_whose_trait_holds_no_text_has_no_address(email: object):
    message = compose(a_delivery(), the_step(MAIL), traits={"email": email, "name": "Ann"}, links=LINKS)
    assert message == NoAddress("the customer has no `traits.email`")


def test_a_template_that_cannot_be_rendered_for_this_customer_is_final():
    message = compose(a_delivery(), the_step(MAIL), traits={"email": "ann@example.com"}, links=LINKS)
    assert message == Rejected("the template cannot be rendered: traits.name is undefined (line 1)")


def test_a_json_body_is_written_tightly():
    message = composed("""{channel: kafka, body: '{"who": {{ traits.name | json }}, "n": 1}'}""", name='"Ann"')
    assert json.loads(message.parts["body"]) == {"who": '"Ann"', "n": 1}
    assert " " not in message.parts["body"]


def test_a_body_that_is_no_json_is_final():
    message = compose(
        a_delivery(), the_step("""{channel: kafka, body: '{"who": {{ traits.name }}}'}"""), traits={"name": "Ann"},
        links=LINKS,
    )  # fmt: skip
    assert isinstance(message, Rejected)
    assert "does not make JSON" in message.reason


def test_a_message_brings_the_link_of_its_own_customer_and_campaign():
    message = composed(MAIL, email="ann@example.com", name="Ann")
    assert message.unsubscribe == LINKS.link(customer="ann", campaign="win-back")


def test_without_an_address_there_is_no_link_and_a_template_that_wants_one_fails():
    assert composed(MAIL, UnsubscribeLinks(), email="ann@example.com", name="Ann").unsubscribe == ""
    step = the_step('{channel: console, text: "{{ unsubscribe_link }}"}')
    assert isinstance(compose(a_delivery(), step, traits={}, links=UnsubscribeLinks()), Rejected)


def test_an_unsubscribe_address_needs_a_secret():
    settings = NotifierSettings(unsubscribe_url="https://shop.example/bye?t={token}")
    with pytest.raises(Refused, match="STAGELINE_UNSUBSCRIBE_SECRET"):
        _ = settings.unsubscribe_links
