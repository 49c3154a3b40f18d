"""Runs a story: the real fold with perfect ticks, and every difference between what must be so and what is.

Pure: rules and a story in, differences out. The first step that differs ends the story: what follows would be noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from services.stager.explain.as_text import render_lifecycle
from services.stager.explain.evidence import Folded
from services.stager.explain.explainer import explain
from services.stager.explain.explanation import Explanation
from services.stager.fold.instants import instant_of
from services.stager.fold.profile import Profile
from services.stager.fold.rules import TRACKED, Rules
from services.stager.simulate.line import Line
from services.stager.simulate.simulation import Simulation
from services.stager.story.story import NO_STAGE, Expected, Standing, Step, Story
from shared.clock import rfc3339
from shared.document.nodes import Node, nearest
from shared.event import Event
from shared.transition import Transition


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that must be so and is not: where the story says it, what is the case instead, and why."""

    place: Node
    message: str
    explanation: tuple[str, ...]


def run_story(story: Story, rules: Rules, *, lifecycle: str) -> list[Difference]:
    """The differences of the first step that has any; empty when all is as told. `lifecycle`: the one it is about."""
    run = _Run(story, rules, lifecycle)
    for number, step in enumerate(story.steps, start=1):
        changes = run.play(step, number)
        differences = [*run.compare_changes(step, changes), *run.compare_standings(step)]
        if differences:
            return differences
    return []


class _Run:
    """One story under way."""

    def __init__(self, story: Story, rules: Rules, lifecycle: str) -> None:
        self._story = story
        self._rules = rules
        self._lifecycle = lifecycle
        self._simulation = Simulation(rules)
        self._folded: list[Folded] = []
        self._number = 0

    def play(self, step: Step, number: int) -> list[Transition]:
        """Let time pass and the step of this number, from 1, happen; the changes of the story's lifecycle."""
        self._number = number
        changes = list(self._simulation.tick(step.at_ms))
        happening = step.happening
        if happening is not None:
            occurred_ms = step.at_ms - happening.late_ms
            members = msgspec.Raw(msgspec.json.encode(happening.members))
            of_traits = happening.type in ("identify", "group")
            event = Event(
                type=happening.type,
                id=f"step {number:0{len(str(len(self._story.steps)))}}",  # ids compare as text
                customer=self._story.customer,
                name=happening.name,
                occurred_at=rfc3339(occurred_ms),
                properties=msgspec.UNSET if of_traits else members,
                traits=members if of_traits else msgspec.UNSET,
            )
            self._folded.append(Folded(event, occurred_ms))
            for _ in range(2 if happening.twice else 1):
                changes += self._simulation.take(Line(event, step.at_ms))
        return [change for change in changes if change.lifecycle == self._lifecycle]

    def compare_changes(self, step: Step, changes: Sequence[Transition]) -> Iterator[Difference]:
        """What differs in the changes of a step."""
        for expected in step.among:
            if not any(_fits(expected, change) for change in changes):
                yield self._unlike(expected.place, step, [expected], changes)
        if step.changes is not None and not _all_fit(step.changes, changes):
            yield self._unlike(step.changes_place or step.place, step, step.changes, changes)

    def compare_standings(self, step: Step) -> Iterator[Difference]:
        """Where the customer stands elsewhere than they should."""
        for standing in step.standings:
            name = standing.lifecycle or self._lifecycle
            found = self._stage(name)
            if found != standing.stage:
                message = f"expected {_in_stage(standing)}, but the customer is in {_stage(found)}"
                yield self._difference(standing.place, message, name, step, [standing.stage])

    def _stage(self, lifecycle: str) -> str:
        profile = self._profile()
        index = next(one.index for one in self._rules.lifecycles if one.name == lifecycle)
        place = profile.places[index] if profile is not None and profile.rules is not None else None
        return NO_STAGE if place is None or place.stage is None else place.stage

    def _profile(self) -> Profile | None:
        return self._simulation.profiles.get(self._story.customer)

    def _unlike(
        self, place: Node, step: Step, expected: Sequence[Expected], changes: Sequence[Transition]
    ) -> Difference:  # fmt: skip
        """Expected changes that did not come: on one line, or as two lists where either has more than one."""
        wanted = [_wanted(one) for one in expected] or ["nothing happens"]
        happened = [_said(change, step.at_ms) for change in changes] or ["nothing"]
        stages = [one.to_stage for one in expected]
        if len(wanted) == len(happened) == 1:
            message = f"expected that {wanted[0]}; what happened: {happened[0]}"
            return self._difference(place, message, self._lifecycle, step, stages)
        lists = ["expected:", *(f"  {line}" for line in wanted), "what happened:", *(f"  {line}" for line in happened)]
        message = "other changes happened than expected"
        return self._difference(place, message, self._lifecycle, step, stages, lists=lists)

    def _difference(
        self,
        place: Node,
        message: str,
        lifecycle: str,
        step: Step,
        stages: Sequence[str | None],
        *,
        lists: Sequence[str] = (),
    ) -> Difference:
        """The difference with what explains it: unread events, the customer's stage and the wanted `stages`."""
        explanation = self._explained(lifecycle, step.at_ms, frozenset(filter(None, stages)))
        explanation = [*lists, *self._unread(lifecycle), *explanation]
        where = f"step {self._number} of {len(self._story.steps)}, {rfc3339(step.at_ms)}"
        return Difference(place, f"{where}: {message}", tuple(explanation))

    def _explained(self, lifecycle: str, at_ms: int, stages: frozenset[str]) -> list[str]:
        profile = self._profile()
        if profile is None:
            return ["the customer has sent nothing yet"]
        found: Explanation = explain(self._rules, profile, max(at_ms, profile.clock_ms), folded=self._folded)
        view = next(view for view in found.lifecycles if view.name == lifecycle)
        return render_lifecycle(view, found.at_ms, only=stages)

    def _unread(self, lifecycle: str) -> Iterator[str]:
        """The tracked events so far, each once, that no metric here reads, of no other lifecycle either.

        They may be misspelt.
        """
        definition = next(one.definition for one in self._rules.lifecycles if one.name == lifecycle)
        if any(None in metric.steps for metric in definition.metrics):  # `"*"` reads them all
            return
        steps = (names for metric in self._rules.metrics for names in metric.definition.steps)
        read = {name for names in steps for name in names or ()}
        for name in dict.fromkeys(one.event.name for one in self._folded if one.event.type in TRACKED):
            if name not in read:
                near = nearest(name, read)
                hint = "" if near is None else f" (did you mean `{near}`?)"
                yield f"no metric of `{lifecycle}` reads the event `{name}`{hint}"


