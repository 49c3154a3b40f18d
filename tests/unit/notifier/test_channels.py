"""The registry of channels: what the settings make possible, and what is said about what they do not."""

from __future__ import annotations

import pytest

from services.notifier.channel.channel import AT_ONCE_MAX
from services.notifier.channel.email import CONNECTIONS_MAX
from services.notifier.channel.kind import ChannelContext
from services.notifier.channel.registry import KINDS, at_once_max, make_channels, missing_settings
from services.notifier.delivery.delivery import ChannelName
from services.notifier.settings import NotifierSettings
from shared.topics import Topics
from tests.builders_notifier import a_step
from tests.contract.channel_rigs import RIGS
from tests.fakes.log_memory import MemoryLog
from tests.receiver import SECRET


def context(**given: object) -> ChannelContext:
    return ChannelContext(NotifierSettings(**given), MemoryLog(), Topics("stageline", 3))


def test_without_any_setting_there_are_the_channels_that_need_none():
    assert set(make_channels(context())) == {"console", "kafka", "slack"}


def test_a_secret_makes_webhooks_and_a_server_with_a_sender_makes_mail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGELINE_EMAIL_SERVER", "mail.example:587")
    assert "email" not in make_channels(context())
    monkeypatch.setenv("STAGELINE_EMAIL_FROM", "Shop <hello@shop.example>")
    assert {"email", "webhook"} <= set(make_channels(context(webhook_secret=SECRET)))


def test_mails_are_given_out_as_many_at_once_as_there_are_connections_for_them():
    assert (at_once_max(ChannelName("email")), at_once_max(ChannelName("console"))) == (CONNECTIONS_MAX, AT_ONCE_MAX)


def test_a_step_whose_channel_cannot_be_made_says_what_to_set():
    steps = [a_step("email"), a_step("webhook"), a_step("console")]
    assert missing_settings(steps, make_channels(context())) == [
        "a campaign sends by email: set STAGELINE_EMAIL_SERVER and STAGELINE_EMAIL_FROM",
        "a campaign sends by webhook: set STAGELINE_WEBHOOK_SECRET",
    ]


def test_every_channel_has_a_rig_in_the_contract_suite_and_a_name_of_its_own():
    names = [str(kind.name) for kind in KINDS]
    assert sorted(RIGS) == sorted(set(names)) == sorted(names)
