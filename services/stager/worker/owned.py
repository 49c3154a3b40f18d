"""One owned partition: where it stands, what is folded but not yet saved, and when it next needs a tick.

Everything here is plain memory; the worker does the reading, saving and waiting around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.stager.fold.partition import IMPORT_QUIET_MS, Partition
from services.stager.fold.profile import decode_profile, new_profile
from services.stager.fold.rules import Rules
from services.stager.store import Claim, DueRow, Kept, PartitionBatch, Position, ProfileRow
from services.stager.worker.cache import ProfileCache, Stored
from services.stager.worker.draft import Draft, profile_row
from services.stager.worker.stretch import Decoded
from shared.errors import Malformed
from shared.event import Event
from shared.log import Record
from shared.transition import Transition

_NOT_UNDERSTOOD = frozenset({"alias", "forget"})
BAD_RECORDS_MAX = 1_000  # so many unusable records in a row are no accident: a wrong producer or a wrong version of us


@dataclass(frozen=True, slots=True)
class Folded:
    """What one partition has to save, and the transitions to publish once that is done (with their `traceparent`s)."""

    batch: PartitionBatch
    transitions: Sequence[Transition]
    traceparents: Mapping[int, bytes]


class OwnedPartition:
    """A partition under one claim. Mutable, owned by the worker's loop."""

    def __init__(
        self, number: int, claim: Claim, *, rules: Rules, segments: frozenset[str], cache_bytes_max: int
    ) -> None:
        self.number = number
        self.epoch = claim.epoch
        self.offset = claim.position.offset
        self._cache = ProfileCache(bytes_max=cache_bytes_max)  # only what is saved
        self._flying: dict[
            str, ProfileRow
        ] = {}  # handed out last and perhaps not saved yet: the store must not be asked
        self._saved_offset = claim.position.offset
        self._rules = rules
        self._segments = segments
        position = claim.position
        self._fold = Partition(rules, clock_ms=position.clock_ms, seq=position.seq, import_ms=position.import_ms)
        self._draft = Draft(segments)
        self._bad_in_a_row = 0
        # The earliest written deadlines, None when none is known: of customers in the present, and of all,
        # those included whose latest record is historical (they wait for the end of the import).
        self._present_due_ms: int | None = None
        self._past_due_ms: int | None = None

    @property
    def seq(self) -> int:
        """The last sequence number given out."""
        return self._fold.seq

    @property
    def is_broken(self) -> bool:
        """Whether nearly everything that comes is unusable, so that going on would only fill the quarantine."""
        return self._bad_in_a_row >= BAD_RECORDS_MAX

    def missing(self, customers: Iterable[str]) -> list[str]:
        """Those of these customers whose profiles must be read from the store before they can be folded."""
        return [name for name in customers if name not in self._draft.profiles and self._kept(name) is None]

    def remember(self, kept: Mapping[str, Kept]) -> None:
        """Take in profiles read from the store."""
        for customer, profile in kept.items():
            self._cache.put(customer, profile)

    def fold(self, decoded: Sequence[Decoded]) -> None:
        """Fold records in order. What cannot be used is quarantined and harms no neighbour."""
        for record, event, fault in decoded:
            if event is None:
                self.reject(record, fault)
            elif event.customer and event.type not in _NOT_UNDERSTOOD:
                self._fold_customer(record, event)
            elif event.type == "import_end":
                self.observe(record, event)
            else:
                self._set_aside(record, f"{event.type} is not understood by this version")

    def _fold_customer(self, record: Record, event: Event) -> None:
        draft, customer = self._draft, event.customer
        profile = draft.profiles.get(customer)
        if profile is None:
            kept = self._kept(customer)
            if kept is None:
                profile = new_profile(customer)
            else:
                profile = decode_profile(customer, kept.body, self._rules)
                draft.written[customer] = kept
        try:
            transitions = self._fold.fold(profile, event, record.timestamp)
        except Malformed as error:
            self.reject(record, str(error))
            return
        self._bad_in_a_row = 0
        self.offset = record.offset + 1
        draft.profiles[customer] = profile
        if profile.traits_changed:
            profile.traits_changed = False
            draft.traits[customer] = profile.traits_json()
        if transitions:
            draft.add_transitions(transitions, _traceparent(record))

    def observe(self, record: Record, event: Event | None) -> None:
        """Pass a record that concerns no customer."""
        self._fold.observe(event, record.timestamp)
        self.offset = record.offset + 1

    def reject(self, record: Record, reason: str) -> None:
        """Quarantine a record that is wrong, and go on behind it."""
        self._bad_in_a_row += 1
        self._set_aside(record, reason)

    def _set_aside(self, record: Record, reason: str) -> None:
        """Quarantine a record and go on behind it. One that is only not folded yet says nothing against its writer."""
        self._draft.add_quarantined(offset=record.offset, reason=reason, value=record.value)
        self.observe(record, None)

    def wakes_historical(self, tick_ms: int) -> bool:
        """Whether a tick at `tick_ms` concerns customers whose latest record is historical."""
        return self._fold.wakes_historical(tick_ms)

    def lapse(self, due: Sequence[DueRow], *, tick_ms: int, is_last: bool) -> Folded:
        """Lapse the customers of these rows, which come in the order (deadline, customer), and give what to save.

        Nothing may be unsaved before. Unless `is_last`, more are due behind the last row: nobody is taken past it, so
        that the order over all chunks is one order. The position stays before the tick until all chunks are saved.
        """
        profiles = [decode_profile(row.customer, row.body, self._rules) for row in due]
        bound = None if is_last or not due else (due[-1].due_ms, due[-1].customer)
        self._draft.add_transitions(self._fold.lapse(profiles, until_ms=tick_ms, bound=bound))
        changed = {transition.customer for transition in self._draft.transitions}
        rows, rearmed = [], []
        for profile in profiles:
            self._note_due(profile.due_ms, is_historical=profile.historical)
            if profile.customer in changed:
                rows.append(profile_row(profile, written_due_ms=None, is_new=False))
            else:
                rearmed.append((profile.customer, profile.due_ms))
        self._land()
        self._cache.drop(profile.customer for profile in profiles)
        return self._hand_out(rows, rearmed)

    def take(self) -> Folded:
        """All that is folded and not yet handed out, to be saved next; a new draft begins."""
        rows, written = [], self._draft.written.get
        for customer, profile in self._draft.profiles.items():
            kept = written(customer)
            row = profile_row(profile, written_due_ms=kept.due_ms if kept else None, is_new=kept is None)
            if row.due_ms is not None:
                self._note_due(row.due_ms, is_historical=row.historical)
            rows.append(row)
        self._land()
        self._flying = {row.customer: row for row in rows}
        return self._hand_out(rows, ())

    def has_unsaved(self) -> bool:
        """Whether anything, be it only the position, has moved since the last hand-out."""
        return self.offset != self._saved_offset

    def next_tick_ms(self) -> int | None:
        """When this partition next needs a tick, as far as is known; None when nothing is due."""
        past_due_ms = self._past_due_ms
        if past_due_ms is not None and self._fold.import_ms is not None:
            past_due_ms = max(past_due_ms, self._fold.import_ms + IMPORT_QUIET_MS)
        return min((due for due in (self._present_due_ms, past_due_ms) if due is not None), default=None)

    def set_due(self, *, present_ms: int | None, any_ms: int | None) -> None:
        """What the store says of the earliest written deadlines, once all before is saved."""
        self._present_due_ms, self._past_due_ms = present_ms, any_ms

    def pass_tick(self, record: Record) -> None:
        """Go on behind a tick, now that everybody due at it has lapsed."""
        self.observe(record, None)

    def _hand_out(self, rows: Sequence[ProfileRow], rearmed: Sequence[tuple[str, int | None]]) -> Folded:
        draft, self._draft = self._draft, Draft(self._segments)
        was_offset, self._saved_offset = self._saved_offset, self.offset
        batch = PartitionBatch(
            partition=self.number,
            epoch=self.epoch,
            was_offset=was_offset,
            position=Position(self.offset, self._fold.clock_ms, self._fold.seq, self._fold.import_ms),
            profiles=rows,
            due_only=rearmed,
            transitions=draft.rows,
            visits=draft.visits(),
            traits=list(draft.traits.items()),
            moves=draft.moves(),
            counts=draft.counts(),
            quarantine=draft.quarantine,
        )
        return Folded(batch, draft.transitions, draft.traceparents)

    def _land(self) -> None:
        """What was handed out before is saved by now: one batch is in flight at most. Nothing is being folded, so that
        this is also the moment at which the longest unused profiles can go.
        """
        for customer, kept in self._flying.items():
            self._cache.put(customer, kept)
        self._flying = {}
        self._cache.trim()

    def _kept(self, customer: str) -> Stored | None:
        return self._flying.get(customer) or self._cache.get(customer)

    def _note_due(self, due_ms: int | None, *, is_historical: bool) -> None:
        if due_ms is None:
            return
        if is_historical:
            self._past_due_ms = due_ms if self._past_due_ms is None else min(self._past_due_ms, due_ms)
        else:
            self._present_due_ms = due_ms if self._present_due_ms is None else min(self._present_due_ms, due_ms)


def _traceparent(record: Record) -> bytes | None:
    return next((value for name, value in record.headers if name == "traceparent"), None)
