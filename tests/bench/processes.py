"""Stageline's processes under measurement, and what CPU time they and the servers use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def start(command: str, settings: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    """Start `stageline COMMAND` with these settings."""
    return start_module("services.main", command, settings=settings, output=output)


def start_module(*words: str, settings: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    """Start `python -m WORDS` with these settings."""
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("STAGELINE_")}
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            env=inherited | settings | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip


def wait_until_ready(address: str) -> None:
    """Return when the address answers 200."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system seconds of these processes so far, ended children included."""
    return sum(_ticks(pid) for pid in pids) / TICKS_PER_S


def java_pids() -> set[int]:
    """The brokers of this machine."""
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _is_broker(int(path.name))}


def _is_broker(pid: int) -> bool:
    try:
        return b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
