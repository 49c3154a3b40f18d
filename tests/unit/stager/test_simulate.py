"""Simulate: a log with perfect ticks, and the lines it reads (LANGUAGE.md 7 and 8)."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from services.stager.commands.simulate import lines_of
from services.stager.fold.dynamic import of_json
from services.stager.fold.instants import instant_of
from services.stager.fold.records import DEPTH_MAX, members_of
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle, Linger, Stage
from services.stager.language.file import load_text
from services.stager.simulate.line import read_line
from services.stager.simulate.simulation import simulate
from shared.errors import Malformed, Refused
from shared.transition import EventCause, Transition
from tests.unit.fold.builders import at_least, days, lifecycle, metric, silent_for

SHOP = lifecycle(
    Stage("new"),
    Stage("active", at_least("orders", 1)),
    Stage("silent", silent_for("last_order", days(5)), linger=Linger((days(1),))),
    metrics=(metric("orders", "count"), metric("last_order", "last"), metric("visits", "count", "$page")),
)


def run(*lines: Any, until: str | None = None, of: Lifecycle = SHOP) -> tuple[list[Transition], list[int]]:
    """The transitions and the numbers of the bad lines; a line is a dict or text."""
    bad: list[int] = []
    encoded = [line.encode() if isinstance(line, str) else json.dumps(line).encode() for line in lines]
    until_ms = None if until is None else instant_of(until)
    rules = compile_rules([of])
    found = simulate(encoded, rules, until_ms=until_ms, on_bad_line=lambda number, _: bad.append(number))
    return list(found), bad


def order(day: int, **fields: Any) -> dict[str, Any]:
    return {"userId": "ann", "event": "Order Completed", "timestamp": f"2026-01-{day:02d}T00:00:00Z", **fields}


def test_time_goes_on_before_each_line() -> None:
    transitions, _ = run(order(1), order(9, userId="bob"))

    assert [(change.customer, change.to_stage, change.at[:10]) for change in transitions] == [
        ("ann", "active", "2026-01-01"),
        ("ann", "silent", "2026-01-06"),
        ("ann", "silent", "2026-01-07"),
        ("bob", "active", "2026-01-09"),
    ]


def test_the_last_tick_is_at_until() -> None:
    transitions, _ = run(order(1), until="2026-01-06")

    assert [change.to_stage for change in transitions] == ["active", "silent"]


def test_what_time_does_is_told_as_it_goes_and_not_in_the_end() -> None:
    flips = "lifecycle: flips\nstages: [{stage: a, when: not in_stage() >= 0ms, until: in_stage() >= 0ms}]"
    rules, lines = compile_rules(load_text(flips, file="flips.yaml").lifecycles), [json.dumps(order(1)).encode()]

    found = simulate(lines, rules, until_ms=instant_of("2027-01-01"), on_bad_line=lambda *_: None)

    assert [change.at[-4:] for change in islice(found, 4)] == ["000Z", "000Z", "001Z", "001Z"]


def test_lines_received_after_until_are_left_out() -> None:
    assert run(order(3), until="2026-01-02") == ([], [])


def test_changes_of_one_instant_go_by_customer() -> None:
    transitions, _ = run(order(1, userId="bob"), order(1), until="2026-01-06")

    assert [change.customer for change in transitions[2:]] == ["ann", "bob"]


def test_the_end_of_the_file_ends_the_import() -> None:
    transitions, _ = run(order(1, receivedAt="2026-02-01T00:00:00Z", historical=True))

    assert [(change.to_stage, change.at[:10]) for change in transitions] == [
        ("active", "2026-01-01"),
        ("silent", "2026-01-06"),
        ("silent", "2026-01-07"),
    ]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("userId,event,timestamp", "one JSON object, and this is no JSON"),
        ("[1, 2]", "one JSON object, and this is something else"),
        ('{"userId": "ann", "event": "x"}', "there is no `timestamp`"),
        ('{"userId": "ann", "type": "alias", "timestamp": "2026-01-01"}', "`type` is one of track, page"),
        ('{"userId": "ann", "type": "Track", "timestamp": "2026-01-01"}', "did you mean `track`?"),
        ('{"userId": "ann", "event": "x", "timestamp": 5}', "is a text such as `2026-01-31T10:20:30Z`, not a number"),
        ('{"userId": "ann", "event": true, "timestamp": "2026-01-01"}', "`event` is a text, not a flag"),
        ('{"userId": "ann", "event": "x", "timestamp": "2026-01-01"},', "without a comma at its end"),
        ('{"user_id": "ann", "event": "x", "timestamp": "2026-01-01"}', "there is `user_id` (did you mean `userId`?)"),
        ('{"user": "ann", "event": "x", "timestamp": "2026-01-01"}', "nor anonymousId names a customer"),
        (
            '{"userId": "ann", "event": "x", "properties": ' + '{"a":' * 2_000 + "1" + "}" * 2_000 + "}",
            "nested too deeply",
        ),
        (
            '{"userId": "ann", "event": "x", "other": ' + "[" * 2_000 + "]" * 2_000 + "}",
            "nested too deeply",
        ),
    ],
)
def test_a_bad_line_says_what_is_wrong_with_it(line: str, part: str) -> None:
    with pytest.raises(Malformed, match=re.escape(part)):
        read_line(line.encode(), 1)


@pytest.mark.parametrize("number", ["1e400", "-1e309", "9" * 5_000, "1e308", "1e13"])
@pytest.mark.parametrize("kind", ["track", "page", "identify"])
def test_a_number_that_no_double_holds_is_missing_like_every_large_one(kind: str, number: str) -> None:
    text = f'{{"type": "{kind}", "userId": "ann", "event": "x", "timestamp": "2026-01-01", %s}}'
    said = (
        f'"traits": {{"v": {number}, "w": 1.5}}' if kind == "identify" else f'"properties": {{"v": {number}, "w": 1.5}}'
    )
    members = members_of(read_line((text % said).encode(), 1).event)

    assert (of_json(members["v"]), of_json(members["w"])) == (None, 1_500_000)


def test_a_page_whose_own_name_is_such_a_number_can_be_folded() -> None:
    line = b'{"type": "page", "userId": "ann", "name": 1e400, "timestamp": "2026-01-01"}'

    assert of_json(members_of(read_line(line, 1).event)["name"]) is None


@pytest.mark.parametrize("properties", ['{"v": NaN}', '{"v": 1e400, "w": Infinity}', '{"v": 1e400, "w": "\\ud800"}'])
def test_what_is_no_json_stays_a_bad_line_beside_such_a_number(properties: str) -> None:
    with pytest.raises(Malformed):
        read_line(f'{{"userId": "a", "event": "x", "timestamp": "2026-01-01", "properties": {properties}}}'.encode(), 1)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b"\xef\xbb\xbf{}\n{}")

    assert list(lines_of(str(tmp_path / "events"))) == [b"{}\n", b"{}"]


def test_a_line_without_an_id_has_its_number() -> None:
    transitions, _ = run("", order(1))

    assert isinstance(transitions[0].cause, EventCause)
    assert transitions[0].cause.id == "000000000002"


def test_a_customer_may_be_a_number_or_anonymous() -> None:
    transitions, _ = run(order(1, userId=7), order(1, userId="", anonymousId="x"))

    assert [change.customer for change in transitions] == ["7", "x"]


def test_bad_lines_cost_nobody_else_anything() -> None:
    transitions, bad = run(
        "{",
        "[]",
        order(1, event="$page"),
        order(1, userId=None),
        order(1, properties=[]),
        order(1, traits="x", type="identify"),
        order(1, type="dance"),
        order(1, timestamp="soon"),
        order(1),
    )

    assert (len(transitions), bad) == (1, [1, 2, 3, 4, 5, 6, 7, 8])


def test_a_property_that_cannot_be_read_makes_a_bad_line_although_nobody_asks_for_it() -> None:
    line = b'{"userId":"ann","event":"Order Completed","timestamp":"2026-01-01","properties":{"p":"\xff"}}'
    bad: list[int] = []

    found = list(simulate([line], compile_rules([SHOP]), until_ms=None, on_bad_line=lambda at, _: bad.append(at)))

    assert (found, bad) == ([], [1])


def _nested(depth: int, begin: str, end: str) -> str:
    return '{"p":' + begin * (depth - 1) + "1" + end * (depth - 1) + "}"


LOOKED_INTO = load_text(
    """
