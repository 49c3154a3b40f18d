"""What leaves the embedded log: records older than their topic keeps, and values replaced by newer ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import DAY_MS, HOUR_MS, ManualClock
from shared.errors import Refused
from shared.log import Entry, Topic
from shared.log_embedded import EmbeddedLog
from shared.log_embedded.sweep import COMPACT_EVERY, PURGE_RECORDS_MAX

KEPT = Topic("kept", 2, retention_ms=HOUR_MS)
STAGES = Topic("stages", 1, compacted=True)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000)


@pytest.fixture
async def log(tmp_path: Path, clock: ManualClock) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log.db", clock=clock)
    await log.open()
    await log.ensure([KEPT, STAGES])
    yield log
    await log.close()


async def append(log: EmbeddedLog, topic: Topic, *pairs: tuple[bytes, bytes | None]) -> None:
    await log.append(topic.name, [Entry(key, value, partition=0) for key, value in pairs], timeout_s=10)


async def values(log: EmbeddedLog, topic: Topic) -> dict[int, bytes | None]:
    return {r.offset: r.value for r in await log.fetch(topic.name, 0, 0, records_max=100_000)}


async def fill(log: EmbeddedLog, topic: Topic, *, count: int) -> None:
    """Records of keys that nobody else uses."""
    await append(log, topic, *((b"fill-%d" % n, b"x") for n in range(count)))


async def test_records_older_than_the_retention_go_with_the_next_append(log: EmbeddedLog, clock: ManualClock) -> None:
    await append(log, KEPT, (b"k", b"old"))
    clock.advance(HOUR_MS + 1)
    await append(log, KEPT, (b"k", b"new"))
    assert await values(log, KEPT) == {1: b"new"}


async def test_records_as_old_as_the_retention_are_kept(log: EmbeddedLog, clock: ManualClock) -> None:
    await append(log, KEPT, (b"k", b"old"))
    clock.advance(HOUR_MS)
    await append(log, KEPT, (b"k", b"new"))
    assert await values(log, KEPT) == {0: b"old", 1: b"new"}


async def test_one_append_purges_a_bounded_number_and_the_next_ones_the_rest(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, KEPT, count=2 * PURGE_RECORDS_MAX)
    clock.advance(2 * HOUR_MS)
    sizes = []
    for _ in range(3):
        await append(log, KEPT, (b"k", b"new"))
        sizes.append(len(await values(log, KEPT)))
    assert PURGE_RECORDS_MAX < sizes[0] + 3 < 2 * PURGE_RECORDS_MAX
    assert sizes[2] == 3


async def test_a_position_whose_records_are_purged_is_refused_by_topic_and_partition(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await append(log, KEPT, (b"k", b"old"))
    clock.advance(2 * HOUR_MS)
    await append(log, KEPT, (b"k", b"new"))
    reader = log.reader(KEPT.name, group="g")
    await reader.read(records_max=1, timeout_s=5)
    reader.start({0: 0})
    with pytest.raises(Refused, match="topic kept partition 0"):
        await reader.read(records_max=1, timeout_s=5)


async def test_a_changed_retention_is_taken_over(log: EmbeddedLog, clock: ManualClock) -> None:
    await append(log, KEPT, (b"k", b"old"))
    clock.advance(2 * HOUR_MS)
    await log.ensure([Topic(KEPT.name, KEPT.partitions, retention_ms=None)])
    await append(log, KEPT, (b"k", b"new"))
    assert await values(log, KEPT) == {0: b"old", 1: b"new"}


async def test_a_topic_without_retention_keeps_everything(log: EmbeddedLog, clock: ManualClock) -> None:
    forever = Topic("forever", 1)
    await log.ensure([forever])
    await append(log, forever, (b"k", b"old"))
    clock.advance(1_000 * DAY_MS)
    await append(log, forever, (b"k", b"new"))
    assert len(await values(log, forever)) == 2


async def test_compaction_keeps_the_newest_record_of_each_key_at_its_offset(log: EmbeddedLog) -> None:
    await append(log, STAGES, (b"k", b"1"), (b"other", b"o"), (b"k", b"2"))
    await fill(log, STAGES, count=COMPACT_EVERY)
    found = await values(log, STAGES)
    assert (found.get(0), found.get(1), found.get(2)) == (None, b"o", b"2")


async def test_a_later_step_also_replaces_what_an_earlier_one_kept(log: EmbeddedLog) -> None:
    await append(log, STAGES, (b"k", b"1"))
    await fill(log, STAGES, count=COMPACT_EVERY)
    await append(log, STAGES, (b"k", b"2"))
    await fill(log, STAGES, count=COMPACT_EVERY)
    found = await values(log, STAGES)
    assert (0 in found, found[COMPACT_EVERY + 1], len(found)) == (False, b"2", COMPACT_EVERY + 1)


async def test_a_reader_passes_over_what_compaction_has_taken(log: EmbeddedLog) -> None:
    await append(log, STAGES, (b"k", b"1"), (b"k", b"2"))
    await fill(log, STAGES, count=COMPACT_EVERY)
    reader = log.reader(STAGES.name, group="g")
    await reader.read(records_max=1, timeout_s=5)
    reader.start({0: 0})
    arrival = await reader.read(records_max=1, timeout_s=5)
    assert [record.value for record in arrival.records[0]] == [b"2"]


async def test_a_tombstone_is_kept_for_a_day_and_then_goes(log: EmbeddedLog, clock: ManualClock) -> None:
    await append(log, STAGES, (b"k", b"1"), (b"k", None))
    await fill(log, STAGES, count=COMPACT_EVERY)
    before = set(await values(log, STAGES)) & {0, 1}
    clock.advance(DAY_MS + 1)
    await fill(log, STAGES, count=COMPACT_EVERY)
    after = set(await values(log, STAGES)) & {0, 1}
    assert (before, after) == ({1}, set())
