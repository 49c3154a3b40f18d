"""What a test leaves open is charged to its module, not to whatever test the collector happens to run in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN_TIMEOUT_S = 60
LEAVING = """
import gc
import socket

gc.disable()  # else it may find the ring by chance before the module ends

def test_that_leaves_a_socket_open_in_a_cycle():
    ring = [socket.socket()]
    ring.append(ring)
"""
INNOCENT = """
import gc

def test_that_has_bad_luck():
    gc.collect()
"""


def test_what_a_module_leaves_open_is_charged_to_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import nothing_is_left_open\n")
    (tmp_path / "test_a.py").write_text(LEAVING)
    (tmp_path / "test_b.py").write_text(INNOCENT)

    command = [
        sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path),
        "-o", "pythonpath=", "-p", "no:cacheprovider", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=RUN_TIMEOUT_S
    )

    assert "ERROR test_a.py::test_that_leaves_a_socket_open_in_a_cycle" in done.stdout
    assert "2 passed, 1 error" in done.stdout
