"""`stageline import FILE`: sends a file of history, shows how far it is, and goes on by itself after a break.

Success is the server's word that the whole file was dealt with, and nothing else. The same name is the same import:
running the command again adds nothing twice, takes what was mended or appended, and refuses another file.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.ingest.imports.ledger import IDEMPOTENCY_KEY_LENGTH_MAX
from services.ingest.refusal import Code
from shared.errors import Refused, Unavailable

PIECE_BYTES = 256 * 1024  # of one write: large enough to be quick, small enough for a bar that moves
ATTEMPTS_MAX = 10  # with the pauses below, half an hour of an absent server
PAUSE_S_MAX = 300
RUNNING_PAUSE_S_MAX = 30
RUNNING_WAIT_S_MAX = 24 * 3600  # for what an attempt before has sent: at a low rate, megabytes take a day
CONNECT_TIMEOUT_S = 60
# A server that reads at its key's rate may say nothing for hours; whether its machine is still there, TCP asks.
KEEPALIVE_S = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send, and as whom."""

    url: str
    write_key: str


def run_import(path: Path, destination: Destination, *, name: str = "", pause_s: float = 1.0) -> int:
    """Send it as the import of this name, else of the file's. Returns the exit code: 1 when lines were refused.

    Errors: Refused; Unavailable after many attempts.
    """
    if not path.is_file():
        raise Refused(f"{path} is no file")
    # Packed or not, it has the same lines.
    key = _header(name or path.name.removesuffix(".gz"))
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size)

        def send() -> dict[str, Any]:
            bar.reset(task, total=path.stat().st_size)
            return _send(_pieces(path, lambda size: bar.advance(task, size)), destination, key)

        answer = _insist(send, destination, say=bar.console.print, pause_s=pause_s)
    return _report(answer)


class _Busy(OSError):
    """The server asks to come back later."""


class _Running(_Busy):
    """The server is still busy with what an attempt before has sent."""


class _Answered(Exception):
    """The server has said something before it had everything."""


def _insist(
    send: Callable[[], dict[str, Any]], destination: Destination, *, say: Callable[[str], None], pause_s: float
) -> dict[str, Any]:
    """Send until there is an answer that stays. Errors: Refused; Unavailable after many attempts."""
    failures, waiting_s, first_pause_s = 0, 0.0, pause_s
    while True:
        try:
            return send()
        except _Running as error:
            if waiting_s >= RUNNING_WAIT_S_MAX:
                raise Unavailable(f"{destination.url} is still busy with it: {error}") from error
            if not waiting_s:
                say("the server still works on what it has; waiting for it")
            wait_s = min(RUNNING_PAUSE_S_MAX, max(first_pause_s, waiting_s))
            waiting_s += wait_s
            time.sleep(wait_s)
        except (OSError, http.client.HTTPException) as error:
            failures += 1
            if failures == ATTEMPTS_MAX:
                raise Unavailable(f"{destination.url} does not take the file: {error}") from error
            say(f"{error or type(error).__name__}; trying again in {pause_s:.0f} s")
            time.sleep(pause_s)
            pause_s = min(PAUSE_S_MAX, pause_s * 2)


def _send(pieces: Iterator[bytes], destination: Destination, key: str) -> dict[str, Any]:
    """Stream the pieces and return the answer. Errors: OSError to be tried again, Refused for what stays wrong."""
    place = urlsplit(destination.url)
    connection = _connection(destination)
    user = base64.b64encode(f"{destination.write_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {user}", "Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    try:
        connection.connect()
        own = _until_answered(pieces, _patient(connection.sock))
        # The server may answer early and stop reading: what it says is better than that it did.
        with suppress(BrokenPipeError, ConnectionResetError, _Answered):
            connection.request("POST", f"{place.path.rstrip('/')}/v1/import", own, headers, encode_chunked=True)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    return _judged(response.status, text)


def _connection(destination: Destination) -> http.client.HTTPConnection:
    place = urlsplit(destination.url)
    if place.scheme not in ("http", "https") or place.hostname is None:
        raise Refused(f"{destination.url} is no http address")
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    return kind(place.hostname, place.port, timeout=CONNECT_TIMEOUT_S)


def _patient(connected: socket.socket) -> socket.socket:
    """The same socket, which waits as long as the other machine is there."""
    connected.settimeout(None)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE_S.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connected


def _until_answered(pieces: Iterator[bytes], connected: socket.socket) -> Iterator[bytes]:
    """The pieces, unless the server speaks first. Errors: _Answered, never an end that would look like the file's."""
    # TLS speaks for itself now and then, so that there is nothing to be learnt from it.
    can_tell = not isinstance(connected, ssl.SSLSocket)
    for piece in pieces:
        if can_tell and select.select([connected], [], [], 0)[0]:
            raise _Answered
        yield piece


def _judged(status: int, text: bytes) -> dict[str, Any]:
    """The answer, when it is about the whole file. Errors: OSError to be tried again, Refused for what stays wrong."""
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise _Busy(f"the answer is {status} and no JSON") from error
    code, message = answer.get("code", status), answer.get("message", "")
    if answer.get("ended") is True:  # with 400 when every line was refused
        return answer
    if code == Code.IMPORT_RUNNING:
        raise _Running(message)
    if code == Code.BROKEN_BODY or status in (408, 429) or status >= 500:
        raise _Busy(f"{status}: {message}")
    if code == Code.IMPORT_DIFFERS:
        raise Refused(f"{code}: {message}; give this file a name of its own with --name")
    place = answer.get("acknowledged_line")
    raise Refused(f"{code}: {message}" + (f" (up to line {place} all is dealt with)" if place else ""))


def _report(answer: dict[str, Any]) -> int:
    rejected, refused = answer.get("rejected", []), answer["refused"]
    for refusal in rejected:
        place = f" ({refusal['field']})" if refusal.get("field") else ""
        sys.stderr.write(f"line {refusal['line']}: {refusal['message']}{place}\n")
    if refused > len(rejected):
        sys.stderr.write(f"and {refused - len(rejected)} more refused lines behind these\n")
    sys.stdout.write(f"{answer['accepted']} accepted, {answer['repeated']} there before, {refused} refused\n")
    return 1 if refused else 0


def _pieces(path: Path, note: Any) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            note(len(piece))


def _header(name: str) -> str:
    """The name as an Idempotency-Key: what a header cannot carry is hashed."""
    if name.isascii() and name.isprintable() and name == name.strip() and len(name) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
