"""What Slack gets, and what its answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.notifier.channel.channel import Failed, Gone, Rejected
from services.notifier.channel.slack import SlackChannel, SlackSettings
from shared.errors import Refused
from shared.settings import read_settings
from tests.builders_notifier import NOW_MS, a_message
from tests.receiver import Receiver

HELLO = {"text": "Ann is at risk"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def channel(receiver: Receiver) -> AsyncIterator[SlackChannel]:
    channel = SlackChannel(receiver.url, allow_private=True)
    await channel.open()
    yield channel
    await channel.close()


async def test_slack_gets_the_text_and_nothing_of_the_customer_beside_it(channel: SlackChannel, receiver: Receiver):
    await channel.send(a_message("slack", parts=HELLO), now_ms=NOW_MS)
    assert [post.body for post in receiver.posts] == [HELLO]


async def test_a_step_may_name_a_place_of_its_own(channel: SlackChannel, receiver: Receiver):
    async with Receiver() as other:
        await channel.send(a_message("slack", parts=HELLO, target=other.url), now_ms=NOW_MS)
        assert (len(other.posts), len(receiver.posts)) == (1, 0)


@pytest.mark.parametrize(("status", "kind"), [(404, Failed), (410, Gone), (429, Failed), (500, Failed), (302, Failed)])
async def test_what_slack_answers_decides_what_becomes_of_it(
    channel: SlackChannel, receiver: Receiver, status: int, kind: type
):
    receiver.answers.append((status, {}))
    assert isinstance(await channel.send(a_message("slack", parts=HELLO), now_ms=NOW_MS), kind)


async def test_slack_is_left_alone_as_long_as_it_asks(channel: SlackChannel, receiver: Receiver):
    receiver.answers.append((429, {"Retry-After": "30"}))
    assert await channel.send(a_message("slack", parts=HELLO), now_ms=NOW_MS) == Failed("status 429", 30_000)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "http://hooks.example/"])
async def test_slack_is_sent_to_no_more_than_webhooks_are(url: str):
    channel = SlackChannel(url)
    await channel.open()
    answer = await channel.send(a_message("slack", parts=HELLO), now_ms=NOW_MS)
    await channel.close()
    assert isinstance(answer, Rejected)


async def test_without_any_place_the_message_is_final(receiver: Receiver):
    channel = SlackChannel()
    await channel.open()
    answer = await channel.send(a_message("slack", parts=HELLO), now_ms=NOW_MS)
    await channel.close()
    assert isinstance(answer, Rejected)
    assert "STAGELINE_SLACK_URL" in answer.reason


@pytest.mark.parametrize(
    "url", ["https://[oops", "https://", "hooks.slack.com/T0KEN", "https://hooks.slack.com/T0 KEN"]
)
def test_a_place_that_is_no_address_is_refused_at_start_without_being_shown(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGELINE_SLACK_URL", url)
    with pytest.raises(Refused, match="STAGELINE_SLACK_URL: expected an https address") as caught:
        read_settings(SlackSettings)
    assert url not in str(caught.value)
