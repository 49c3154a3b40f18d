"""The Node SDKs that upstream teams use, installed from the committed lock file, and how a test runs a script."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "sdk"
PLACE = ROOT / ".servers" / "node"  # 50 MB, fetched once a checkout
INSTALL_TIMEOUT_S = 300
RUN_TIMEOUT_S = 60


@pytest.fixture(scope="session")
def node_sdks() -> Path:
    """The folder with the installed SDKs; skipped by name at home where there is no Node, failing under CI."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must run the tests of the Node SDKs: npm is not on the PATH")
        pytest.skip("needs Node: npm is not on the PATH")
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install()
    return PLACE


def _install() -> None:
    wanted = (SOURCE / "package-lock.json").read_bytes()
    stamp = PLACE / ".installed"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCE / name, PLACE / name)
    # Not `npm ci`: it refuses a lock file without those optional packages that a registry has only for other machines.
    command = ["npm", "install", "--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=PLACE, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    stamp.write_bytes(wanted)


def run_script(place: Path, script: str, *arguments: str) -> str:
    """Run one of `tests/sdk` where the SDKs are installed, and return what it printed."""
    shutil.copy(SOURCE / script, place / script)
    done = subprocess.run(
        ["node", script, *arguments], cwd=place, capture_output=True, text=True, timeout=RUN_TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
