"""A partition of the log being folded: each record and each deadline in, transitions out (LANGUAGE.md 4, 5, 7).

The heart. It knows no log, no store and no clock; what it is told of time comes with the records. One worker owns a
Partition and every profile it hands in; both are changed in place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.stager.fold.dynamic import of_json, reach, to_json
from services.stager.fold.evaluation import Change, first_place, follow
from services.stager.fold.fingerprints import transition_id
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.metrics.family import Occurrence
from services.stager.fold.profile import Profile
from services.stager.fold.records import NO_MEMBERS, members_of, occurred_at
from services.stager.fold.rules import TRACKED, Rules
from services.stager.fold.touches import Touch, Watch
from services.stager.fold.traits import same
from shared.clock import MINUTE_MS, rfc3339
from shared.event import Event
from shared.transition import EventCause, TimeCause, Transition

IMPORT_QUIET_MS: Final = 10 * MINUTE_MS  # LANGUAGE.md 7: so long without a historical record, and the import is over

# A record of the log has at most 256 KiB, and the rest of a transition less than four.
CARRIED_BYTES_MAX: Final = 64 * 1024

# `import_ms` is lowered by this when an `import_end` closes the import: the largest time must not be forgotten.
_CLOSED: Final = 1 << 61
_TIME: Final = TimeCause()
_encode: Final = msgspec.json.Encoder().encode


class Partition:
    """One partition's clock, its sequence of transitions, and whether an import is running.

    `clock_ms` is the largest log time seen, `seq` the last one given out, `import_ms` the largest log time of the
    historical records (None: none yet; far below zero: an `import_end` stands after the last of them), `born` the
    number of forget records seen.
    """

    def __init__(
        self, rules: Rules, *, clock_ms: int = 0, seq: int = 0, import_ms: int | None = None, born: int = 0
    ) -> None:
        self.rules = rules
        self.clock_ms = clock_ms
        self.seq = seq
        self.import_ms = import_ms
        self.born = born
        self._occurrence = Occurrence()

    def fold(
        self, profile: Profile, event: Event, received_ms: int, *, occurred_ms: int | None = None
    ) -> list[Transition]:
        """Lapse, fold and evaluate for one record of this customer; what changed, in order.

        `occurred_ms`: when it occurred, from whoever has read that already, cut to `received_ms`.
        Errors: Malformed, before anything is changed; the caller quarantines the record and calls `observe`.
        """
        rules = self.rules
        touch = rules.touches[event.type].get(event.name) or rules.touch(event)
        if occurred_ms is None:
            occurred_ms = occurred_at(event, received_ms)
        members = members_of(event) if touch.looks else NO_MEMBERS
        # From here on nothing can fail.
        historical = event.historical
        if historical:
            self.observe(event, received_ms)
        elif received_ms > self.clock_ms:
            self.clock_ms = received_ms
        if profile.rules is None:
            profile.live_under(rules)
            profile.born = self.born
        t_ms = occurred_ms if historical else self.clock_ms
        if t_ms < profile.clock_ms:
            t_ms = profile.clock_ms
        transitions: list[Transition] = []
        while profile.due_or_never_ms <= t_ms:
            self.lapse_one(profile, transitions)
        profile.clock_ms = t_ms
        if not profile.remember(event.id):
            return transitions  # a repeat changes nothing more
        profile.historical_ms = received_ms if historical else None
        touched = self._take_in(profile, touch, event, occurred_ms, members)
        # A deadline one millisecond away may be an evaluation that was cut short (LANGUAGE.md 5): it goes on now.
        if profile.pending or profile.due_or_never_ms <= t_ms + 1:
            self._evaluate(profile, t_ms, _touched(profile, touched, t_ms), event, transitions)
        elif touched:
            self._evaluate(profile, t_ms, rules.chosen(touched), event, transitions)
        return transitions

    def observe(self, event: Event | None, received_ms: int) -> None:
        """Take the log's time of a record; enough for those that concern no customer or could not be used (None)."""
        if received_ms > self.clock_ms:
            self.clock_ms = received_ms
        if event is None:
            return
        if event.historical:
            largest_ms = received_ms if self.import_ms is None else max(received_ms, _opened(self.import_ms))
            self.import_ms = largest_ms
        elif event.type == "import_end" and self.import_ms is not None:
            self.import_ms = _opened(self.import_ms) - _CLOSED

    def wakes_historical(self, tick_ms: int) -> bool:
        """Whether a tick lapses also customers whose latest folded record is historical (LANGUAGE.md 7)."""
        return self.import_ms is None or tick_ms - self.import_ms >= IMPORT_QUIET_MS

    def lapse(
        self, profiles: Iterable[Profile], *, until_ms: int, bound: tuple[int, str] | None = None
    ) -> list[Transition]:
        """What time alone does to these, always the smallest (deadline, customer) next.

        Ends when none is due at or before `until_ms`, or the next one is beyond `bound`; each profile's `due_ms` then
        says when it is next due. The caller leaves out those that a running import protects.
        """
        waiting = [
            (due_ms, profile.customer, place, profile)
            for place, profile in enumerate(profiles)
            if (due_ms := profile.due_ms) is not None
        ]
        heapq.heapify(waiting)
        transitions: list[Transition] = []
        while waiting and waiting[0][0] <= until_ms and (bound is None or waiting[0][:2] <= bound):
            _, customer, place, profile = waiting[0]
            self.lapse_one(profile, transitions)
            next_ms = profile.due_ms
            if next_ms is None:
                heapq.heappop(waiting)
            else:
                heapq.heapreplace(waiting, (next_ms, customer, place, profile))
        return transitions

    def lapse_one(self, profile: Profile, transitions: list[Transition]) -> None:
        """Evaluate at the profile's next deadline, cause time, the lifecycles that are due; adds what changes."""
        due_ms = profile.due_or_never_ms
        due = [index for index, place in enumerate(profile.places) if place is not None and place.due_ms <= due_ms]
        self._evaluate(profile, due_ms, due, None, transitions)

    def _evaluate(
        self,
        profile: Profile,
        t_ms: int,
        chosen: Sequence[int],
        event: Event | None,
        transitions: list[Transition],
    ) -> None:
        """Evaluate the chosen lifecycles at an instant; the cause is the event just folded, or time."""
        lifecycles, places, memories = self.rules.lifecycles, profile.places, profile.memories
        traits = profile.traits.values if self.rules.reads_traits else NO_MEMBERS
        for index in chosen:
            lifecycle, place = lifecycles[index], places[index]
            if place is None:
                place = first_place(lifecycle, t_ms)
                profile.put(index, lifecycle.name, place)
            place.version, stage = lifecycle.fingerprint, place.stage
            target = lifecycle.settle.get(stage, lifecycle.settle_elsewhere)(place, t_ms, memories, traits)
            if target == stage and stage not in lifecycle.lingering:
                continue  # so it ends nearly always
            changes = follow(lifecycle, place, target, t_ms, memories, traits)
            if changes:
                cause = self._cause(event)
                carry = lifecycle.carry
                carried = _shown(carry(t_ms, memories, traits)) if carry is not None else msgspec.UNSET
                transitions += [self._transition(profile, lifecycle, change, cause, carried) for change in changes]
        profile.rearm()

    def _cause(self, event: Event | None) -> EventCause | TimeCause:
        if event is None:
            return _TIME
        return EventCause(event.id, event.name, rfc3339(self._occurrence.occurred_ms))

    def _transition(
        self,
        profile: Profile,
        lifecycle: CompiledLifecycle,
        change: Change,
        cause: EventCause | TimeCause,
        carried: dict[str, Any] | msgspec.UnsetType,
    ) -> Transition:
        """The record of a change; the customer's clock follows it."""
        self.seq += 1
        if change.at_ms > profile.clock_ms:
            profile.clock_ms = change.at_ms
        historical_ms = profile.historical_ms
        is_past = historical_ms is not None and (cause is not _TIME or historical_ms >= change.at_ms)
        return Transition(
            id=transition_id(customer=profile.customer, lifecycle=lifecycle.name, n=change.n, born=profile.born),
            customer=profile.customer,
            lifecycle=lifecycle.name,
            change=change.change,
            from_stage=change.from_stage,
            to_stage=change.to_stage,
            at=rfc3339(change.at_ms),
            entry=change.entry,
            nth=change.nth,
            stay_ms=change.stay_ms,
            cause=cause,
            historical=is_past,
            n=change.n,
            seq=self.seq,
            version=lifecycle.version,
            carried=carried,
        )

    def _take_in(self, profile: Profile, touch: Touch, event: Event, occurred_ms: int, members: dict[str, Any]) -> int:
        """Feed metrics and traits; the bits of the lifecycles that the record makes worth evaluating."""
        occurrence, t_ms = self._occurrence, profile.clock_ms
        occurrence.occurred_ms = occurred_ms
        if touch.shows:
            occurrence.id, occurrence.name, occurrence.clock_ms = event.id, event.name, t_ms
            occurrence.is_tracked = event.type in TRACKED
        touched = touch.take(profile.memories, members, occurred_ms, occurrence)
        if event.type == "identify":
            touched |= self._fold_traits(profile, members)
        reads_visits = self.rules.reads_visits
        return touched | _begun(profile, reads_visits, t_ms) if reads_visits else touched

    def _fold_traits(self, profile: Profile, mentions: dict[str, Any]) -> int:
        """Take an identify's traits in and feed the metrics that watch them."""
        occurrence, touched = self._occurrence, 0
        changes = profile.traits.take(mentions, occurred_ms=occurrence.occurred_ms, event_id=occurrence.id)
        for name, was, value in changes:
            profile.traits_changed = True
            touch = self.rules.by_trait.get(name)
            if touch is None:
                continue
            touched |= touch.lifecycles
            for watch in touch.watches:
                if _is_another(watch, was, value):
                    profile.memories[watch.metric] = watch.fold(profile.memories[watch.metric], occurrence)
                    touched |= watch.lifecycles
        return touched


