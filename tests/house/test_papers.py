"""What the papers point at is there: files, links, functions, tests, commands; and their YAML is valid."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from services.notifier.file.campaigns import load_text as load_campaigns
from services.stager.language.file import load_text as load_lifecycles
from tests.builders_notifier import RULES
from tests.docs_examples import DOCS, examples
from tests.house.pages import ARCHITECTURE, PAGES, README, ROOT, Block, blocks, commands, ticked

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:services|shared|tests|docs|deploy)/[\w./*-]*\w")
_PLACE = re.compile(r"((?:services|shared|tests|deploy)/[\w/]+\.py)::(\w+)")
_KINDS = ("lifecycle:", "segment:", "campaign:")


def _name(page: Path) -> str:
    return page.name


def _yaml_blocks() -> list[Block]:
    found = [block for page in PAGES for block in blocks(page) if block.language == "yaml" and _is_right(block)]
    tried = {text for page in PAGES if page.parent == DOCS for text in examples(page.name).values()}
    return [block for block in found if block.text.startswith(_KINDS) and block.text not in tried]


def _is_right(block: Block) -> bool:
    """Neither a part that is designed only, nor one that shows what `check` finds."""
    return block.said != "planned" and not block.said.endswith(" mistakes")


@cache
def _definitions(path: Path) -> frozenset[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    for link in links:
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = {path for word in ticked(page) for path in _PATH.findall(word)}
    missing = [path for path in named if not list(ROOT.glob(path))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_function_and_test_that_is_named_is_there(page: Path) -> None:
    named = _PLACE.findall(page.read_text())
    missing = [f"{path}::{name}" for path, name in named if name not in _definitions(ROOT / path)]
    assert missing == []


def test_each_of_the_seven_promises_names_a_test_that_holds_it() -> None:
    section = README.read_text().split("## Promises")[1].split("\n## ")[0]
    promises = re.split(r"^\d\. ", section, flags=re.MULTILINE)[1:]
    assert len(promises) == 7
    assert all(any("test_" in name for _, name in _PLACE.findall(promise)) for promise in promises)


@pytest.mark.parametrize("block", _yaml_blocks(), ids=lambda block: f"{block.page.name}: {block.text[:24].strip()}")
def test_a_file_that_is_shown_is_valid(block: Block) -> None:
    lifecycles, campaigns = load_lifecycles(block.text, file="shown"), load_campaigns(block.text, RULES, file="shown")
    faults = [fault for fault in (*lifecycles.faults, *campaigns.faults) if fault.severity == "error"]
    faults = [fault for fault in faults if "names a file that cannot be read" not in fault.message]  # a page has none
    assert [fault.render() for fault in faults] == []
    assert lifecycles.lifecycles or campaigns.campaigns or ".liquid" in block.text


def test_the_papers_show_lifecycles_and_campaigns() -> None:
    assert {block.text.partition(":")[0] for block in _yaml_blocks()} >= {"lifecycle", "campaign"}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_that_is_shown_is_there(page: Path) -> None:
    shown = {word.removeprefix("stageline ").split()[0] for word in ticked(page) if word.startswith("stageline ")}
    shown |= {
        found
        for block in blocks(page)
        for found in re.findall(r"(?:^|[$=;&] ?)(?:\S+=\S+ )*stageline ([a-z]+)", block.text, re.MULTILINE)
    }
    text = page.read_text()
    planned = {command for command in shown - commands() if re.search(rf"\*planned:\* `stageline {command}", text)}
    assert shown - commands() - planned == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_target_of_make_that_is_shown_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"`(?:EXIT=1 )?make ([a-z]+)`", page.read_text()))
    assert shown - targets == set()


def test_make_alone_prints_a_line_for_each_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    assert set(re.findall(r"^  make ([a-z]+) +\S", printed, re.MULTILINE)) == targets


def test_every_dependency_has_earned_its_paragraph() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w.-]+", wanted)[0] for wanted in project["dependencies"]}
    section = ARCHITECTURE.read_text().split("\n## Dependencies")[1]
    assert names == set(re.findall(r"^\*\*([\w.-]+)\.\*\* ", section, re.MULTILINE))


def test_every_room_is_in_the_readme() -> None:
    rooms = [path.parent for path in (ROOT / "services").glob("*/__init__.py")]
    missing = [room.name for room in rooms if f"(services/{room.name})" not in README.read_text()]
    assert missing == []
