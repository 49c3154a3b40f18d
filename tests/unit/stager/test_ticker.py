"""A tick is asked for when something is due: one unread at most, four a second at most, none while nothing is due."""

from __future__ import annotations

from typing import cast

import pytest

from services.stager.worker.owned import OwnedPartition
from services.stager.worker.ticker import TICK_INTERVAL_MS, Ticker
from shared.errors import Unavailable
from tests.fakes.log_memory import MemoryLog


class Partition:
    """What the ticker asks of an owned partition."""

    def __init__(self, number: int = 0, *, due_ms: int | None) -> None:
        self.number = number
        self.offset = 0
        self.due_ms = due_ms

    def next_tick_ms(self) -> int | None:
        return self.due_ms


async def _tick(ticker: Ticker, *partitions: Partition, now_ms: int) -> None:
    await ticker.tick([cast(OwnedPartition, each) for each in partitions], now_ms=now_ms)


def _wait_ms(ticker: Ticker, partition: Partition, now_ms: int) -> int | None:
    return ticker.wait_ms(cast(OwnedPartition, partition), now_ms=now_ms)


async def test_nothing_due_asks_the_log_nothing() -> None:
    log = MemoryLog()
    await _tick(Ticker(log, "events"), Partition(due_ms=None), Partition(1, due_ms=1_001), now_ms=1_000)
    assert log.calls == []


async def test_a_due_partition_gets_one_tick_without_a_key() -> None:
    log = MemoryLog()
    await _tick(Ticker(log, "events"), Partition(due_ms=2_000), Partition(2, due_ms=1_000), now_ms=1_000)
    assert [len(each) for each in log.partitions] == [0, 0, 1]
    [entry] = log.entries
    assert (entry.key, entry.value) == (None, b'{"type":"tick"}')


async def test_several_due_partitions_are_one_append() -> None:
    log = MemoryLog()
    await _tick(Ticker(log, "events"), *(Partition(number, due_ms=1) for number in range(3)), now_ms=1_000)
    assert log.calls == [3]


async def test_an_unread_tick_is_the_last_however_long_it_takes() -> None:
    log, partition = MemoryLog(), Partition(due_ms=1)
    ticker = Ticker(log, "events")
    await _tick(ticker, partition, now_ms=1_000)
    await _tick(ticker, partition, now_ms=9_000_000)
    assert len(log.entries) == 1


async def test_a_tick_that_was_read_is_followed_by_another_a_quarter_second_later() -> None:
    log, partition = MemoryLog(), Partition(due_ms=1)
    ticker = Ticker(log, "events")
    await _tick(ticker, partition, now_ms=1_000)
    partition.offset = 1
    await _tick(ticker, partition, now_ms=1_000 + TICK_INTERVAL_MS - 1)
    assert len(log.entries) == 1
    await _tick(ticker, partition, now_ms=1_000 + TICK_INTERVAL_MS)
    assert len(log.entries) == 2


async def test_each_partition_has_a_count_of_its_own() -> None:
    log, first, second = MemoryLog(), Partition(0, due_ms=1), Partition(1, due_ms=1)
    ticker = Ticker(log, "events")
    await _tick(ticker, first, now_ms=1_000)
    await _tick(ticker, first, second, now_ms=1_001)
    assert [len(each) for each in log.partitions] == [1, 1, 0]


async def test_a_tick_without_an_answer_is_sent_again() -> None:
    log, partition = MemoryLog(), Partition(due_ms=1)
    ticker = Ticker(log, "events")
    log.failure = Unavailable("gone")
    with pytest.raises(Unavailable):
        await _tick(ticker, partition, now_ms=1_000)
    log.failure = None
    await _tick(ticker, partition, now_ms=1_001)
    assert len(log.entries) == 1


async def test_the_wait_is_until_the_deadline_or_the_next_tick_that_is_allowed() -> None:
    log, partition = MemoryLog(), Partition(due_ms=1_500)
    ticker = Ticker(log, "events")
    assert _wait_ms(ticker, partition, 1_000) == 500
    await _tick(ticker, partition, now_ms=1_500)
    assert (
        _wait_ms(ticker, partition, 1_500) is None
    )  # unread: its arrival wakes the loop, there is nothing to wait for
    partition.offset = 1
    assert _wait_ms(ticker, partition, 1_600) == TICK_INTERVAL_MS - 100
    assert _wait_ms(ticker, partition, 9_000) == 0
    assert _wait_ms(ticker, Partition(due_ms=None), 9_000) is None
