"""One lifecycle of one customer at one instant (LANGUAGE.md 5), and the transition it writes (LANGUAGE.md 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.stager.language.definition import Kind, Lifecycle, Metric, MetricValue, Stage, TraitValue
from tests.oracle import deadlines, values
from tests.oracle.expressions import Moment, evaluate, is_true
from tests.oracle.lines import Record
from tests.oracle.metrics import current_traits, metric_value
from tests.oracle.values import Value


@dataclass
class Journey:
    """One customer in one lifecycle."""

    started: bool = False
    stage: str | None = None
    began: int | None = None
    emitted: int = 0
    n: int = 0
    visits: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    again_at: int | None = None


@dataclass
class Customer:
    """One customer: everything that was folded."""

    name: str
    clock: int = -(10**18)
    events: list[Record] = field(default_factory=list)
    journeys: dict[str, Journey] = field(default_factory=dict)
    quiet_until: int = -(10**18)  # evaluated up to here since the last change, and nothing happened
    traits: dict[str, object] = field(default_factory=dict)

    def fold(self, record: Record) -> None:
        """Take an event in."""
        self.events.append(record)
        self.traits = current_traits(self.events)


def moment_of(customer: Customer, lifecycle: Lifecycle, journey: Journey, t: int) -> Moment:
    """What the conditions of a lifecycle see at an instant."""
    metrics: dict[str, Metric] = {metric.name: metric for metric in lifecycle.metrics}
    return Moment(
        t=t,
        metric=lambda name: metric_value(metrics[name], customer.events, t),
        traits=customer.traits,
        began=journey.began if journey.stage is not None else None,
    )


@dataclass
class Evaluation:
    """One lifecycle of one customer at one instant (LANGUAGE.md 5)."""

    transitions: list[dict[str, Any]]
    customer: Customer
    lifecycle: Lifecycle
    journey: Journey
    t: int
    cause: Record | None

    def run(self) -> None:
        """Move until nothing moves, then emit the lingers that are due."""
        self.journey.again_at = None
        left_now: set[str] = set()
        while not self.must_stay():
            target = self.target()
            if target == self.journey.stage:
                break
            if target in left_now:
                self.journey.again_at = self.t + 1
                return
            if self.journey.stage is not None:
                left_now.add(self.journey.stage)
            self.move(target)
        self.linger()

    def must_stay(self) -> bool:
        """Whether the minimal stay is not over."""
        stage = stage_of(self.lifecycle, self.journey.stage)
        return stage is not None and self.stay(self.t) < stage.min_stay_ms

    def stay(self, t: int) -> int:
        """Length of the visit at an instant."""
        assert self.journey.began is not None
        return t - self.journey.began

    def target(self) -> str | None:
        """The furthest open stage that holds."""
        moment = moment_of(self.customer, self.lifecycle, self.journey, self.t)
        for stage in reversed(self.lifecycle.stages):
            if self.is_open(stage) and self.holds(stage, moment):
                return stage.name
        return self.journey.stage if self.lifecycle.forward_only else None

    def holds(self, stage: Stage, moment: Moment) -> bool:
        """Whether the stage's condition keeps or takes the customer."""
        if stage.when is None or is_true(stage.when, moment):
            return True
        return stage.name == self.journey.stage and stage.until is not None and not is_true(stage.until, moment)

    def is_open(self, stage: Stage) -> bool:
        """Whether the customer may be in the stage now."""
        current, name = self.journey.stage, stage.name
        if name == current:
            return True
        if stage.came_from is not None and current not in stage.came_from:
            return False
        left_at = self.journey.left.get(name)
        if left_at is not None and (stage.re_enter_ms is None or self.t - left_at < stage.re_enter_ms):
            return False
        order = [each.name for each in self.lifecycle.stages]
        return not (self.lifecycle.forward_only and current is not None and order.index(name) < order.index(current))

    def move(self, target: str | None) -> None:
        """Emit `moved`, end the visit and begin another."""
        journey = self.journey
        origin, stay = journey.stage, None if journey.stage is None else self.stay(self.t)
        if origin is not None:
            journey.left[origin] = self.t
        if target is not None:
            journey.visits[target] = journey.visits.get(target, 0) + 1
        journey.stage, journey.began, journey.emitted = target, self.t, 0
        self.emit(change="moved", origin=origin, at=self.t, nth=0, stay=stay)

    def linger(self) -> None:
        """Emit every linger that is due."""
        stage = stage_of(self.lifecycle, self.journey.stage)
        while stage is not None and self.journey.began is not None:
            offset = deadlines.linger_offset(stage.linger, self.journey.emitted)
            if offset is None or self.journey.began + offset > self.t:
                return
            self.journey.emitted += 1
            at = self.journey.began + offset
            self.emit(change="lingered", origin=stage.name, at=at, nth=self.journey.emitted, stay=offset)

    def emit(self, *, change: str, origin: str | None, at: int, nth: int, stay: int | None) -> None:
        """Write the transition (LANGUAGE.md 6)."""
        journey, target = self.journey, self.journey.stage
        journey.n += 1
        nowhere = target is None or (self.lifecycle.segment and target == "out")
        transition: dict[str, Any] = {
            "customer": self.customer.name,
            "lifecycle": self.lifecycle.name,
            "change": change,
            "from": origin,
            "to": target,
            "at": values.written(at),
            "entry": 0 if nowhere else journey.visits[str(target)],
            "nth": nth,
            "stay_ms": stay,
            "cause": self.cause_written(),
            "historical": self.is_historical(at),
            "n": journey.n,
            "seq": len(self.transitions) + 1,
            "version": self.lifecycle.version,
        }
        if self.lifecycle.has_carry:
            transition["carried"] = self.carried(at)
        self.transitions.append(transition)

    def cause_written(self) -> dict[str, str]:
        """The record, or time."""
        if self.cause is None:
            return {"kind": "time"}
        at = values.written(self.cause.occurred_at)
        return {"kind": "event", "id": self.cause.id, "name": self.cause.name, "occurred_at": at}

    def is_historical(self, at: int) -> bool:
        """Whether this belongs to a history that is being imported."""
        if self.cause is not None:
            return self.cause.historical
        latest = self.customer.events[-1]
        return latest.historical and latest.received_at >= at

    def carried(self, at: int) -> dict[str, Any]:
        """The values that each transition takes along."""
        moment = moment_of(self.customer, self.lifecycle, self.journey, at)
        return {one.label: carried_json(one.value, moment) for one in self.lifecycle.carry}


def carried_json(source: MetricValue | TraitValue, moment: Moment) -> Any:
    """A carried value as JSON; an object is no value of the language, but stands as it is."""
    value = evaluate(source, moment)
    return values.written(value[1]) if value is not None and value[0] is Kind.TIME else plain_json(value)


def plain_json(value: Value) -> Any:
    """A value read from JSON as JSON again, its numbers as the language keeps them."""
    if value is None:
        return None
    kind, raw = value
    if kind == values.OBJECT:
        return {key: plain_json(values.read(item)) for key, item in raw.items()}
    if kind is Kind.LIST:
        return [plain_json(values.read(item)) for item in raw]
    return number_json(raw) if kind is Kind.NUMBER else raw


def number_json(millionths: int) -> int | Decimal:
    """An integer where it is whole, else exactly six places."""
    whole, rest = divmod(millionths, values.MILLION)
    return whole if rest == 0 else Decimal(millionths) / values.MILLION


def stage_of(lifecycle: Lifecycle, name: str | None) -> Stage | None:
    """The stage of that name."""
    return next((stage for stage in lifecycle.stages if stage.name == name), None)
