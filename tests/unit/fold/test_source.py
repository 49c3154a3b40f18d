"""The Python that lifecycles are turned into: it can be read, and nothing in a file can break out of it."""

from __future__ import annotations

import pytest

from services.stager.fold.expressions import Compiler
from services.stager.fold.moment import Moment
from services.stager.fold.source import Source, literal
from services.stager.language.definition import (
    Compare,
    Constant,
    Expression,
    Kind,
    MetricValue,
    Not,
    Stage,
    TraitValue,
    Within,
)
from services.stager.language.expression import check_truth
from services.stager.language.scope import Scope
from tests.unit.fold.builders import ORDER, Story, at, at_least, lifecycle, metric, number, text

PARENTHESES_MAX = 20
JAN = "2026-01-01T00:00:00.000Z"


def test_a_text_of_a_file_comes_in_as_a_literal() -> None:
    hostile = "'\"\\\n{t_ms}#\u2028'); raise SystemExit('"
    story = Story(lifecycle(Stage("a"), Stage("b", Compare("==", TraitValue((hostile,)), text(hostile)))))

    story.identify(JAN, **{hostile: hostile})

    assert story.moves() == [(None, "b", JAN)]


def test_only_plain_constants_are_literals() -> None:
    with pytest.raises(AssertionError):
        literal([])  # type: ignore[arg-type]


def test_what_is_nested_deeper_than_python_allows_stands_in_functions_of_its_own() -> None:
    node: Expression = Compare("==", TraitValue(("plan",)), text("pro"))
    for _ in range(150):
        node = Not(Not(node))
    moment = Moment()
    moment.traits = {"plan": "pro"}

    assert Compiler({}).condition(node).holds(moment) is True


def nested(inner: str, begin: str, end: str) -> str:
    for _ in range(PARENTHESES_MAX - 1):
        inner = f"{begin}({inner}{end})"
    return inner


@pytest.mark.parametrize(
    "written",
    [
        "+".join(["traits.x"] * 200) + " == 600",
        "traits.x" + "*3/3" * 450 + " == 3",
        "date(traits.day)" + "+1d" * 600 + "-date(traits.day) == 600d",
        nested("traits.x", "1*", "+1" * 40) + f" == {3 + 40 * 19}",
        nested("traits.x", "1*", "/1-0-0" * 8) + " == 3",
        nested("traits.x", "-", "-1+1" * 20) + " == -3",
        nested("traits.x == 3", "not not ", " and true or false"),
    ],
)
def test_an_expression_may_be_as_long_and_as_deep_as_the_language_says(written: str) -> None:
    node, _ = check_truth(written, Scope({}))
    assert node is not None
    moment = Moment()
    moment.traits = {"x": 3, "day": "2026-01-01"}

    assert Compiler({}).condition(node).holds(moment) is True


def test_a_stage_that_always_holds_leaves_nothing_behind_it() -> None:
    story = Story(lifecycle(Stage("a"), Stage("b")))

    assert "'a'" not in story.rules.lifecycles[0].text.split("in no stage.")[1].split("def ")[0]


def test_the_text_names_the_metrics_that_it_reads() -> None:
    story = Story(lifecycle(Stage("a"), Stage("b", at_least("orders", 1)), metrics=(metric("orders", "count"),)))

    assert ": orders\n" in story.rules.lifecycles[0].text


def test_equal_values_share_a_name_and_others_do_not() -> None:
    source = Source()

    assert [source.bind(one, "limit") for one in (1, 2, 1)] == ["limit", "limit_2", "limit"]


@pytest.mark.parametrize(
    ("sign", "limit", "held"),
    [
        (">=", 1.5, [False, False, True]),
        (">", 1, [False, False, True]),
        ("<", 1.5, [True, True, False]),
        ("<=", 1, [True, True, False]),
        ("==", 1.5, [False, False, False]),
        ("!=", 1.5, [True, True, True]),
        ("==", 2, [False, False, True]),
    ],
)
@pytest.mark.parametrize("window", [None, Within(60_000)])
def test_a_count_is_compared_with_any_limit(sign: str, limit: float, held: list[bool], window: Within | None) -> None:
    orders = metric("orders", "count", window=window)
    condition = Compare(sign, MetricValue("orders", Kind.NUMBER), number(limit))  # type: ignore[arg-type]
    story = Story(lifecycle(Stage("no"), Stage("yes", condition), metrics=(orders,)))
    stages = []
    for name in ("Other", ORDER, ORDER):
        story.event(at(JAN) + len(stages), name)
        place = story.profiles["ann"].places[0]
        stages.append(place and place.stage)

    assert stages == ["yes" if each else "no" for each in held]


def test_a_constant_truth_needs_no_customer() -> None:
    assert Compiler({}).condition(Constant(True, Kind.FLAG)).holds(Moment())


def test_a_condition_is_asked_alone_as_it_is_within_its_lifecycle() -> None:
    orders = metric("orders", "count", window=Within(60_000))
    story = Story(lifecycle(Stage("a"), Stage("b", at_least("orders", 1)), metrics=(orders,)))
    story.event(JAN)
    moment = Moment()
    moment.t_ms, moment.memories = at(JAN), story.profiles["ann"].memories

    asked = story.rules.lifecycles[0].compiler.condition(at_least("orders", 1))

    assert asked.horizon is not None
    assert (asked.holds(moment), asked.horizon(moment)) == (True, story.profiles["ann"].due_ms)


def test_many_stages_share_their_conditions_instead_of_repeating_them() -> None:
    rungs = [Stage(f"rung{count}", at_least("orders", count)) for count in range(1, 150)]
    story = Story(lifecycle(Stage("ground"), *rungs, metrics=(metric("orders", "count"),)))
    story.event(JAN)
    story.event(JAN)

    assert [move[1] for move in story.moves()] == ["rung1", "rung2"]
    assert "part" in story.rules.lifecycles[0].text
