"""What a reader hands out while ownership changes under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.log import Record
from shared.log_kafka.ownership import Ownership

MANY = 1_000


@dataclass(frozen=True)
class Stored:
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes]] = ()


def records(*offsets: int) -> list[Record]:
    return [Stored(offset) for offset in offsets]


def owning(*partitions: int) -> Ownership:
    ownership = Ownership()
    ownership.assign(partitions)
    ownership.take(MANY)
    return ownership


def started(*partitions: int) -> Ownership:
    ownership = owning(*partitions)
    ownership.start(partitions)
    return ownership


def test_records_of_a_partition_not_started_are_dropped() -> None:
    ownership = owning(0)
    ownership.keep({0: records(1)})
    assert ownership.take(MANY).records == {}


def test_records_held_when_the_partition_is_revoked_are_dropped() -> None:
    ownership = started(0)
    ownership.keep({0: records(1)})
    ownership.revoke([0])
    arrival = ownership.take(MANY)
    assert (arrival.lost, arrival.records) == ({0}, {})


def test_records_held_when_the_caller_goes_back_are_dropped() -> None:
    ownership = started(0)
    ownership.keep({0: records(5)})
    ownership.start([0])
    assert ownership.take(MANY).records == {}


def test_a_partition_lost_and_gained_again_is_told_as_both() -> None:
    ownership = started(0)
    ownership.revoke([0])
    ownership.assign([0])
    arrival = ownership.take(MANY)
    assert (arrival.lost, arrival.gained) == ({0}, {0})


def test_a_partition_gained_and_lost_before_anybody_looked_leaves_no_trace() -> None:
    ownership = Ownership()
    ownership.assign([0])
    ownership.revoke([0])
    arrival = ownership.take(MANY)
    assert (arrival.lost, arrival.gained) == (frozenset(), frozenset())


def test_a_start_meant_for_the_ownership_before_does_not_start_the_new_one() -> None:
    ownership = started(0)
    ownership.revoke([0])
    ownership.assign([0])
    assert ownership.start([0]) == frozenset()
    ownership.keep({0: records(1)})
    assert ownership.take(MANY).records == {}


def test_what_is_more_than_asked_for_waits_for_the_next_take() -> None:
    ownership = started(0, 1)
    ownership.keep({0: records(1, 2, 3), 1: records(7, 8)})
    taken = [
        {partition: [record.offset for record in found] for partition, found in ownership.take(2).records.items()}
        for _ in range(4)
    ]
    assert taken == [{0: [1, 2]}, {0: [3], 1: [7]}, {1: [8]}, {}]


async def test_a_change_wakes_who_waits_for_it() -> None:
    ownership = Ownership()
    changed = ownership.changed()
    ownership.assign([0])
    assert changed.done()
