"""A draft: what folding some records of one partition has changed, gathered until it is saved.

Pure; knows neither log nor database. It turns transitions into the rows of the read models (visits, counts, moves), so
that these can never disagree with the transitions they are saved with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from services.stager.fold.instants import instant_of
from services.stager.fold.profile import Profile
from services.stager.store import CountRow, Kept, MoveRow, ProfileRow, QuarantineRow, TransitionRow, VisitRow
from shared.clock import HOUR_MS
from shared.transition import Transition, encode

QUARANTINE_REASON_MAX = 500  # characters; a reason may quote hostile input


class Draft:
    """The unsaved changes of one partition. Mutable, owned by the worker that folds.

    `segments` names the lifecycles whose place `out` is no stage of theirs: being in no segment is not kept.
    """

    def __init__(self, segments: frozenset[str]) -> None:
        self._segments = segments
        self.profiles: dict[str, Profile] = {}
        self.written: dict[str, Kept | ProfileRow] = {}  # what stood in the store of those that were not new
        self.transitions: list[Transition] = []
        self.rows: list[TransitionRow] = []
        self.traceparents: dict[int, bytes] = {}
        self.traits: dict[str, bytes] = {}
        self.quarantine: list[QuarantineRow] = []
        self._visits: dict[tuple[str, str], VisitRow] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._moves: dict[tuple[str, str, str, int], list[int]] = {}

    def add_transitions(self, transitions: Sequence[Transition], traceparent: bytes | None = None) -> None:
        """Take these in, in the order of their `seq`."""
        for transition in transitions:
            at_ms = instant_of(transition.at)
            assert at_ms is not None
            self.transitions.append(transition)
            self.rows.append(
                TransitionRow(transition.seq, transition.customer, transition.lifecycle, at_ms, encode(transition))
            )
            if traceparent is not None:
                self.traceparents[transition.seq] = traceparent
            if transition.change == "moved":
                self._add_move(transition, at_ms)

    def add_quarantined(self, *, offset: int, reason: str, value: bytes | None) -> None:
        """Keep a record that cannot be used, with the reason."""
        self.quarantine.append(QuarantineRow(offset, reason[:QUARANTINE_REASON_MAX], value or b""))

    def visits(self) -> list[VisitRow]:
        """Each touched visit once, from the stage stored before this draft to the last one."""
        return list(self._visits.values())

    def counts(self) -> list[CountRow]:
        """What the moves add up to for each stage; stages in which nothing changed are left out."""
        return [CountRow(lifecycle, stage, delta) for (lifecycle, stage), delta in self._counts.items() if delta]

    def moves(self) -> list[MoveRow]:
        """Moves and their summed stay per lifecycle, from, to and hour."""
        return [MoveRow(*key, moves=moves, stay_ms=stay_ms) for key, (moves, stay_ms) in self._moves.items()]

    def _add_move(self, moved: Transition, at_ms: int) -> None:
        source, target = self._stage(moved, moved.from_stage), self._stage(moved, moved.to_stage)
        earlier = self._visits.get((moved.lifecycle, moved.customer))
        was_stage = earlier.was_stage if earlier is not None else source
        self._visits[moved.lifecycle, moved.customer] = VisitRow(
            moved.customer, moved.lifecycle, was_stage, target, at_ms, moved.entry, moved.n
        )
        if source is not None:
            self._counts[moved.lifecycle, source] -= 1
        if target is not None:
            self._counts[moved.lifecycle, target] += 1
        key = (moved.lifecycle, moved.from_stage or "", moved.to_stage or "", at_ms // HOUR_MS * HOUR_MS)
        summed = self._moves.setdefault(key, [0, 0])
        summed[0] += 1
        summed[1] += moved.stay_ms or 0

    def _stage(self, moved: Transition, stage: str | None) -> str | None:
        return None if stage == "out" and moved.lifecycle in self._segments else stage


def profile_row(profile: Profile, *, written_due_ms: int | None, is_new: bool) -> ProfileRow:
    """The row of a touched profile. A deadline that has moved later is left where it is written: when it fires it finds
    nothing and is set anew, so that ordinary events touch no index.
    """
    due_ms = profile.due_ms
    if written_due_ms is not None and (due_ms is None or written_due_ms < due_ms):
        due_ms = written_due_ms
    return ProfileRow(profile.customer, profile.encode(), due_ms, profile.historical, is_new)
