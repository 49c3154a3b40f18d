"""The users' page of the language: what its tables say a metric or a condition is worth, it is."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_text
from services.stager.simulate.simulation import simulate
from shared.transition import Transition, encode
from tests.house.pages import ROOT, blocks, tables

PAGE = ROOT / "docs" / "language.md"
FILES = {block.said: block.text for block in blocks(PAGE) if block.said}
NOON = "2026-03-18T12:00:00.000Z"  # the instant at which the page looks at Ada
BORN = "2026-01-05T09:00:00.000Z"  # her first line
BORN_TO_NOON = "72d3h"
STRANGER = '{"userId": "eve", "type": "identify", "timestamp": "2026-01-05T09:00:00Z", "traits": {"x": 1}}'


def played(text: str, events: str) -> list[Transition]:
    loaded = load_text(text, file="page")
    assert [fault.message for fault in loaded.errors] == []
    bad: list[int] = []
    lines = [line.encode() for line in events.splitlines()]
    found = simulate(lines, compile_rules(loaded.lifecycles), until_ms=None, on_bad_line=lambda at, _: bad.append(at))
    transitions = list(found)
    assert bad == []
    return transitions


def at_noon(events: str) -> str:
    return f'{events.strip()}\n{{"type": "import_end", "timestamp": "{NOON}"}}\n'


def value_at_noon(metric: str, events: str) -> str:
    """What the metric is worth, as a transition carries it."""
    head = f"lifecycle: page\nmetrics:\n  m: {metric}\ncarry: [m]\n"
    found = played(f"{head}stages:\n  - stage: here\n    linger: {BORN_TO_NOON}\n", at_noon(events))
    assert (found[0].at, found[-1].at, found[-1].change) == (BORN, NOON, "lingered")
    carried = json.loads(encode(found[-1]))["carried"]["m"]
    return "missing" if carried is None else str(carried)


def is_true_at_noon(condition: str) -> bool:
    """Whether a customer whose first stage lets go at noon then moves on, into one with this condition."""
    head = FILES["shown.yaml"].replace("  - stage: here\n", "").replace("lifecycle: shown", "lifecycle: page")
    body = f"  - stage: before\n    min_stay: {BORN_TO_NOON}\n  - stage: after\n    when: >-\n      {condition}\n"
    found = played(head + body, at_noon(FILES["ada.ndjson"]))
    assert all(transition.at == NOON for transition in found[1:])
    return found[-1].to_stage == "after"


def examples() -> list[tuple[str, str]]:
    rows = [
        row for head in (("metric", "is"), ("option", "for")) for table in tables(PAGE, *head) for row in table.rows
    ]
    return [(found[1], value) for row in rows for example, value in pairwise(row)
            if (found := re.fullmatch(r"`(\{.*\})`", example))]  # fmt: skip


def conditions() -> list[tuple[str, str]]:
    of_functions = [(row[2].strip("`"), row[3]) for table in tables(PAGE, "function") for row in table.rows if row[2]]
    of_missing = [(row[0].strip("`"), row[1]) for table in tables(PAGE, "condition", "for Ada") for row in table.rows]
    return [*of_functions, *of_missing]


@pytest.mark.parametrize(("metric", "value"), examples())
def test_a_metric_is_worth_what_the_page_says(metric: str, value: str) -> None:
    assert value_at_noon(metric, FILES["ada.ndjson"]) == value


@pytest.mark.parametrize("row", tables(PAGE, "metric", "is")[0].rows, ids=lambda row: row[0])
def test_a_metric_without_events_is_worth_what_the_page_says(row: tuple[str, ...]) -> None:
    assert value_at_noon(row[2].strip("`"), STRANGER) == row[4]


@pytest.mark.parametrize(("condition", "said"), conditions())
def test_a_condition_is_what_the_page_says(condition: str, said: str) -> None:
    assert said == ("true" if is_true_at_noon(condition) else "false")


def test_every_metric_option_and_function_has_an_example_with_its_value() -> None:
    rows = [row for head in ("metric", "option", "function") for row in tables(PAGE, head)[0].rows]
    without = [row[0] for row in rows if not all(row)]
    assert without == ["`in_stage()`", "`entered()`"]
