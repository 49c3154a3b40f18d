"""Ingest over HTTP in batches of 100, against a bare server that reads the same bytes, in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from shared.clock import rfc3339
from tests.bench.http_load import WRITE_KEY
from tests.bench.processes import ROOT, start
from tests.servers.kafka import KafkaServer, free_ports

BATCH = 100
SECONDS = 8
READY_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class HttpFigures:
    """Events a second of ingest (acknowledged by Kafka) and of the bare server; answer times at half load, in ms."""

    events_s: float
    bare_events_s: float
    half_p50_ms: float
    half_p99_ms: float


def measure_http(kafka: KafkaServer, folder: Path) -> HttpFigures:
    """Both servers one after the other, never together."""
    body = folder / "batch.json"
    body.write_text(json.dumps({"batch": [_item(number) for number in range(BATCH)]}))
    bare_port, ingest_port = free_ports(2)
    bare = subprocess.Popen([sys.executable, "-m", "tests.bench.bare_server", str(bare_port)], cwd=ROOT)
    try:
        _wait(f"http://127.0.0.1:{bare_port}/docs")
        bare_figures = _load(f"127.0.0.1:{bare_port}", body, rate=0)
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
        _wait(f"http://127.0.0.1:{ingest_port}/readyz")
        full = _load(f"127.0.0.1:{ingest_port}", body, rate=0)
        half = _load(f"127.0.0.1:{ingest_port}", body, rate=full["requests_s"] / 2)
    finally:
        ingest.terminate()
        ingest.wait()
    return HttpFigures(full["requests_s"] * BATCH, bare_figures["requests_s"] * BATCH, half["p50_ms"], half["p99_ms"])


def _load(address: str, body: Path, *, rate: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.http_load", address, "/v1/batch", str(body), str(SECONDS), str(rate)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=SECONDS + 30)
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def _wait(address: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def _item(number: int) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": f"message-{number:06d}-b7c4d9",
        "userId": f"customer-{number:07d}",
        "event": "Order Completed",
        "timestamp": rfc3339(1_780_000_000_000 + number),
        "properties": {"revenue": number + 0.5, "currency": "EUR", "order_id": f"order-{number}"},
    }
