"""What must have come out: the log's own content, read back and folded again from nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import Rules
from services.stager.simulate.simulation import simulate
from shared.clock import rfc3339
from shared.event import decode
from shared.log import Log, Record
from shared.transition import Transition

READ_RECORDS = 5_000


async def read_all(log: Log, topic: str, partition: int) -> list[Record]:
    """Every record of a partition."""
    end = (await log.ends(topic))[partition]
    records: list[Record] = []
    while not records or records[-1].offset + 1 < end:
        more = await log.fetch(topic, partition, records[-1].offset + 1 if records else 0, records_max=READ_RECORDS)
        if not more:
            break
        records.extend(more)
    return records


def fold_again(
    rules: Rules, records: Sequence[Record], *, profiles: dict[str, Profile] | None = None
) -> list[Transition]:
    """The transitions of one partition's records, ticks included: one record at a time, everybody in memory.

    `profiles` takes in what is known of each customer in the end.
    """
    profiles = {} if profiles is None else profiles
    partition, transitions = Partition(rules), list[Transition]()
    for record in records:
        event = decode(record.value)
        if event.customer:
            profile = profiles.setdefault(event.customer, new_profile(event.customer))
            transitions += partition.fold(profile, event, record.timestamp)
            continue
        if event.type == "tick":
            wakes = partition.wakes_historical(record.timestamp)
            due = [profile for profile in profiles.values() if wakes or not profile.historical]
            transitions += partition.lapse(due, until_ms=record.timestamp)
        partition.observe(event, record.timestamp)
    return transitions


def simulate_again(rules: Rules, records: Sequence[Record], *, until_ms: int) -> list[Transition]:
    """The transitions that `stageline simulate` predicts for one partition's events, with its own perfect ticks."""
    lines = []
    for record in records:
        event = decode(record.value)
        if event.customer:
            line = {"messageId": event.id, "type": "track", "userId": event.customer, "event": event.name}
            line |= {"timestamp": event.occurred_at, "receivedAt": rfc3339(record.timestamp)}
            properties = msgspec.UNSET if event.properties is msgspec.UNSET else event.properties
            lines.append(msgspec.json.encode(line | {"properties": properties}))
    faults: list[str] = []
    simulated = list(simulate(lines, rules, until_ms=until_ms, on_bad_line=lambda _, reason: faults.append(reason)))
    assert not faults
    return simulated


def read_by_the_rule(records: Sequence[Record]) -> list[bytes]:
    """What a subscriber keeps: it skips a `seq` that is not above the last one of the partition."""
    kept, last_seq = [], 0
    for record in records:
        value = record.value or b""
        seq = msgspec.json.decode(value)["seq"]
        if seq > last_seq:
            kept.append(value)
            last_seq = seq
    return kept
