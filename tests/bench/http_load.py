"""Posts one prepared request over and over on a few connections and counts the answers; a process of its own.

Usage: python -m tests.bench.http_load ADDRESS PATH BODY_FILE SECONDS RATE (0: as fast as the server answers).
Prints one line of JSON: requests a second, and the answers' p50 and p99 in milliseconds.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import uvloop

CONNECTIONS = 64  # an answer waits for the log: fewer measure its latency, and more the queues, and not the server
WRITE_KEY = "bench-write-key"


async def _run(address: str, path: str, body: bytes, *, seconds: float, rate: float) -> dict[str, float]:
    host, _, port = address.partition(":")
    token = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request, took_ms = head.encode() + body, list[float]()
    began = time.perf_counter()
    pause_s = CONNECTIONS / rate if rate else 0.0
    async with asyncio.TaskGroup() as tasks:
        for number in range(CONNECTIONS):
            first = began + pause_s * number / CONNECTIONS
            tasks.create_task(_post(host, int(port), request, first, pause_s, began + seconds, took_ms))
    took_ms.sort()
    return {
        "requests_s": len(took_ms) / (time.perf_counter() - began),
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[int(len(took_ms) * 0.99)],
    }


async def _post(
    host: str, port: int, request: bytes, first: float, pause_s: float, end: float, took_ms: list[float]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    due = first
    while due < end and time.perf_counter() < end:
        if pause_s:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent, due = due, due + pause_s  # from when it was due: a late request counts its waiting
        else:
            sent = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took_ms.append((time.perf_counter() - sent) * 1000)
    writer.close()


if __name__ == "__main__":
    place, route, file, duration, per_second = sys.argv[1:]
    figures = uvloop.run(_run(place, route, Path(file).read_bytes(), seconds=float(duration), rate=float(per_second)))
    print(json.dumps(figures))