def _touched(profile: Profile, touched: int, t_ms: int) -> Sequence[int]:
    """The lifecycles that a record makes worth evaluating, those included that are due; for a new customer all."""
    if profile.pending:
        profile.pending = profile.is_new = False
        return range(len(profile.places))
    return [
        index
        for index, place in enumerate(profile.places)
        if touched >> index & 1 or (place is not None and place.due_ms <= t_ms + 1)
    ]


def _begun(profile: Profile, reads_visits: int, t_ms: int) -> int:
    """The bits of those lifecycles that look at their visit and began it at this very instant.

    Such an evaluation may have been cut short because a stage was left in it (LANGUAGE.md 5). A record at the same
    instant evaluates anew, and then that stage may be entered, although its metrics and traits are untouched.
    """
    begun = 0
    for index, place in enumerate(profile.places):
        if place is not None and place.since_ms == t_ms:
            begun |= 1 << index
    return begun & reads_visits


def _shown(carried: Mapping[str, Any]) -> dict[str, Any]:
    """What a transition takes along, as JSON shows it; within the bound, since a record that no log takes stops all."""
    shown = {label: to_json(value) for label, value in carried.items()}
    return shown if len(_encode(shown)) <= CARRIED_BYTES_MAX else _within_bound(shown)


def _within_bound(shown: dict[str, Any]) -> dict[str, Any]:
    """The longest values give way to null, one after another; where the labels alone are too long, nothing is left."""
    sizes = {label: len(_encode(value)) for label, value in shown.items()}
    too_much = len(_encode(shown)) - CARRIED_BYTES_MAX
    for label in sorted(sizes, key=lambda label: (-sizes[label], label)):
        if too_much <= 0:
            break
        shown[label] = None
        too_much -= sizes[label] - len(b"null")
    return shown if too_much <= 0 else {}


def _is_another(watch: Watch, was: Any, value: Any) -> bool:
    """Whether the value at the watched path inside a trait is another than before."""
    before, after = (of_json(reach({watch.path[0]: trait}, watch.path)) for trait in (was, value))
    return not same(before, after)


def _opened(import_ms: int) -> int:
    """The largest log time of historical records, whether or not the import is closed."""
    return import_ms + _CLOSED if import_ms < -(_CLOSED >> 1) else import_ms
