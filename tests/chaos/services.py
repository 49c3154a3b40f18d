"""Stageline's services as processes that may be killed, frozen and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 40
STOP_TIMEOUT_S = 40
WRITE_KEY = "chaos-write-key"


class Service:
    """One process: `stageline NAME` with its own settings, or another module when `words` name one."""

    def __init__(
        self, name: str, *, port: int, settings: dict[str, str], output: Path, words: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.address = f"http://127.0.0.1:{port}"
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("STAGELINE_")}
        port_setting = f"STAGELINE_{name.upper()}_PORT" if name != "up" else "STAGELINE_INGEST_PORT"
        self._environment = inherited | settings | {port_setting: str(port), "PYTHONPATH": str(ROOT)}
        self._output = output
        self._words = words or ("services.main", name)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may take a second or two until it works."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._words],
                env=self._environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Return when `/readyz` says so."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=2):
                    return
            except (OSError, urllib.error.HTTPError):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.name} is not ready:\n{self.tail()}") from None
                time.sleep(0.1)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop the process without ending it, as a long pause of a virtual machine would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on: it may be a zombie now."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM, and the exit code of the drained process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_TIMEOUT_S)

    def has_crashed(self) -> bool:
        """Whether it has ended without being asked."""
        return self._process is not None and self._process.poll() is not None

    def tail(self) -> str:
        """What it printed last."""
        return self._output.read_text(errors="replace")[-4000:]