lifecycle: shop
metrics:
  values: {distinct: p, of: "*"}
  newest: {latest: p, of: "*"}
  changed: {changed: traits.p}
stages:
  - stage: here
    when: values >= 0 or exists(changed)
carry: [traits.p, newest]
""",
    file="shop.yaml",
).lifecycles[0]


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"p":', "}")], ids=["lists", "objects"])
@pytest.mark.parametrize("where", ['"event":"e","properties"', '"type":"identify","traits"'], ids=["track", "identify"])
@pytest.mark.parametrize(("depth", "bad"), [(DEPTH_MAX, []), (DEPTH_MAX + 1, [1]), (500, [1]), (900, [1]), (5000, [1])])
def test_what_is_nested_too_deeply_to_be_looked_into_is_a_bad_line(
    begin: str, end: str, where: str, depth: int, bad: list[int]
) -> None:
    deep = f'{{"userId":"ann",{where}:{_nested(depth, begin, end)},"timestamp":"2026-01-01"}}'
    flat = '{"userId":"bob","event":"e","timestamp":"2026-01-01"}'

    found, told = run(deep, deep.replace("2026-01-01", "2026-01-02"), flat, of=LOOKED_INTO)

    assert told == [number for line in bad for number in (line, line + 1)]
    assert found[-1].customer == "bob"


def test_absent_members_may_be_null_with_or_without_space() -> None:
    lines = [
        '{"userId":"ann","event":"Order Completed","timestamp":"2026-01-01","properties": null,"traits":null}',
        '{"userId":"ann","type":"page","name": null,"timestamp":"2026-01-01","properties":null}',
    ]

    assert run(*lines)[1] == []


def test_a_folder_is_no_file_of_events(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot read .*: Is a directory"):
        next(lines_of(str(tmp_path)))
