"""What every channel promises (services/notifier/channel.py)."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from services.notifier.channel import Channel, Failed, Sent
from services.notifier.channel_console import ConsoleChannel
from services.notifier.channel_webhook import WebhookChannel
from services.notifier.delivery import ChannelName, Delivery
from shared.transition import Transition, encode
from tests.builders_notifier import NOW_MS, a_delivery
from tests.receiver import SECRET, Receiver


@dataclass
class Rig:
    """A channel with somebody at the other end: `arrived` is what came through, (delivery id, transition)."""

    channel: Channel
    delivery: Delivery
    arrived: Callable[[], list[tuple[str, object]]]
    break_it: Callable[[], object]


@pytest.fixture(params=["console", "webhook"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "console":
        stream = io.StringIO()
        lines: list[str] = []

        def write(line: str) -> None:
            stream.write(line)
            lines.append(line)

        def arrived() -> list[tuple[str, object]]:
            return [(line["delivery"], line["transition"]) for line in map(json.loads, lines)]

        channel = ConsoleChannel(write)
        await channel.open()
        yield Rig(channel, a_delivery(), arrived, stream.close)
        await channel.close()
        return
    async with Receiver() as receiver:
        channel = WebhookChannel([SECRET], allow_private=True)
        await channel.open()
        yield Rig(
            channel,
            a_delivery(channel=ChannelName.WEBHOOK, target=receiver.url),
            lambda: [(post.id, post.body["data"]) for post in receiver.posts],
            lambda: receiver.answers.append((500, {})),
        )
        await channel.close()


def as_json(transition: Transition) -> object:
    return json.loads(encode(transition))


async def test_a_delivery_arrives_whole_and_under_its_id(rig: Rig):
    answer = await rig.channel.send(rig.delivery, now_ms=NOW_MS)
    assert isinstance(answer, Sent)
    assert rig.arrived() == [(str(rig.delivery.id), as_json(rig.delivery.transition))]


async def test_sending_again_carries_the_same_id(rig: Rig):
    for _ in range(2):
        await rig.channel.send(rig.delivery, now_ms=NOW_MS)
    assert [delivery for delivery, _ in rig.arrived()] == [str(rig.delivery.id)] * 2


async def test_a_broken_other_end_is_a_failure_with_a_reason_and_no_exception(rig: Rig):
    rig.break_it()
    answer = await rig.channel.send(rig.delivery, now_ms=NOW_MS)
    assert isinstance(answer, Failed)
    assert answer.reason
