"""The fold alone: one process, no log, no database."""

from __future__ import annotations

import time
from dataclasses import dataclass

from services.stager.collector import spare_the_collector
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_text
from shared.event import decode
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value

EVENTS = 300_000
CUSTOMERS = 20_000
BEGIN_MS = 1_780_000_000_000


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """Events a second; bytes of the mean profile at the end."""

    events_s: float
    decode_s: float
    profile_bytes: float
    transitions: int


def measure_fold() -> FoldFigures:
    """Fold events of known customers, decoded before; then say how long decoding them takes."""
    rules = compile_rules(load_text(LIFECYCLE, file="bench.yaml").lifecycles)
    values = [
        event_value(sequence=sequence, customer=customer_name(number), occurred_ms=BEGIN_MS + sequence)
        for sequence, number in enumerate(Load(EVENTS, CUSTOMERS, "uniform").customer_numbers())
    ]
    began = time.perf_counter()
    events = [decode(value) for value in values]
    decode_took_s = time.perf_counter() - began
    partition, profiles = Partition(rules), dict[str, Profile]()
    for event in events:
        profiles.setdefault(event.customer, new_profile(event.customer))
    spare_the_collector()  # as the stager does
    transitions, fold = 0, partition.fold
    began = time.perf_counter()
    for sequence, event in enumerate(events):
        transitions += len(fold(profiles[event.customer], event, BEGIN_MS + sequence))
    took_s = time.perf_counter() - began
    size = sum(len(profile.encode()) for profile in profiles.values()) / len(profiles)
    return FoldFigures(EVENTS / took_s, EVENTS / decode_took_s, size, transitions)
