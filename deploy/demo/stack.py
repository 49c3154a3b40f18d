"""The three services as one process of their own, and the calls that the demo makes to them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WRITE_KEY = "demo-write-key"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
CALL_TIMEOUT_S = 60
HERE = Path(__file__).parent


class Stack:
    """`stageline up` in a fresh folder, on the usual ports where they are free."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.log_path = folder / "log.db"
        self.output = folder / "output.txt"
        self.ingest = f"http://127.0.0.1:{_free_port(8080)}"
        self.stager = f"http://127.0.0.1:{_free_port(8081)}"
        self.notifier = f"http://127.0.0.1:{_free_port(8082)}"
        settings = {
            "STAGELINE_LOG": f"embedded:{self.log_path}",
            "STAGELINE_DATABASE": f"sqlite+aiosqlite:///{folder / 'tables.db'}",
            "STAGELINE_LIFECYCLES": str(HERE / "shop.yaml"),
            "STAGELINE_CAMPAIGNS": str(HERE / "campaigns.yaml"),
            "STAGELINE_WRITE_KEYS": f"demo:{WRITE_KEY}",
            "STAGELINE_INGEST_PORT": self.ingest.rpartition(":")[2],
            "STAGELINE_STAGER_PORT": self.stager.rpartition(":")[2],
            "STAGELINE_NOTIFIER_PORT": self.notifier.rpartition(":")[2],
            "STAGELINE_LOG_LEVEL": "warning",
        }
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("STAGELINE_")}
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.main", "up"],
                env=inherited | settings, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the services in their own order
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Return when all three services say that they are ready. Errors: RuntimeError with what they printed."""
        deadline = time.monotonic() + START_TIMEOUT_S
        for address in (self.ingest, self.stager, self.notifier):
            while not _is_ready(address):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the services did not start:\n" + self.output.read_text())
                time.sleep(0.05)

    def stop(self) -> int:
        """Let the services drain; their exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait(self) -> int:
        """Wait until the services end by themselves; their exit code."""
        return self._process.wait()


def get(address: str, path: str) -> Any:
    """The JSON answer of a GET. Errors: RuntimeError unless it is 200."""
    return _call("GET", address, path, None, {})


def post(address: str, path: str, body: Iterable[bytes] | bytes) -> Any:
    """The JSON answer of a POST with the demo's write key; an iterable is streamed."""
    token = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
    return _call("POST", address, path, body, {"Authorization": f"Basic {token}", "Content-Type": "application/json"})


def _call(method: str, address: str, path: str, body: Iterable[bytes] | bytes | None, headers: dict[str, str]) -> Any:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=CALL_TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{method} {path} was answered {answer.status}: {text.decode(errors='replace')[:500]}")
    return json.loads(text)


def _is_ready(address: str) -> bool:
    try:
        return bool(get(address, "/readyz")["ready"])
    except (OSError, RuntimeError):
        return False


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port on 127.0.0.1")
