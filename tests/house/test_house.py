"""House rules that no linter holds: lengths, names, and nothing that belongs to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("services", "shared", "deploy")
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
FORBIDDEN_WORDS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "data", "info", "misc"}
MACHINE_PATHS = re.compile(r"/(root|farm|work|home)/[a-z]|(pypi|npmjs|maven|crates|debian)\.(org|io|com)")


def _modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_a_module_fits_in_the_head(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MODULE_LINES_MAX
    assert ast.get_docstring(ast.parse(source)), "a module opens with its promise"


@pytest.mark.parametrize("path", [path for path in _modules() if "versions" not in path.parts], ids=_name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_a_name_says_what_is_in_it(path: Path) -> None:
    words = set(re.split(r"[_.]", path.stem)) | {part for folder in path.parent.parts for part in [folder]}
    assert not words & FORBIDDEN_WORDS - set(ROOT.parts)


def test_nothing_tracked_names_one_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = [ROOT / name for name in tracked if not name.endswith((".csv", ".lock", ".png"))]
    guilty = [
        _name(path)
        for path in texts
        if path.is_file() and path != Path(__file__) and MACHINE_PATHS.search(path.read_text(errors="ignore"))
    ]
    assert guilty == []
