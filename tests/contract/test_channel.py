"""What every channel promises (services/notifier/channel/channel.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.notifier.channel.channel import Failed, Rejected, Sent
from services.notifier.channel.registry import KINDS
from tests.builders_notifier import NOW_MS, a_transition
from tests.contract.channel_rigs import RIGS, ChannelRig


@pytest.fixture(params=sorted(str(kind.name) for kind in KINDS))
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[ChannelRig]:
    async with RIGS[request.param]() as rig:
        await rig.channel.open()
        yield rig
        await rig.channel.close()


async def test_a_message_arrives_under_its_id(rig: ChannelRig):
    answer = await rig.channel.send(rig.message, now_ms=NOW_MS)
    assert isinstance(answer, Sent)
    assert rig.arrived() == [str(rig.message.id)]


async def test_sending_again_carries_the_same_id(rig: ChannelRig):
    for _ in range(2):
        await rig.channel.send(rig.message, now_ms=NOW_MS)
    assert rig.arrived() == [str(rig.message.id)] * 2


async def test_a_broken_other_end_is_a_failure_with_a_reason_and_no_exception(rig: ChannelRig):
    rig.fail_once()
    answer = await rig.channel.send(rig.message, now_ms=NOW_MS)
    assert isinstance(answer, Failed)
    assert answer.reason
    assert rig.arrived() == []


async def test_whatever_the_other_end_says_is_a_reason_and_no_exception(rig: ChannelRig):
    for misbehave in rig.hostile:
        misbehave()
        answer = await rig.channel.send(rig.message, now_ms=NOW_MS)
        assert isinstance(answer, Failed | Rejected)
        assert answer.reason
    assert isinstance(await rig.channel.send(rig.message, now_ms=NOW_MS), Sent)


async def test_a_mended_other_end_gets_the_next_message(rig: ChannelRig):
    rig.fail_once()
    await rig.channel.send(rig.message, now_ms=NOW_MS)
    assert isinstance(await rig.channel.send(rig.message, now_ms=NOW_MS), Sent)
    assert rig.arrived() == [str(rig.message.id)]


async def test_many_messages_go_at_once(rig: ChannelRig):
    answers = await asyncio.gather(*(rig.channel.send(rig.message, now_ms=NOW_MS) for _ in range(20)))
    assert all(isinstance(answer, Sent) for answer in answers)
    assert len(rig.arrived()) == 20


async def test_a_customer_of_any_name_is_written_to(rig: ChannelRig):
    strange = replace(rig.message, transition=a_transition(customer='zoë "\r\n😀 \\'))
    assert isinstance(await rig.channel.send(strange, now_ms=NOW_MS), Sent)
