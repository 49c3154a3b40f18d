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
from services.stager.fold.rules import Rules, compile_rules
from services.stager.language.file import load_paths, load_text
from services.stager.simulate.line import read_line
from services.stager.simulate.simulation import Simulation
from shared.collector import tune_collector
from shared.event import decode
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value

EVENTS = 300_000
CUSTOMERS = 20_000
SETTLED_CUSTOMERS = 5_000
RUNS = 5
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
    """Fold events of known customers, decoded a batch at a time as the stager does; only folding is timed.

    The fastest of a few runs: what else the machine does makes a run slower and never faster.
    """
    rules = compile_rules(load_text(FIVE_STAGES, file="bench.yaml").lifecycles)
    moving, settled = _values(CUSTOMERS), _values(SETTLED_CUSTOMERS)
    tune_collector()  # as the stager does
    profiles, moved = min((_fold_all(rules, moving) for _ in range(RUNS)), key=lambda run: run[1].took_s)
    plain = min((_fold_settled(rules, settled) for _ in range(RUNS)), key=lambda run: run.took_s)
    decoded_s = EVENTS / moved.decode_took_s
    busy, real = mean_bytes(profiles), mean_bytes(shoppers())
    return FoldFigures(EVENTS / moved.took_s, EVENTS / 2 / plain.took_s, decoded_s, busy, real, moved.transitions)


def _fold_all(rules: Rules, values: Sequence[bytes]) -> tuple[Mapping[str, Profile], _Folded]:
    profiles = dict[str, Profile]()
    return profiles, _fold(Partition(rules), profiles, values, BEGIN_MS)


def _fold_settled(rules: Rules, values: Sequence[bytes]) -> _Folded:
    """The second half of these events, when nearly everybody stands where they stay."""
    partition, known, half = Partition(rules), dict[str, Profile](), len(values) // 2
    _fold(partition, known, values[:half], BEGIN_MS)
    return _fold(partition, known, values[half:], BEGIN_MS + half)


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
