"""The Node SDKs that upstream teams use, installed from the committed lock file, and how a test runs a script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.node_packages import ROOT, need_packages

SOURCE = ROOT / "tests" / "sdk"
RUN_TIMEOUT_S = 60


@pytest.fixture(scope="session")
def node_sdks() -> Path:
    """The folder with the installed SDKs; skipped by name at home where there is no Node, failing under CI."""
    return need_packages(SOURCE, into="node")


def run_script(place: Path, script: str, *arguments: str) -> str:
    """Run one of `tests/sdk` where the SDKs are installed, and return what it printed."""
    shutil.copy(SOURCE / script, place / script)
    done = subprocess.run(
        ["node", script, *arguments], cwd=place, capture_output=True, text=True, timeout=RUN_TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
