"""What one read brought, decoded and cut at the ticks: all before a tick is folded and saved before anybody lapses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.errors import Malformed
from shared.event import Event, decode
from shared.log import Record


class Decoded(NamedTuple):
    """A record and its event, or why it has none."""

    record: Record
    event: Event | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """For each partition: records to fold, in order, and the tick behind them, if one follows."""

    records: Mapping[int, Sequence[Decoded]]
    ticks: Mapping[int, Record]


def stretches(arrived: Mapping[int, Sequence[Record]]) -> Iterator[Stretch]:
    """Cut what arrived, by partition, into stretches; each partition's order is kept."""
    rest = {number: [decode_record(record) for record in records] for number, records in arrived.items() if records}
    while rest:
        places = {number: _tick_place(decoded) for number, decoded in rest.items()}
        yield Stretch(
            records={number: decoded[: places[number]] for number, decoded in rest.items()},
            ticks={number: rest[number][place].record for number, place in places.items() if place is not None},
        )
        behind = {number: rest[number][place + 1 :] for number, place in places.items() if place is not None}
        rest = {number: decoded for number, decoded in behind.items() if decoded}


def decode_record(record: Record) -> Decoded:
    """Decode one record; a poison one keeps the reason and harms no neighbour."""
    try:
        return Decoded(record, decode(record.value))
    except Malformed as error:
        return Decoded(record, None, str(error))


def _tick_place(decoded: Sequence[Decoded]) -> int | None:
    """Where the first tick stands."""
    for place, (_, event, _) in enumerate(decoded):
        if event is not None and event.type == "tick":
            return place
    return None
