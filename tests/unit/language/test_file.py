"""Files that are right: what they say (LANGUAGE.md 1 and 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.stager.language.definition import (
    Between,
    Calendar,
    Carried,
    Compare,
    Constant,
    InStage,
    Kind,
    Lifecycle,
    Linger,
    Metric,
    MetricValue,
    PropertyValue,
    TraitValue,
    Within,
)
from services.stager.language.file import Loaded, load_paths, load_text

DAY = 86_400_000
EXAMPLE = """
lifecycle: shop
metrics:
  orders:      {count: Order Completed}
  orders_90d:  {count: Order Completed, within: 90d}
  spend_1y:    {sum: revenue, of: Order Completed, where: currency == "EUR", within: 365d}
  last_order:  {last: Order Completed}                 # a time
  nps:         {latest: score, of: Survey Answered}
  plan_since:  {changed: traits.plan}
stages:                                                # in journey order: the furthest that holds is the customer's
  - stage: prospect                                    # no `when`: holds for everyone
  - stage: active
    when: orders_90d >= 1
  - stage: loyal
    when: orders_90d >= 3
    until: orders_90d < 2                              # once in, stays until this holds
  - stage: at_risk
    when: orders >= 1 and since(last_order) >= 90d
    linger: {after: 7d, every: 7d, times: 3}
  - stage: churned
    when: orders >= 1 and since(last_order) >= 180d
---
segment: vip
metrics:
  spend_1y:    {sum: revenue, of: Order Completed, within: 365d}
