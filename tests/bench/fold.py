"""The fold alone: one process, no log, no database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_text
from shared.collector import spare_the_collector
from shared.event import Event, decode
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value

EVENTS = 300_000
CUSTOMERS = 20_000
SETTLED_CUSTOMERS = 5_000
BEGIN_MS = 1_780_000_000_000
FIVE_STAGES = LIFECYCLE + "  - stage: churned\n    when: orders >= 1 and since(last_order) >= 90d\n"


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """Events a second, all and those after which hardly anybody moves; bytes of the mean profile at the end."""

    events_s: float
    plain_events_s: float
    decode_s: float
    profile_bytes: float
    transitions: int


def measure_fold() -> FoldFigures:
    """Fold events of known customers, decoded before; then say how long decoding them takes."""
    rules = compile_rules(load_text(FIVE_STAGES, file="bench.yaml").lifecycles)
    values = _values(CUSTOMERS)
    began = time.process_time()
    events = [decode(value) for value in values]
    decode_took_s = time.process_time() - began
    settled = [decode(value) for value in _values(SETTLED_CUSTOMERS)]
    spare_the_collector()  # as the stager does
    profiles = dict[str, Profile]()
    took_s, transitions = _fold(Partition(rules), profiles, events, BEGIN_MS)
    size = sum(len(profile.encode()) for profile in profiles.values()) / len(profiles)
    known, partition = dict[str, Profile](), Partition(rules)
    _fold(partition, known, settled[: EVENTS // 2], BEGIN_MS)
    plain_took_s, _ = _fold(partition, known, settled[EVENTS // 2 :], BEGIN_MS + EVENTS // 2)
    return FoldFigures(EVENTS / took_s, EVENTS / 2 / plain_took_s, EVENTS / decode_took_s, size, transitions)


def _values(customers: int) -> list[bytes]:
    return [
        event_value(sequence=sequence, customer=customer_name(number), occurred_ms=BEGIN_MS + sequence)
        for sequence, number in enumerate(Load(EVENTS, customers, "uniform").customer_numbers())
    ]


def _fold(
    partition: Partition, profiles: dict[str, Profile], events: Sequence[Event], begin_ms: int
) -> tuple[float, int]:
    """The seconds of processor time that it takes, and how many transitions come of it."""
    for event in events:
        if event.customer not in profiles:
            profiles[event.customer] = new_profile(event.customer)
    transitions, fold = 0, partition.fold
    began = time.process_time()
    for sequence, event in enumerate(events):
        transitions += len(fold(profiles[event.customer], event, begin_ms + sequence))
    return time.process_time() - began, transitions
