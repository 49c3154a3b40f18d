"""Batches that many appends fill together, and the one thing that each append waits for.

An append of a hundred records touches a dozen partitions. A future and its callbacks for each of them would cost more
than the records themselves, so a batch has one, and tells the appends that are in it.

The members of aiokafka's batches with an underscore are touched here only: their own `append` makes an object and
reads the clock for each record, which costs as much as writing the record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch
from aiokafka.structs import RecordMetadata

from shared.log import Entry


class Completion:
    """What an append waits for. `done` is set when every batch it is in was acknowledged or has failed; `failures`
    says what went wrong, one for each batch that failed.
    """

    __slots__ = ("_left", "done", "failures")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failures: list[BaseException] = []
        self._left = 1  # the append itself: until all is handed over, what is acknowledged is not all

    def expect(self) -> None:
        """One batch more has records of this append."""
        self._left += 1

    def settle(self, failure: BaseException | None = None) -> None:
        """One of the batches, or the handing over, is through."""
        if failure is not None:
            self.failures.append(failure)
        self._left -= 1
        if not self._left and not self.done.done():  # who stopped waiting has cancelled it
            self.done.set_result(None)


class Run(NamedTuple):
    """Records of one append, next to one another in one batch."""

    batch: SharedBatch
    first: int
    records: int

    def offsets(self) -> range:
        """Theirs, when the batch was acknowledged."""
        first = self.batch.offset + self.first
        return range(first, first + self.records)


class SharedBatch:
    """A batch in its queue: filled by whoever comes, until it is full or taken to be sent. `offset` is its first
    record's.
    """

    def __init__(self, batch: MessageBatch, sent: asyncio.Future[RecordMetadata]) -> None:
        self.offset = -1
        self._batch = batch
        self._sent = sent
        self._completions: list[Completion] = []
        sent.add_done_callback(self._settle)

    def add(self, entries: Sequence[Entry], start: int, completion: Completion) -> Run | None:
        """Put in what follows `start`, as far as there is room; None when there is none, or it is on its way."""
        if self._batch.retry_count or self._sent.done():  # its records are counted when it is taken, not when closed
            return None
        first: int = self._batch.record_count
        added = fill(self._batch._builder, entries, start)  # noqa: SLF001
        if not added:
            return None
        completion.expect()
        self._completions.append(completion)
        return Run(self, first, added)

    def _settle(self, sent: asyncio.Future[RecordMetadata]) -> None:
        """Tell everybody who has records here what became of them."""
        failure = sent.exception()
        if failure is None:
            self.offset = sent.result().offset
        for completion in self._completions:
            completion.settle(failure)
        self._completions.clear()


def fill(builder: BatchBuilder, entries: Sequence[Entry], start: int) -> int:
    """Put entries from `start` on into a batch; returns how many fitted. One that is full is closed by that."""
    if builder.closed():
        return 0
    append = builder._builder.append  # noqa: SLF001
    now_ms = time.time_ns() // 1_000_000  # the broker stamps records with its own time
    first: int = builder.record_count()
    number = first
    try:
        for entry in entries[start:] if start else entries:
            headers = entry.headers
            if append(number, now_ms, entry.key, entry.value, headers if type(headers) is list else [*headers]) is None:
                builder.close()
                break
            number += 1
    finally:
        builder._relative_offset = number  # noqa: SLF001
    return number - first
