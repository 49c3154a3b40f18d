"""Ingest over HTTP, single events and batches of 100, against a bare server that reads the same bytes, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.clock import rfc3339
from tests.bench.http_load import WRITE_KEY
from tests.bench.processes import ROOT, cpu_seconds, start, wait_until_ready
from tests.servers.kafka import KafkaServer, free_ports

BATCH = 100
SECONDS = 8


@dataclass(frozen=True, slots=True)
class HttpFigures:
    """Events a second of ingest (acknowledged by Kafka) and of the bare server, in batches and single; microseconds of
    CPU an event in batches; answer times of batches at half load, in ms.
    """

    events_s: float
    bare_events_s: float
    single_events_s: float
    bare_single_events_s: float
    cpu_us: float
    bare_cpu_us: float
    half_p50_ms: float
    half_p99_ms: float


def measure_http(kafka: KafkaServer, folder: Path) -> HttpFigures:
    """Both servers one after the other, never together."""
    batch, single = folder / "batch.json", folder / "single.json"
    batch.write_text(json.dumps({"batch": [_item(number) for number in range(BATCH)]}))
    single.write_text(json.dumps(_item(0)))
    bare_port, ingest_port = free_ports(2)
    bare = subprocess.Popen([sys.executable, "-m", "tests.bench.bare_server", str(bare_port)], cwd=ROOT)
    try:
        wait_until_ready(f"http://127.0.0.1:{bare_port}/docs")
        bare_full, bare_cpu_us = _full(bare, f"127.0.0.1:{bare_port}", batch)
        bare_single = _load(f"127.0.0.1:{bare_port}", "/v1/track", single, rate=0)
    finally:
        bare.kill()
        bare.wait()
    settings = {
        "STAGELINE_LOG": f"kafka://{kafka.bootstrap}",
        "STAGELINE_TOPIC_PREFIX": "http-bench",
        "STAGELINE_WRITE_KEYS": f"bench:{WRITE_KEY}",
        "STAGELINE_INGEST_PORT": str(ingest_port),
        "STAGELINE_LOG_LEVEL": "warning",
    }
    ingest = start("ingest", settings, folder / "ingest.txt")
    try:
        wait_until_ready(f"http://127.0.0.1:{ingest_port}/readyz")
        full, cpu_us = _full(ingest, f"127.0.0.1:{ingest_port}", batch)
        half = _load(f"127.0.0.1:{ingest_port}", "/v1/batch", batch, rate=full["requests_s"] / 2)
        alone = _load(f"127.0.0.1:{ingest_port}", "/v1/track", single, rate=0)
    finally:
        ingest.terminate()
        ingest.wait()
    return HttpFigures(
        full["requests_s"] * BATCH, bare_full["requests_s"] * BATCH, alone["requests_s"], bare_single["requests_s"],
        cpu_us, bare_cpu_us, half["p50_ms"], half["p99_ms"],
    )  # fmt: skip


def _full(server: subprocess.Popen[bytes], address: str, body: Path) -> tuple[dict[str, float], float]:
    """What it does when asked as fast as it answers, and its CPU time for each event."""
    before = cpu_seconds([server.pid])
    figures = _load(address, "/v1/batch", body, rate=0)
    events = figures["requests_s"] * SECONDS * BATCH
    return figures, (cpu_seconds([server.pid]) - before) / events * 1e6


def _load(address: str, path: str, body: Path, *, rate: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.http_load", address, path, str(body), str(SECONDS), str(rate)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=SECONDS + 30)
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def _item(number: int) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": f"message-{number:06d}-b7c4d9",
        "userId": f"customer-{number:07d}",
        "event": "Order Completed",
        "timestamp": rfc3339(1_780_000_000_000 + number),
        "properties": {"revenue": number + 0.5, "currency": "EUR", "order_id": f"order-{number}"},
    }
