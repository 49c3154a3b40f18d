"""The fold alone: one process, no log, no database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from deploy.demo.history import PURCHASES, import_lines
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_paths, load_text
from services.stager.simulate.line import read_line
from services.stager.simulate.simulation import Simulation
from shared.collector import spare_the_collector
from shared.event import decode
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value

EVENTS = 300_000
CUSTOMERS = 20_000
SETTLED_CUSTOMERS = 5_000
DEMO = PURCHASES.parent
BATCH = 8_000  # the stager's
BEGIN_MS = 1_780_000_000_000
FIVE_STAGES = LIFECYCLE + "  - stage: churned\n    when: orders >= 1 and since(last_order) >= 90d\n"


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """Events a second, all and those after which hardly anybody moves; bytes of the mean profile in the end: of
    customers with fifteen events each, and of those whose real purchases the demo replays.
    """

    events_s: float
    plain_events_s: float
    decode_s: float
    busy_profile_bytes: float
    real_profile_bytes: float
    transitions: int


def measure_fold() -> FoldFigures:
    """Fold events of known customers, decoded a batch at a time as the stager does; only folding is timed."""
    rules = compile_rules(load_text(FIVE_STAGES, file="bench.yaml").lifecycles)
    moving, settled = _values(CUSTOMERS), _values(SETTLED_CUSTOMERS)
    spare_the_collector()  # as the stager does
    profiles = dict[str, Profile]()
    moved = _fold(Partition(rules), profiles, moving, BEGIN_MS)
    partition, known, half = Partition(rules), dict[str, Profile](), EVENTS // 2
    _fold(partition, known, settled[:half], BEGIN_MS)
    plain = _fold(partition, known, settled[half:], BEGIN_MS + half)
    decoded_s = EVENTS / moved.decode_took_s
    busy, real = mean_bytes(profiles), mean_bytes(shoppers())
    return FoldFigures(EVENTS / moved.took_s, half / plain.took_s, decoded_s, busy, real, moved.transitions)


def shoppers() -> Mapping[str, Profile]:
    """The profiles that a year and a half of real purchases comes to, under the demo's lifecycle and segment."""
    simulation = Simulation(compile_rules(load_paths([DEMO / "shop.yaml"]).lifecycles))
    for number, text in enumerate(import_lines(date(2026, 11, 29)), start=1):
        line = read_line(text, number)
        simulation.tick(line.received_ms)
        simulation.take(line)
    return simulation.profiles


def mean_bytes(profiles: Mapping[str, Profile]) -> float:
    """How long the mean profile is in the database."""
    return sum(len(profile.encode()) for profile in profiles.values()) / len(profiles)


def _values(customers: int) -> list[bytes]:
    return [
        event_value(sequence=sequence, customer=customer_name(number), occurred_ms=BEGIN_MS + sequence)
        for sequence, number in enumerate(Load(EVENTS, customers, "uniform").customer_numbers())
    ]


class _Folded(NamedTuple):
    """Seconds of processor time for folding and for decoding, and how many transitions came of it."""

    took_s: float
    decode_took_s: float
    transitions: int


def _fold(partition: Partition, profiles: dict[str, Profile], values: Sequence[bytes], begin_ms: int) -> _Folded:
    took_s, decode_took_s, transitions, fold = 0.0, 0.0, 0, partition.fold
    for start in range(0, len(values), BATCH):
        began = time.process_time()
        events = [decode(value) for value in values[start : start + BATCH]]
        decode_took_s += time.process_time() - began
        for event in events:
            if event.customer not in profiles:
                profiles[event.customer] = new_profile(event.customer)
        began = time.process_time()
        for received_ms, event in enumerate(events, start=begin_ms + start):
            transitions += len(fold(profiles[event.customer], event, received_ms))
        took_s += time.process_time() - began
    return _Folded(took_s, decode_took_s, transitions)
