"""`stageline import FILE`: sends a file of history, shows how far it is, and goes on by itself after a break.

The same file is the same import, by its content: running the command again adds nothing twice.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from shared.errors import Refused, Unavailable

PIECE_BYTES = 256 * 1024  # of one write: large enough to be quick, small enough for a bar that moves
ATTEMPTS_MAX = 10  # with the pauses below, half an hour of an absent server
PAUSE_S_MAX = 300
ANSWER_TIMEOUT_S = 60  # without any progress; the server itself gives the log five seconds


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send, and as whom."""

    url: str
    write_key: str


def run_import(path: Path, destination: Destination, *, pause_s: float = 1.0) -> int:
    """Send it. Returns the exit code: 1 when lines were refused. Errors: Refused, Unavailable after many attempts."""
    if not path.is_file():
        raise Refused(f"{path} is no file")
    key = _content_key(path)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            bar.reset(task, total=path.stat().st_size)
            try:
                answer = _send(_pieces(path, lambda size: bar.advance(task, size)), destination, key)
                break
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS_MAX:
                    raise Unavailable(f"{destination.url} does not take the file: {error}") from error
                bar.console.print(f"{error or type(error).__name__}; trying again in {pause_s:.0f} s")
                time.sleep(pause_s)
                pause_s = min(PAUSE_S_MAX, pause_s * 2)
    return _report(answer)


class _Busy(OSError):
    """The server asks to come back later."""


def _send(pieces: Iterator[bytes], destination: Destination, key: str) -> dict[str, Any]:
    """Stream the pieces and return the answer. Errors: OSError to be tried again, Refused for what stays wrong."""
    place = urlsplit(destination.url)
    if place.scheme not in ("http", "https") or place.hostname is None:
        raise Refused(f"{destination.url} is no http address")
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname, place.port, timeout=ANSWER_TIMEOUT_S)
    user = base64.b64encode(f"{destination.write_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {user}", "Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    try:
        # The server may answer early and stop reading: what it says is better than that it did.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", f"{place.path.rstrip('/')}/v1/import", pieces, headers, encode_chunked=True)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    return _judged(response.status, text)


def _judged(status: int, text: bytes) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise _Busy(f"the answer is {status} and no JSON") from error
    if status in (408, 409, 429) or status >= 500:
        raise _Busy(f"{status}: {answer.get('message', '')}")
    if status != 200 and "rejected" not in answer:
        raise Refused(f"{answer.get('code', status)}: {answer.get('message', '')}")
    return answer


def _report(answer: dict[str, Any]) -> int:
    for refusal in answer.get("rejected", []):
        place = f" ({refusal['field']})" if refusal.get("field") else ""
        sys.stderr.write(f"line {refusal['line']}: {refusal['message']}{place}\n")
    refused = answer["refused"]
    sys.stdout.write(f"{answer['accepted']} accepted, {answer['repeated']} there before, {refused} refused\n")
    return 1 if refused else 0


def _pieces(path: Path, note: Any) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            note(len(piece))


def _content_key(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