when: spend_1y >= 1000
until: spend_1y < 800
linger: 30d
"""


def loaded(text: str) -> Loaded:
    result = load_text(text, file="f.yaml")
    assert result.errors == ()
    return result


def metric(written: str, *, zone: str = "UTC") -> Metric:
    text = f"lifecycle: x\nzone: {zone}\nmetrics:\n  m: {written}\nstages:\n  - stage: a\n    when: exists(m)\n"
    (lifecycle,) = loaded(text).lifecycles
    return lifecycle.metrics[0]


def lifecycle_with(stage_lines: str, *, top: str = "") -> Lifecycle:
    text = f"lifecycle: x\n{top}\nmetrics: {{n: {{count: A}}}}\nstages:\n  - stage: a\n  - stage: b\n    when: n > 1\n"
    (lifecycle,) = loaded(text + "".join(f"    {line}\n" for line in stage_lines.split("\n"))).lifecycles
    return lifecycle


def test_the_example_of_the_language_page_loads_whole() -> None:
    shop, vip = loaded(EXAMPLE).lifecycles

    assert [stage.name for stage in shop.stages] == ["prospect", "active", "loyal", "at_risk", "churned"]
    assert shop.stages[3].linger == Linger((7 * DAY, 14 * DAY, 21 * DAY))
    assert [m.kind for m in shop.metrics] == [
        Kind.NUMBER, Kind.NUMBER, Kind.NUMBER, Kind.TIME, Kind.ANY, Kind.TIME,
    ]  # fmt: skip
    assert (vip.segment, [stage.name for stage in vip.stages]) == (True, ["out", "in"])
    assert vip.stages[0].when is None
    assert vip.stages[1].linger == Linger((30 * DAY,))
    assert vip.stages[1].until is not None


def test_metrics_that_nothing_reads_are_warned_of() -> None:
    warnings = load_text(EXAMPLE, file="f.yaml").faults

    assert [(fault.severity, fault.line, fault.text) for fault in warnings] == [
        ("warning", 6, "spend_1y"),
        ("warning", 8, "nps"),
        ("warning", 9, "plan_since"),
    ]


ORDER = (frozenset({"Order"}),)
METRICS: dict[str, Metric] = {
    "{count: Order}": Metric("m", "count", Kind.NUMBER, ORDER),
    "{count: [Order, $page]}": Metric("m", "count", Kind.NUMBER, (frozenset({"Order", "$page"}),)),
    '{count: "*"}': Metric("m", "count", Kind.NUMBER, (None,)),
    "{count: Order, within: 1d, ago: 2d}": Metric("m", "count", Kind.NUMBER, ORDER, window=Within(DAY, 2 * DAY)),
    "{sum: cart.total, of: Order}": Metric("m", "sum", Kind.NUMBER, ORDER, ("cart", "total")),
    "{sum: Grand Total, of: Order}": Metric("m", "sum", Kind.NUMBER, ORDER, ("Grand Total",)),
    "{avg: p, of: Order, between: [1970-01-01, 1970-01-02T00:00:01Z]}": Metric(
        "m", "avg", Kind.NUMBER, ORDER, ("p",), window=Between(0, DAY + 1000)
    ),
    "{min: p, of: Order}": Metric("m", "min", Kind.NUMBER, ORDER, ("p",)),
    "{max: p, of: Order}": Metric("m", "max", Kind.NUMBER, ORDER, ("p",)),
    "{distinct: p, of: Order, calendar: week}": Metric(
        "m", "distinct", Kind.NUMBER, ORDER, ("p",), window=Calendar("week"), zone="Asia/Tokyo"
    ),
    "{days: Order, calendar: day, back: 1}": Metric(
        "m", "days", Kind.NUMBER, ORDER, window=Calendar("day", 1), zone="Asia/Tokyo"
    ),
    "{days: Order}": Metric("m", "days", Kind.NUMBER, ORDER, zone="Asia/Tokyo"),
    "{first: Order}": Metric("m", "first", Kind.TIME, ORDER),
    "{last: Order, where: p == 1}": Metric(
        "m", "last", Kind.TIME, ORDER, where=Compare("==", PropertyValue(("p",)), Constant(1_000_000, Kind.NUMBER))
    ),
    "{latest: p, of: Order}": Metric("m", "latest", Kind.ANY, ORDER, ("p",)),
    "{changed: traits.Plan Name.x}": Metric("m", "changed", Kind.TIME, (), ("Plan Name", "x")),
    "{regular: Order, period: 7d, periods: 4}": Metric(
        "m", "regular", Kind.NUMBER, ORDER, period_ms=7 * DAY, periods=4
    ),
    "{regular: Order, period: 7d, periods: 4, at_least: 2}": Metric(
        "m", "regular", Kind.NUMBER, ORDER, period_ms=7 * DAY, periods=4, at_least=2
    ),
    '{sequence: [Order, [A, B], "*"], within: 7d}': Metric(
        "m", "sequence", Kind.TIME, (*ORDER, frozenset({"A", "B"}), None), within_ms=7 * DAY
    ),
}


@pytest.mark.parametrize("written", METRICS)
def test_a_metric_becomes_this_value(written: str) -> None:
    assert metric(written, zone="Asia/Tokyo") == METRICS[written]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("linger: 7d", Linger((7 * DAY,))),
        ("linger: [1d, 3d, 7d]", Linger((DAY, 3 * DAY, 7 * DAY))),
        ("linger: {after: 1s}", Linger((1000,))),
        ("linger: {after: 1s, every: 1m, times: 2}", Linger((1000, 61_000))),
        ("linger: {after: 1d, times: 2}", Linger((DAY, 2 * DAY))),
        ("linger: {after: 1d, times: forever}", Linger((DAY,), DAY)),
        ("linger: {after: 1d, every: 2d, times: forever}", Linger((DAY,), 2 * DAY)),
    ],
)
def test_the_forms_of_linger(written: str, expected: Linger) -> None:
    assert lifecycle_with(written).stages[1].linger == expected


@pytest.mark.parametrize(
    ("written", "expected"), [("always", 0), ("never", None), ("{after: 2d}", 2 * DAY), ("'always'", 0)]
)
def test_the_forms_of_re_enter(written: str, expected: int | None) -> None:
    assert lifecycle_with(f"re_enter: {written}").stages[1].re_enter_ms == expected


def test_options_of_a_stage_and_of_the_lifecycle() -> None:
    lifecycle = lifecycle_with(
        "from: a\nmin_stay: 1h30m\nuntil: |\n  n < 1\n  and n < 2\ndescription: 12",
        top="forward_only: true\ncarry: [traits.e.x, n, traits.`A B`]\ndescription: A shop",
    )

    stage = lifecycle.stages[1]
    assert (stage.came_from, stage.min_stay_ms, stage.description) == (frozenset("a"), 5_400_000, "12")
    assert lifecycle.forward_only
    assert lifecycle.carry == (
        Carried("traits.e.x", TraitValue(("e", "x"))),
        Carried("n", MetricValue("n", Kind.NUMBER)),
        Carried("traits.`A B`", TraitValue(("A B",))),
    )
    assert (lifecycle.has_carry, lifecycle.description) == (True, "A shop")


def test_a_when_that_counts_the_visit_is_right_with_an_until() -> None:
    stage = lifecycle_with("until: in_stage() > 1d").stages[1]
    (lifecycle,) = loaded("segment: y\nwhen: in_stage() > 1d\nuntil: in_stage() > 2d\n").lifecycles

    assert stage.until is not None
    assert lifecycle.stages[1].when == Compare(">", InStage(), Constant(DAY, Kind.DURATION))


def test_folders_stand_for_their_yaml_files_and_campaigns_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.yml").write_text("lifecycle: b\nstages: [{stage: s}]\n---\ncampaign: c\nsend: []\n")
    (tmp_path / "a.yaml").write_text("lifecycle: c\nstages: [{stage: s}]\n")
    (tmp_path / "c.txt").write_text("lifecycle: d\n")
    (tmp_path / "deeper" / "d.yaml").write_text("lifecycle: e\n")

    result = load_paths([tmp_path, tmp_path / "a.yaml"])

    assert [lifecycle.name for lifecycle in result.lifecycles] == ["b", "c"]
    assert result.faults == ()


def version(text: str) -> str:
    return loaded(text).lifecycles[0].version


VERSIONED = (
    "lifecycle: x\nmetrics: {n: {count: [A, B]}, k: {last: A}}\nstages: [{stage: a, when: n > 1 or exists(k)}]\n"
)


@pytest.mark.parametrize(
    "same",
    [
        VERSIONED.replace("A, B", "B, A"),
        VERSIONED.replace("n: {count: [A, B]}, k: {last: A}", "k: {last: A}, n: {count: [A, B]}"),
        VERSIONED.replace("stage: a, ", "description: words, stage: a, ") + "description: words\n",
        VERSIONED + "# a comment\nzone: Europe/Berlin\n",
        VERSIONED.replace("n > 1 or", "(n > 0.5 * 2) or"),
    ],
)
def test_the_version_stays_while_the_meaning_stays(same: str) -> None:
    assert version(same) == version(VERSIONED)


@pytest.mark.parametrize(
    "other",
    [
        VERSIONED.replace("A, B", "A, C"),
        VERSIONED.replace("n > 1", "n > 2"),
        VERSIONED.replace("n > 1", "n >= 1"),
        VERSIONED.replace("lifecycle: x", "lifecycle: y"),
        VERSIONED.replace("stage: a,", "stage: a, linger: 1d,"),
        VERSIONED + "forward_only: true\n",
        VERSIONED + "carry: [n]\n",
        VERSIONED.replace("count: [A, B]", "days: [A, B]"),
    ],
)
def test_the_version_changes_with_the_meaning(other: str) -> None:
    assert version(other) != version(VERSIONED)


def test_a_version_is_twelve_hexadecimal_digits_and_the_same_in_every_run() -> None:
    assert version(VERSIONED.replace("[A, B]", "[A, B, C, D, E, F]")) == "c7f7cbd9c362"


@pytest.mark.parametrize("written", ["true", "True", "TRUE"])
def test_a_condition_that_yaml_takes_for_a_flag_is_that_flag(written: str) -> None:
    (lifecycle,) = load_text(f"segment: s\nwhen: {written}", file="f.yaml").lifecycles

    assert lifecycle.stages[1].when == Constant(True, Kind.FLAG)


def test_each_lifecycle_of_a_file_may_have_two_hundred_metrics() -> None:
    metrics = "".join(f"  m{place}: {{count: A}}\n" for place in range(200))
    carry = ", ".join(f"m{place}" for place in range(200))
    text = "---\n".join(f"segment: {name}\nwhen: true\ncarry: [{carry}]\nmetrics:\n{metrics}" for name in "ab")

    assert len(load_text(text, file="f.yaml").lifecycles) == 2


@pytest.mark.parametrize("second", ['" traits.x"', "traits.`x`"])
def test_the_same_trait_under_another_label_is_warned_of(second: str) -> None:
    loaded = load_text(f"lifecycle: x\nstages: [{{stage: a}}]\ncarry: [traits.x, {second}]\n", file="f.yaml")

    assert not loaded.errors
    assert ["carried already" in fault.message for fault in loaded.faults] == [True]
