"""`stageline simulate` over a million lines, as a user runs it, against decoding each line only, in the same run."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.clock import rfc3339
from tests.bench.fold import BEGIN_MS, FIVE_STAGES
from tests.bench.load import NAMES, customer_name
from tests.bench.processes import ROOT

EVENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class SimulateFigures:
    """Seconds for all events, start-up included, and for decoding their JSON into dicts; transitions printed."""

    shape: str
    seconds: float
    json_seconds: float
    transitions: int


def measure_simulate(folder: Path) -> list[SimulateFigures]:
    """10,000 customers in three months, of whom few move; 50,000 in a year, whom silence moves again and again."""
    return [
        _measure(folder, "calm", customers=10_000, step_ms=8_000),
        _measure(folder, "restless", customers=50_000, step_ms=30_000),
    ]


def _measure(folder: Path, shape: str, *, customers: int, step_ms: int) -> SimulateFigures:
    lifecycle, events, moves = folder / "five.yaml", folder / f"{shape}.ndjson", folder / f"{shape}-moves.ndjson"
    lifecycle.write_text(FIVE_STAGES)
    _write(events, customers=customers, step_ms=step_ms)
    command = [
        sys.executable,
        "-m",
        "services.main",
        "simulate",
        "--lifecycle",
        str(lifecycle),
        "--events",
        str(events),
    ]
    began = time.perf_counter()
    with moves.open("wb") as out:
        subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=300)
    took_s = time.perf_counter() - began
    decode = msgspec.json.Decoder().decode
    began = time.perf_counter()
    with events.open("rb") as lines:
        for line in lines:
            decode(line)
    json_s = time.perf_counter() - began
    with moves.open("rb") as lines:
        transitions = sum(1 for _ in lines)
    return SimulateFigures(shape, took_s, json_s, transitions)


def _write(path: Path, *, customers: int, step_ms: int) -> None:
    pick, at_ms = random.Random(3), BEGIN_MS
    with path.open("wb") as out:
        for number in range(EVENTS):
            at_ms += pick.randrange(2 * step_ms)
            line = {
                "messageId": f"m{number:09d}",
                "type": "track",
                "userId": customer_name(pick.randrange(customers)),
                "event": NAMES[number % len(NAMES)],
                "timestamp": rfc3339(at_ms),
                "properties": {"revenue": number % 90 + 10.5, "currency": "EUR"},
            }
            out.write(msgspec.json.encode(line) + b"\n")
