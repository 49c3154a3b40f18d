"""The users' page of the language: its tables are all that there is, and nothing else; what it shows is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from services.stager.commands.story import story_faults
from services.stager.language.definition import MetricFunction
from services.stager.language.fields import WHOLE_MAX
from services.stager.language.grammar import EXPRESSION_CHARACTERS_MAX
from services.stager.language.lifecycle import LIFECYCLE_KEYS, SEGMENT_KEYS
from services.stager.language.literals import UNITS_MS
from services.stager.language.metric import METRICS_MAX, metric_keys
from services.stager.language.scope import ARITIES
from services.stager.language.stage import STAGE_KEYS
from services.stager.language.tokens import NESTED_MAX
from services.stager.simulate.line import MEMBERS
from services.stager.story.file import STEPS_MAX, STORY_KEYS
from services.stager.story.step import STEP_KEYS
from shared.event import RESERVED_NAMES
from shared.transition import Transition
from tests.house.pages import ROOT, blocks, tables, ticked

PAGE = ROOT / "docs" / "language.md"
WISHES = Path(__file__).with_name("wishes.stories.yaml")
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = "\n".join(block.text for block in blocks(PAGE) if block.language == "yaml")
OPTIONS = {key for keys in metric_keys().values() for key in keys[1:]}
LINGER_KEYS = {"after", "every", "times"}
COMMAND_TIMEOUT_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the page says to write, and a `stageline` to run."""
    for block in blocks(PAGE):
        if block.language in ("yaml", "json") and block.said:
            (tmp_path / block.said.split(" ")[0]).write_text(block.text, encoding="utf-8")
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


def test_each_shown_wish_is_granted(folder: Path) -> None:
    (folder / WISHES.name).write_bytes(WISHES.read_bytes())

    assert story_faults([folder / WISHES.name]) == []


def test_every_shown_wish_and_ladder_has_a_story() -> None:
    told = set(re.findall(r"^lifecycle: (\S+)", WISHES.read_text(encoding="utf-8"), re.MULTILINE))
    shown = {block.said: block.text for block in blocks(PAGE)}
    names = re.findall(r"^(?:segment|lifecycle): (\S+)", shown["wishes.yaml"] + shown["ladder.yaml"], re.MULTILINE)
    assert told == set(names)


def test_the_table_of_metrics_is_all_metrics_and_each_is_shown() -> None:
    (table,) = tables(PAGE, "metric")
    assert table.words() == list(get_args(MetricFunction))


def test_the_table_of_options_is_all_options() -> None:
    (table,) = tables(PAGE, "option")
    assert set(table.words()) == OPTIONS


def test_an_option_is_said_to_be_for_the_metrics_that_take_it() -> None:
    (table,) = tables(PAGE, "option", "for")
    said = {word: row[1] for row in table.rows for word in re.findall(r"`(\w+)`", row[0])}
    takers = {option: {name for name, keys in metric_keys().items() if option in keys[1:]} for option in OPTIONS}
    assert set(re.findall(r"\w+", said["of"].strip("`"))) == takers["of"]
    assert set(said["within"].strip("`").split()) == takers["within"] - {"sequence"} == takers["between"]
    assert said["where"] == "all but `changed`"
    assert takers["where"] == {*get_args(MetricFunction)} - {"changed"}
    assert takers["ago"] == takers["between"] == takers["calendar"] == takers["back"]


def test_the_table_of_keys_is_all_keys_of_a_file() -> None:
    (table,) = tables(PAGE, "key", "of")
    assert set(table.words()) == {*LIFECYCLE_KEYS, *SEGMENT_KEYS, *STAGE_KEYS, *LINGER_KEYS}


@pytest.mark.parametrize("key", sorted({*LIFECYCLE_KEYS, *SEGMENT_KEYS, *STAGE_KEYS, *LINGER_KEYS, *OPTIONS}))
def test_every_key_is_shown_in_an_example(key: str) -> None:
    assert re.search(rf"(?:^|[ {{]){key}: ?", EXAMPLES, re.MULTILINE) or any(
        f" {key}: " in word for word in ticked(PAGE)
    )


def test_the_tables_of_stories_are_all_keys_of_a_story() -> None:
    (table,) = tables(PAGE, "key of a story")
    assert table.words() == list(STORY_KEYS)


def test_the_table_of_steps_is_all_keys_of_a_step() -> None:
    (table,) = tables(PAGE, "key of a step")
    assert set(table.words()) == set(STEP_KEYS)


def test_the_table_of_functions_is_all_functions_with_their_arguments() -> None:
    (table,) = tables(PAGE, "function")
    said = {word.partition("(")[0]: len(re.findall(r"\w+", word.partition("(")[2])) for word in table.words()}
    assert said == ARITIES


def test_the_table_of_messages_is_all_reserved_events() -> None:
    (table,) = tables(PAGE, "message", "its event")
    assert {row[0].strip("`"): row[1].strip("`") for row in table.rows[1:]} == RESERVED_NAMES


def test_the_table_of_a_transition_is_all_its_fields_in_order() -> None:
    (table,) = tables(PAGE, "field", "means")
    assert table.words() == [field.encode_name for field in msgspec.structs.fields(Transition)]


def test_the_table_of_an_explanation_is_all_its_members(folder: Path) -> None:
    done = subprocess.run(
        [folder / "bin" / "stageline", "explain", "--json", "--lifecycle", "ladder.yaml", "--events", "ada.ndjson",
         "--customer", "ada"], cwd=folder, check=True, capture_output=True, timeout=COMMAND_TIMEOUT_S,
    )  # fmt: skip
    (table,) = tables(PAGE, "in `explain --json`")
    said = {
        word for row in table.rows for cell in row for text in re.findall(r"`([^`]+)`", cell) for word in text.split()
    }

    assert members_in(json.loads(done.stdout)) - {"ladder"} <= said
    assert set(table.words()) <= members_in(json.loads(done.stdout))


def members_in(value: Any) -> set[str]:
    """The names of all members, however deep."""
    if isinstance(value, list):
        return {name for item in value for name in members_in(item)}
    if isinstance(value, dict):
        return {*value, *(name for item in value.values() for name in members_in(item))}
    return set()


def test_the_table_of_a_line_is_all_its_members() -> None:
    (table,) = tables(PAGE, "member")
    assert set(table.words()) == set(MEMBERS)


@pytest.mark.parametrize("unit", sorted(UNITS_MS))
def test_every_unit_is_shown(unit: str) -> None:
    assert re.search(rf"`\w*[0-9]{unit}`", TEXT)


@pytest.mark.parametrize("limit", [METRICS_MAX, EXPRESSION_CHARACTERS_MAX, NESTED_MAX, WHOLE_MAX, STEPS_MAX])
def test_every_limit_is_told(limit: int) -> None:
    (table,) = tables(PAGE, "what", "limit")
    assert any(re.search(rf"(?<![\d,]){limit:,}(?![\d,])", row[1]) for row in table.rows)
