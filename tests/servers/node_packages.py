"""Node packages for tests, from a committed lock file, fetched once a checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FETCH_TIMEOUT_S = 300


def need_packages(source: Path, *, into: str) -> Path:
    """The folder in which the packages of `source` are installed; skips by name without Node, fails under CI."""
    reason = _why_not()
    if reason and os.environ.get("CI"):
        pytest.fail(f"CI must run the tests with Node: {reason}")
    if reason:
        pytest.skip(f"needs Node: {reason}")
    folder = ROOT / ".servers" / into
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(source, folder)
    return folder


def _why_not() -> str | None:
    absent = [program for program in ("node", "npm") if shutil.which(program) is None]
    return f"{' and '.join(absent)} not installed" if absent else None


def _install(source: Path, folder: Path) -> None:
    wanted = (source / "package-lock.json").read_bytes()
    if (folder / "installed.json").exists() and (folder / "installed.json").read_bytes() == wanted:
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, folder / name)
    # Not `npm ci`: it refuses a lock file without those optional packages that a registry has only for other machines.
    command = ["npm", "install", "--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
    (folder / "installed.json").write_bytes(wanted)
