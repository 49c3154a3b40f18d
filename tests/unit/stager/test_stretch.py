"""What arrived is cut at the ticks."""

from __future__ import annotations

from services.stager.worker.stretch import stretches
from tests.unit.stager.builders import LogRecord, tick, track


def _shape(arrived: dict[int, list[LogRecord]]) -> list[tuple[dict[int, list[int]], dict[int, int]]]:
    return [
        (
            {number: [decoded.record.offset for decoded in part] for number, part in stretch.records.items()},
            {number: record.offset for number, record in stretch.ticks.items()},
        )
        for stretch in stretches(arrived)
    ]


def test_records_without_a_tick_are_one_stretch() -> None:
    assert _shape({0: [track(1), track(2)], 1: [track(8)]}) == [({0: [1, 2], 1: [8]}, {})]


def test_a_tick_ends_a_stretch_of_its_partition_only() -> None:
    arrived = {0: [track(1), tick(2), track(3)], 1: [track(8), track(9)]}
    assert _shape(arrived) == [({0: [1], 1: [8, 9]}, {0: 2}), ({0: [3]}, {})]


def test_two_ticks_in_a_row_are_two_stretches() -> None:
    assert _shape({0: [tick(1), tick(2)]}) == [({0: []}, {0: 1}), ({0: []}, {0: 2})]


def test_nothing_arrived_is_no_stretch() -> None:
    assert _shape({0: []}) == []


def test_a_poison_record_keeps_its_place_and_its_reason() -> None:
    [stretch] = stretches({0: [track(1), LogRecord(offset=2, value=b"\xff{"), track(3)]})
    assert [decoded.record.offset for decoded in stretch.records[0]] == [1, 2, 3]
    assert stretch.records[0][1].event is None
    assert "not an event" in stretch.records[0][1].fault
