"""The users' page of the language: every word of it is there, and everything it shows is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from services.stager.language.definition import MetricFunction
from services.stager.language.lifecycle import LIFECYCLE_KEYS, SEGMENT_KEYS
from services.stager.language.literals import UNITS_MS
from services.stager.language.metric import metric_keys
from services.stager.language.scope import ARITIES
from services.stager.language.stage import STAGE_KEYS
from services.stager.story_command import story_faults
from services.stager.story_file import STORY_KEYS
from services.stager.story_step import STEP_KEYS
from tests.house.pages import ROOT, blocks, rows, ticked

PAGE = ROOT / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = "\n".join(block.text for block in blocks(PAGE) if block.language == "yaml")
OPTIONS = sorted({key for keys in metric_keys().values() for key in keys[1:]})
COMMAND_TIMEOUT_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the page says to write, and a `stageline` to run."""
    for block in blocks(PAGE):
        if block.language in ("yaml", "json") and block.said:
            (tmp_path / block.said).write_text(block.text, encoding="utf-8")
    launcher = tmp_path / "bin" / "stageline"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m services.main "$@"\n')
    launcher.chmod(0o755)
    return tmp_path


def shown_commands() -> list[tuple[str, str]]:
    parts = [
        part
        for block in blocks(PAGE)
        if (block.language, block.said) == ("console", "run")
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    ]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


@pytest.mark.parametrize(("command", "output"), shown_commands(), ids=lambda text: text[:24])
def test_a_shown_command_prints_what_is_shown(folder: Path, command: str, output: str) -> None:
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, encoding="utf-8", timeout=COMMAND_TIMEOUT_S,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    assert done.stdout.rstrip("\n") == output.rstrip("\n")


def test_the_shown_story_comes_true(folder: Path) -> None:
    assert story_faults([folder]) == []


@pytest.mark.parametrize("function", get_args(MetricFunction))
def test_every_metric_is_explained_and_shown(function: str) -> None:
    assert function in rows(PAGE)
    assert f"{{{function}: " in EXAMPLES


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_a_metric_is_explained_and_shown(option: str) -> None:
    assert option in rows(PAGE)
    assert re.search(rf"[ {{]{option}: ", EXAMPLES)


@pytest.mark.parametrize("key", sorted({*LIFECYCLE_KEYS, *SEGMENT_KEYS, *STAGE_KEYS, *STORY_KEYS}))
def test_every_key_of_a_file_is_explained(key: str) -> None:
    assert key in rows(PAGE)


@pytest.mark.parametrize("key", STEP_KEYS)
def test_every_key_of_a_storys_step_is_explained(key: str) -> None:
    assert any(re.match(rf"{key}\b", word) for word in ticked(PAGE))


@pytest.mark.parametrize("function", sorted(ARITIES))
def test_every_function_is_explained_and_shown(function: str) -> None:
    assert any(word.startswith(f"{function}(") for word in rows(PAGE))
    assert f"{function}(" in EXAMPLES


@pytest.mark.parametrize("unit", sorted(UNITS_MS))
def test_every_unit_is_shown(unit: str) -> None:
    assert re.search(rf"`\w*[0-9]{unit}`", TEXT)
