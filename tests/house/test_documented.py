"""What can be set, measured, read, asked for or raised is documented in docs/operations.md, or the build fails."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.ingest.refusal import Code
from services.notifier.channel.registry import KINDS
from services.notifier.delivery.delivery import Outcome
from shared.errors import StagelineError
from shared.settings import PREFIX, Settings
from shared.topics import Topics
from tests.house.pages import OPERATIONS, PAGES, README, ROOT, commands, modules, rows, ticked

_SECRET = re.compile(r"token|secret|password|keys|database|credential")
_ROUTE_METHODS = {"get", "post", "put", "patch", "delete", "add_api_route", "_add"}


def _descendants(kind: type) -> set[type]:
    return {each for child in kind.__subclasses__() for each in (child, *_descendants(child))}


def _settings() -> list[tuple[str, object]]:
    list(modules())
    kinds = sorted({Settings, *_descendants(Settings)}, key=lambda kind: kind.__name__)
    fields = {name: field for kind in kinds if kind.__module__.startswith(("services", "shared"))
              for name, field in kind.model_fields.items()}  # fmt: skip
    return sorted(fields.items())


def _metrics() -> list[tuple[str, tuple[str, ...]]]:
    list(modules())
    collectors = {id(each): each for each in REGISTRY._collector_to_names}.values()
    mine = [each for each in collectors if getattr(each, "_name", "").startswith("stageline_")]
    return sorted((each._name + ("_total" if each._type == "counter" else ""), each._labelnames) for each in mine)


def _errors() -> list[str]:
    list(modules())
    return sorted({each.__name__ for each in _descendants(StagelineError) if not each.__module__.startswith("tests")})


def _routes() -> set[str]:
    """The paths that are written out in calls which make routes, as a caller would write them."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for room in ("services", "shared")
             for path in (ROOT / room).rglob("*.py")]  # fmt: skip
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        argument.value.replace(":path}", "}")
        for call in calls
        if _called(call) in _ROUTE_METHODS
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.startswith("/")
    }


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize(("name", "field"), _settings(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_setting_is_documented_with_its_default(name: str, field: object) -> None:
    row = rows(OPERATIONS).get(f"{PREFIX}{name.upper()}")
    default = getattr(field, "default", None)
    said = "none" if not isinstance(default, str | int | float) or default == "" else f"`{default}`"
    assert row, f"{PREFIX}{name.upper()} has no row in docs/operations.md"
    assert row[0].split(":")[0] == said or row[0] == said, f"the default is {said}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_setting_is_named_that_is_not_there(page: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name, _ in _settings()} | {f"{PREFIX}X"}
    named = {name.removesuffix("_FILE") for name in re.findall(PREFIX + r"[A-Z_]*[A-Z]", page.read_text())}
    assert named - known == set()


def test_every_secret_is_documented_with_its_file() -> None:
    named = [(name, field) for name, field in _settings() if not name.endswith("_file")]
    secrets = [name for name, field in named if _SECRET.search(name) or not getattr(field, "repr", True)]
    missing = [name for name in secrets if f"{PREFIX}{name.upper()}_FILE" not in ticked(OPERATIONS)]
    assert secrets
    assert missing == []


@pytest.mark.parametrize(("name", "labels"), _metrics(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_metric_is_documented_with_its_labels(name: str, labels: tuple[str, ...]) -> None:
    row = rows(OPERATIONS).get(name)
    assert row, f"{name} has no row in docs/operations.md"
    assert re.findall(r"`(\w+)`", row[0]) == list(labels)


def test_no_metric_is_documented_that_is_not_there() -> None:
    documented = {word for word in rows(OPERATIONS) if word.startswith("stageline_")}
    assert documented - {name for name, _ in _metrics()} == set()


@pytest.mark.parametrize("topic", Topics("stageline", 12).all(), ids=lambda topic: topic.name)
def test_a_topic_is_documented_with_how_it_is_kept(topic: object) -> None:
    row = rows(OPERATIONS).get(topic.name)
    assert row, f"{topic.name} has no row in docs/operations.md"
    assert (row[2] == "compacted") is topic.compacted
    assert ("Not compressed" if topic.codec == "none" else topic.codec) in row[3]


@pytest.mark.parametrize("name", _errors())
def test_an_error_is_documented(name: str) -> None:
    assert name in rows(OPERATIONS)


@pytest.mark.parametrize("word", [*Code, *Outcome, *(kind.name for kind in KINDS)])
def test_a_word_of_the_interface_is_documented(word: str) -> None:
    assert word in ticked(OPERATIONS) or word in ticked(README) or f"channel: {word}" in README.read_text()


@pytest.mark.parametrize("route", sorted(_routes()))
def test_a_route_is_documented(route: str) -> None:
    assert route in rows(OPERATIONS)


def test_every_table_is_documented() -> None:
    from services.notifier.store_sql.tables import metadata as of_notifier
    from services.stager.store_sql.tables import metadata as of_stager

    assert {*of_notifier.tables, *of_stager.tables} - rows(OPERATIONS).keys() == set()


def test_every_command_is_shown_in_the_readme_or_the_operators_page() -> None:
    shown = set(re.findall(r"stageline ([a-z]+)", README.read_text() + OPERATIONS.read_text()))
    assert commands() - shown == set()
