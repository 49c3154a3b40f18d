"""Warnings of what is allowed and most likely not meant; and what plain files say, of which there is none."""

from __future__ import annotations

import pytest

from services.stager.language.definition import Kind
from services.stager.language.expression import check_truth
from services.stager.language.file import load_text
from services.stager.language.scope import WHERE, Bounds, Scope
from shared.document.nodes import Fault

SCOPE = Scope(
    {"orders": Kind.NUMBER, "weeks": Kind.NUMBER}, bounds={"orders": Bounds(0), "weeks": Bounds(0, 4_000_000)}
)


def warning_of(text: str) -> Fault:
    loaded = load_text(text, file="f.yaml")
    (fault,) = loaded.faults
    assert (fault.severity, len(loaded.lifecycles)) == ("warning", 1)
    return fault


# text: (the part that is warned of, part of the message, suggestion)
IN_WHERE: dict[str, tuple[str, str, str | None]] = {
    "currency == EUR": ("EUR", "a property of the event; a text stands in quotes", '"EUR"'),
    "plan != Pro": ("Pro", "a text stands in quotes", '"Pro"'),
    "lower(plan) == PRO": ("PRO", "a text stands in quotes", '"PRO"'),
    "is_vip == yes": ("yes", "a flag is `true` or `false`", '"yes"'),
    "properties.revenue > 3": ("properties.revenue", "written bare", "revenue"),
    "event.cart.total > 3": ("event.cart.total", "written bare", "cart.total"),
    'age > "18"': ('"18"', "letter by letter", "18"),
    "revenue > 1.000": ("1.000", "`1.000` is 1", "1_000"),
}


@pytest.mark.parametrize("written", IN_WHERE)
def test_what_is_hardly_meant_in_where_is_warned_of(written: str) -> None:
    text, part, suggestion = IN_WHERE[written]

    expression, (problem,) = check_truth(written, WHERE)

    assert expression is not None
    assert (problem.severity, problem.text, problem.suggestion) == ("warning", text, suggestion)
    assert part in problem.message


@pytest.mark.parametrize(
    "written",
    [
        "shipping_country == billing_country",
        "price < listPrice",
        "Revenue > Cost",
        "VAT == TAX",
        "currency == `EUR`",
        "total == cart.Total",
        "1 == Total",
        'postcode >= "01067"',
        'age == "18"',
        'day > "2026-01-31"',
        "price > 1.500",
        "price > 0.000",
        "properties > 3",
        "`properties`.revenue > 3",
    ],
)
def test_what_may_well_be_meant_in_where_is_not_warned_of(written: str) -> None:
    assert check_truth(written, WHERE)[1] == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("orders < 0", "`orders` is never below 0, so this never holds"),
        ("-1 >= orders", "never below 0"),
        ("weeks >= 5", "never below 0 and never above 4"),
        ("weeks > 4", "never above 4"),
        ("5 == weeks", "never above 4"),
    ],
)
def test_a_number_that_a_metric_never_reaches_is_warned_of(written: str, said: str) -> None:
    expression, (problem,) = check_truth(written, SCOPE)

    assert expression is not None
    assert (problem.severity, problem.text) == ("warning", written)
    assert said in problem.message


@pytest.mark.parametrize(
    "written", ["orders <= 0", "orders == 0", "weeks >= 4", "weeks < 5", "weeks != 9", "0 < orders"]
)
def test_a_number_that_a_metric_can_reach_is_not_warned_of(written: str) -> None:
    assert check_truth(written, SCOPE)[1] == []


# the metric of a segment: (its comparison, the part that is warned of, part of the message, suggestion)
METRICS: dict[str, tuple[str, str, str, str | None]] = {
    "{count: page}": ("m > 1", "page", "only a track can be named `page`", "$page"),
    "{last: identify}": ("exists(m)", "identify", "only a track", "$identify"),
    "{count: all}": ("m > 1", "all", "only a track", '"*"'),
    "{count: A or B}": ("m > 1", "A or B", "several are a list", "[A, B]"),
    "{count: 'A, B'}": ("m > 1", "'A, B'", "several are a list", "[A, B]"),
    "{sequence: [A, screen]}": ("exists(m)", "screen", "only a track", "$screen"),
    "{sum: properties.price, of: A}": ("m > 1", "properties.price", "written bare", "price"),
    "{regular: A, period: 7d, periods: 4}": ("m >= 5", "m >= 5", "never above 4", None),
    "{distinct: p, of: A}": ("m > 512", "m > 512", "never above 512", None),
    "{days: A}": ("m < 0", "m < 0", "never below 0", None),
}


@pytest.mark.parametrize("written", METRICS)
def test_a_metric_that_is_hardly_meant_is_warned_of(written: str) -> None:
    when, text, part, suggestion = METRICS[written]

    fault = warning_of(f"segment: s\nmetrics:\n  m: {written}\nwhen: {when}\n")

    assert (fault.text, fault.suggestion) == (text, suggestion)
    assert part in fault.message


def test_a_zone_without_summer_time_is_warned_of_with_a_place_that_has_it() -> None:
    fault = warning_of("lifecycle: x\nstages: [{stage: a}]\nzone: EST\n")

    assert (fault.text, fault.suggestion) == ("EST", "America/New_York")


@pytest.mark.parametrize("later", ["{stage: b}", "{stage: b, when: true}", "{stage: b, linger: 1d}"])
def test_a_later_stage_that_holds_for_everybody_is_warned_of(later: str) -> None:
    fault = warning_of(f"lifecycle: x\nstages: [{{stage: a}}, {later}, {{stage: c, when: traits.x}}]\n")

    assert (fault.line, fault.text) == (2, "b")
    assert "nobody is ever in the stage before it" in fault.message


@pytest.mark.parametrize("later", ["{stage: b, from: a}", "{stage: b, re_enter: never}", "{stage: b, when: traits.x}"])
def test_a_later_stage_that_leaves_room_is_not_warned_of(later: str) -> None:
    assert load_text(f"lifecycle: x\nstages: [{{stage: a}}, {later}]\n", file="f.yaml").faults == ()