def _all_fit(expected: Sequence[Expected], changes: Sequence[Transition]) -> bool:
    return len(expected) == len(changes) and all(map(_fits, expected, changes))


def _fits(expected: Expected, change: Transition) -> bool:
    """Whether a change is the expected one, as far as the story says."""
    if expected.change != change.change:
        return False
    wanted = ((expected.from_stage, change.from_stage), (expected.to_stage, change.to_stage))
    if any(stage is not None and stage != (found or NO_STAGE) for stage, found in wanted):
        return False
    if expected.nth is not None and expected.nth != change.nth:
        return False
    return expected.at_ms is None or expected.at_ms == instant_of(change.at)


def _wanted(expected: Expected) -> str:
    at = "" if expected.at_ms is None else f" at {rfc3339(expected.at_ms)}"
    if expected.change == "lingered":
        where = "" if expected.to_stage is None else f" in {_stage(expected.to_stage)}"
        nth = "" if expected.nth is None else f" (number {expected.nth})"
        return f"the customer lingers{where}{nth}{at}"
    came = "" if expected.from_stage is None else f" from {_stage(expected.from_stage)}"
    went = "" if expected.to_stage is None else f" to {_stage(expected.to_stage)}"
    return f"the customer moves{came}{went}{at}"


def _said(change: Transition, step_ms: int) -> str:
    """What happened, and when, if not at the instant of the step."""
    at = "" if change.at == rfc3339(step_ms) else f" at {change.at}"
    if change.change == "lingered":
        return f"lingered in {_stage(change.to_stage)} (number {change.nth}){at}"
    return f"moved from {_stage(change.from_stage)} to {_stage(change.to_stage)}{at}"


def _stage(name: str | None) -> str:
    return "no stage" if name in (None, NO_STAGE) else f"`{name}`"


def _in_stage(standing: Standing) -> str:
    return _stage(standing.stage) if standing.lifecycle is None else f"{_stage(standing.stage)} of {standing.lifecycle}"
