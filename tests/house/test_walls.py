"""Walls that import-linter cannot see: which names cross, not only which modules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.pages import ROOT

_CORES = ("services/stager/fold", "services/stager/language", "services/notifier/plan")
_CORE_FILES = (
    "services/ingest/admission/admit.py",
    "services/ingest/admission/item.py",
    "services/notifier/sending/retry.py",
    "services/stager/worker/draft.py",
)
_CLOCKS = {"Clock", "SystemClock", "ManualClock"}


def _core() -> list[Path]:
    return sorted(
        {ROOT / name for name in _CORE_FILES} | {path for room in _CORES for path in (ROOT / room).rglob("*.py")}
    )


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _core(), ids=_name)
def test_the_core_neither_waits_nor_holds_a_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith)
        if isinstance(node, ast.ImportFrom):
            assert not {alias.name for alias in node.names} & _CLOCKS
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "utcnow", "today"), "`now` is an argument"
