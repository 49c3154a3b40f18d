"""The outbox: committed transitions go to the topics `transitions` and `stages`, in the order of their `seq`.

A record may be written twice (a crash between writing and remembering), never left out and never out of order but for
such repeats: a subscriber skips what is not above the last `seq` of the partition.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from services.stager.store import Claim, Store
from services.stager.worker.owned import Folded
from shared.errors import FenceLost, Malformed
from shared.log import Entry, Headers, Log
from shared.topics import Topics
from shared.transition import StageValue, Transition, decode, encode

APPEND_TIMEOUT_S = 15  # longer than a broker's election; after it the partition is claimed again and caught up
TAIL_RECORDS = 1_000  # how far back the topic is read for the last seq; what is not found there is written again
CATCH_UP_ROWS = 5_000  # rows read and written at a time by a new owner

_CONTENT_TYPE = ("content-type", b"application/json")
_SPEC_VERSION = ("ce_specversion", b"1.0")
_SOURCE = ("ce_source", b"/stageline/stager")
_MOVED = ("ce_type", b"stageline.transition.moved")
_LINGERED = ("ce_type", b"stageline.transition.lingered")


class Publisher:
    """Writes the outbox of the partitions that this process owns."""

    def __init__(
        self, log: Log, store: Store, topics: Topics, *, tail_records: int = TAIL_RECORDS, rows_max: int = CATCH_UP_ROWS
    ) -> None:
        self._log = log
        self._store = store
        self._topics = topics
        self._tail_records = tail_records
        self._rows_max = rows_max

    async def publish(self, folded: Sequence[Folded], *, confirm: Callable[[], Awaitable[None]]) -> None:
        """Write the transitions of saved batches and each moved customer's newest stage.

        `confirm` is asked before each write and raises when they are no longer ours to write. Errors: Unavailable.
        """
        transitions = [entry for part in folded for entry in _transition_entries(part)]
        if not transitions:
            return
        stages = [entry for part in folded for entry in _stage_entries(part.transitions, part.batch.partition)]
        await confirm()
        await self._log.append(self._topics.transitions, transitions, timeout_s=APPEND_TIMEOUT_S)
        if stages:
            await confirm()
            await self._log.append(self._topics.stages, stages, timeout_s=APPEND_TIMEOUT_S)

    async def catch_up(self, partition: int, claim: Claim) -> None:
        """Publish what a former owner committed and did not write, and remember it.

        `published_seq` is remembered after both topics were written. Above it, the topic's own tail says which
        transitions are there already; stages are written again, since the last one of a key is what counts.
        Errors: Unavailable; FenceLost when somebody else has claimed the partition during a long catch-up.
        """
        seq, tail_seq = claim.published_seq, await self._tail_seq(partition)
        while rows := await self._store.transitions_after(partition, seq=seq, limit=self._rows_max):
            if not await self._store.prove({partition: claim.epoch}):
                raise FenceLost(frozenset({partition}))
            transitions = [decode(row.body) for row in rows]
            missing = [
                _transition_entry(transition, row.body, partition, None)
                for transition, row in zip(transitions, rows, strict=True)
                if row.seq > tail_seq
            ]
            if missing:
                await self._log.append(self._topics.transitions, missing, timeout_s=APPEND_TIMEOUT_S)
            stages = _stage_entries(transitions, partition)
            if stages:
                await self._log.append(self._topics.stages, stages, timeout_s=APPEND_TIMEOUT_S)
            seq = rows[-1].seq
            await self._store.mark_published({partition: seq}, {partition: claim.epoch})

    async def _tail_seq(self, partition: int) -> int:
        end = (await self._log.ends(self._topics.transitions))[partition]
        offset, seq = max(0, end - self._tail_records), 0
        while offset < end:
            records = await self._log.fetch(self._topics.transitions, partition, offset, records_max=self._tail_records)
            if not records:
                break
            seq = max(seq, *(_seq(record.value) for record in records))
            offset = records[-1].offset + 1
        return seq


def _seq(value: bytes | None) -> int:
    try:
        return decode(value).seq
    except Malformed:
        return 0  # somebody else wrote here; it says nothing about our outbox


def _transition_entries(folded: Folded) -> list[Entry]:
    batch = folded.batch
    return [
        _transition_entry(transition, row.body, batch.partition, folded.traceparents.get(transition.seq))
        for transition, row in zip(folded.transitions, batch.transitions, strict=True)
    ]


def _transition_entry(transition: Transition, body: bytes, partition: int, traceparent: bytes | None) -> Entry:
    return Entry(transition.customer.encode(), body, _headers(transition, traceparent), partition)


def _headers(transition: Transition, traceparent: bytes | None) -> Headers:
    headers = [
        ("ce_id", transition.id.encode()),
        _SOURCE,
        _MOVED if transition.change == "moved" else _LINGERED,
        ("ce_time", transition.at.encode()),
        _SPEC_VERSION,
        _CONTENT_TYPE,
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return headers


def _stage_entries(transitions: Sequence[Transition], partition: int) -> list[Entry]:
    """The newest stage of each (lifecycle, customer) that moved. They stand in the partition of their customer, where
    one owner writes them in order.
    """
    newest = {(moved.lifecycle, moved.customer): moved for moved in transitions if moved.change == "moved"}
    return [
        Entry(f"{lifecycle}/{customer}".encode(), encode(_stage_value(moved)), (_CONTENT_TYPE,), partition)
        for (lifecycle, customer), moved in newest.items()
    ]


def _stage_value(moved: Transition) -> StageValue:
    return StageValue(
        customer=moved.customer,
        lifecycle=moved.lifecycle,
        stage=moved.to_stage,
        since=moved.at,
        entry=moved.entry,
        n=moved.n,
        version=moved.version,
    )
