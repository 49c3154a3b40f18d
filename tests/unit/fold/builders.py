"""Builders that say only what matters: definitions, events, and a little log to fold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from services.stager.fold.instants import instant_of
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import (
    Compare,
    Constant,
    Expression,
    Kind,
    Lifecycle,
    Metric,
    MetricFunction,
    MetricValue,
    Since,
    Stage,
)
from shared.clock import DAY_MS, rfc3339
from shared.event import Event
from shared.transition import Transition

ORDER = "Order Completed"
KINDS: Mapping[str, Kind] = {
    "first": Kind.TIME,
    "last": Kind.TIME,
    "changed": Kind.TIME,
    "sequence": Kind.TIME,
    "latest": Kind.ANY,
}


def at(text: str) -> int:
    """The instant of an ISO text."""
    instant = instant_of(text)
    assert instant is not None
    return instant


def days(count: float) -> int:
    return int(count * DAY_MS)


def metric(name: str, function: MetricFunction, *events: str, **options: Any) -> Metric:
    """A metric of one step; `path` as dotted text."""
    path = tuple(options.pop("path").split(".")) if "path" in options else ()
    steps = options.pop("steps", (frozenset(events or {ORDER}),) if function != "changed" else ())
    return Metric(name, function, KINDS.get(function, Kind.NUMBER), steps, path, **options)


def number(value: float) -> Constant:
    return Constant(round(value * 1_000_000), Kind.NUMBER)


def text(value: str) -> Constant:
    return Constant(value, Kind.TEXT)


def duration(length_ms: int) -> Constant:
    return Constant(length_ms, Kind.DURATION)


def value(name: str, kind: Kind = Kind.NUMBER) -> MetricValue:
    return MetricValue(name, kind)


def at_least(name: str, least: float) -> Compare:
    return Compare(">=", value(name), number(least))


def below(name: str, limit: float) -> Compare:
    return Compare("<", value(name), number(limit))


def silent_for(name: str, length_ms: int) -> Compare:
    """`since(name) >= length`."""
    return Compare(">=", Since(value(name, Kind.TIME)), duration(length_ms))


def lifecycle(*stages: Stage, metrics: tuple[Metric, ...] = (), **options: Any) -> Lifecycle:
    return Lifecycle(options.pop("name", "shop"), stages, metrics, **options)


def segment(when: Expression, *, metrics: tuple[Metric, ...] = (), **options: Any) -> Lifecycle:
    name = options.pop("name", "vip")
    return Lifecycle(name, (Stage("out"), Stage("in", when, **options)), metrics, segment=True)


class Story:
    """A little log of one partition: events come, ticks come, transitions are kept."""

    def __init__(self, *lifecycles: Lifecycle) -> None:
        self.rules = compile_rules(lifecycles)
        self.partition = Partition(self.rules)
        self.profiles: dict[str, Profile] = {}
        self.transitions: list[Transition] = []
        self._ids = 0

    def event(
        self,
        received: str | int,
        name: str = ORDER,
        *,
        customer: str = "ann",
        occurred: str | int | None = None,
        event_id: str | None = None,
        historical: bool = False,
        **properties: Any,
    ) -> list[Transition]:
        """A track; the id is new unless given."""
        fields = {"name": name, "properties": msgspec.Raw(msgspec.json.encode(properties))}
        return self._fold("track", received, customer, occurred, event_id, historical, fields)

    def identify(
        self,
        received: str | int,
        *,
        customer: str = "ann",
        occurred: str | int | None = None,
        event_id: str | None = None,
        **traits: Any,
    ) -> list[Transition]:
        fields = {"name": "$identify", "traits": msgspec.Raw(msgspec.json.encode(traits))}
        return self._fold("identify", received, customer, occurred, event_id, False, fields)

    def _fold(
        self,
        kind: Any,
        received: str | int,
        customer: str,
        occurred: str | int | None,
        event_id: str | None,
        historical: bool,
        fields: dict[str, Any],
    ) -> list[Transition]:
        self._ids += 1
        received_ms = at(received) if isinstance(received, str) else received
        occurred_ms = received_ms if occurred is None else at(occurred) if isinstance(occurred, str) else occurred
        event = Event(
            type=kind,
            id=event_id or f"e{self._ids}",
            customer=customer,
            occurred_at=rfc3339(occurred_ms),
            historical=historical,
            **fields,
        )
        profile = self.profiles.setdefault(customer, new_profile(customer))
        return self._keep(self.partition.fold(profile, event, received_ms))

    def tick(self, instant: str | int) -> list[Transition]:
        """The log's time has come so far."""
        until_ms = at(instant) if isinstance(instant, str) else instant
        self.partition.observe(None, until_ms)
        wakes = self.partition.wakes_historical(until_ms)
        profiles = [profile for profile in self.profiles.values() if wakes or not profile.historical]
        return self._keep(self.partition.lapse(profiles, until_ms=until_ms))

    def moves(self) -> list[tuple[str | None, str | None, str]]:
        """(from, to, at) of every move so far."""
        return [
            (change.from_stage, change.to_stage, change.at) for change in self.transitions if change.change == "moved"
        ]

    def _keep(self, transitions: list[Transition]) -> list[Transition]:
        self.transitions += transitions
        return transitions
