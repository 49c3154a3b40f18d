"""Files that are wrong: each fault with its line, column, offending text and suggestion (LANGUAGE.md 1 and 2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.stager.language.file import check_paths, load_text
from shared.document.nodes import Fault

HEAD = "lifecycle: x\nmetrics:\n  n: {count: A}\n"
STAGES = "stages:\n  - stage: a\n    when: exists(m) or n > 1\n"


def faults_of(text: str) -> list[Fault]:
    return list(load_text(text, file="f.yaml").errors)


def only_fault(text: str) -> Fault:
    (fault,) = faults_of(text)
    return fault


def place(fault: Fault) -> tuple[int, int, str, str | None]:
    return fault.line, fault.column, fault.text, fault.suggestion


# a metric on line 4: (column, offending text, part of the message, suggestion)
BAD_METRICS: dict[str, tuple[int, str, str, str | None]] = {
    "{cuont: A}": (7, "cuont", "no metric function", "count"),
    "{within: 3d}": (6, "{within: 3d}", "needs a function", None),
    "count": (6, "count", "is written like", None),
    "[count]": (6, "[count]", "is written like", None),
    "{count: A, last: A}": (6, "{count: A, last: A}", "one function", None),
    "{count: }": (7, "count", "nothing stands", None),
    "{count: ''}": (14, "''", "empty", None),
    "{count: []}": (14, "[]", "empty", None),
    "{count: 404}": (14, "404", "in quotes", None),
    "{count: {a: b}}": (14, "{a: b}", "single text", None),
    "{count: $pag}": (14, "$pag", "begin with `$`", "$page"),
    "{count: [A, '*']}": (18, "'*'", "stands alone", None),
    "{count: A, witihn: 3d}": (17, "witihn", "no key", "within"),
    "{count: A, B}": (17, "B", "are a list", None),
    "{count: A, witin: 7d, ago: 1d}": (17, "witin", "no key", "within"),
    "{count: A, calender: day, back: 1}": (17, "calender", "no key", "calendar"),
    "{count: A, within: 99999999999999d}": (25, "99999999999999d", "at most", None),
    "{count: A, where: contains(tags, b)}": (32, "(", "commas and brackets", None),
    "{count: A, where: if(a, b, c) == 1}": (26, "(", "commas and brackets", None),
    "{count: A, where: x == 'a, b', within: 7d}": (29, "'", "commas and brackets", None),
    "{count: Don't, B}": (21, "B", "are a list", None),
    "{count: A, where: x.`a(` == 1, b}": (37, "b", "no key", None),
    "{last: A, withn: 7d}": (16, "withn", "no key", None),
    "{changed: trait.plan}": (16, "trait.plan", "names a trait", "traits.plan"),
    "{regular: A, perod: 7d, periods: 4}": (19, "perod", "no key", "period"),
    "{sum: p, off: A}": (15, "off", "no key", "of"),
    "{sum: p, from: A}": (15, "from", "no key", "of"),
    "{count: A, of: B}": (17, "of", "does not fit", None),
    "{count: A, period: 3d}": (17, "period", "does not fit", None),
    "{count: A, within: 90}": (25, "90", "needs a unit", "90d"),
    "{count: A, within: 7 days}": (25, "7 days", "units", "7d"),
    "{count: A, within: 99999999d}": (25, "99999999d", "at most", None),
    "{count: A, within: 0d}": (25, "0d", "must be above zero", None),
    "{last: A, within: 30d}": (16, "within", "as in `since(m) < 30d`", None),
    "{count: A, within: -1d}": (25, "-1d", "above zero", None),
    "{count: A, within: [1d]}": (25, "[1d]", "is a duration", None),
    "{count: A, ago: 3d}": (17, "ago", "only with `within`", None),
    "{count: A, back: 1}": (17, "back", "only with `calendar`", None),
    "{count: A, within: 1d, calendar: day}": (29, "calendar", "exclude", None),
    "{count: A, calendar: year}": (27, "year", "`day`, `week` or `month`", None),
    "{count: A, calendar: weeks}": (27, "weeks", "`day`, `week` or `month`", "week"),
    "{count: A, calendar: day, back: -1}": (38, "-1", "whole number", None),
    "{count: A, calendar: day, back: 1.5}": (38, "1.5", "whole number", None),
    "{count: A, between: 2026-01-01}": (26, "2026-01-01", "two times", None),
    "{count: A, between: [2026-1-5, 2026-02-01]}": (27, "2026-1-5", "is a time", "2026-01-05"),
    '{count: A, where: "x == "EUR""}': (30, '"', "inside double quotes write single ones", None),
    "{count: A, between: [2026-01-01, x]}": (39, "x", "is a time", None),
    "{count: A, between: [2026-01-01, 2026-01-01]}": (39, "2026-01-01", "must be later than", None),
    "{sum: p}": (7, "sum", "needs `of`", None),
    "{sum: a..b, of: A}": (12, "a..b", "between two names", None),
    "{last: A, within: 3d}": (16, "within", "does not fit", None),
    "{latest: p, of: A, within: 3d}": (25, "within", "does not fit", None),
    "{changed: plan}": (16, "plan", "names a trait", "traits.plan"),
    "{changed: traits}": (16, "traits", "names a trait", None),
    "{changed: traits.x, where: true}": (26, "where", "does not fit", None),
    "{regular: A, period: 7d}": (7, "regular", "needs `periods`", None),
    "{regular: A, periods: 7}": (7, "regular", "needs `period`", None),
    "{regular: A, period: 7d, periods: 0}": (40, "0", "whole number", None),
    "{regular: A, period: 7d, periods: 1, at_least: 0}": (53, "0", "whole number", None),
    "{sequence: A}": (17, "A", "list of events", None),
    "{sequence: [A, 3]}": (21, "3", "in quotes", None),
    "{sequence: [A], ago: 3d}": (22, "ago", "does not fit", None),
    "{count: A, where: x = 1}": (26, "=", "no operator", "=="),
    '{count: A, where: "x = 1"}': (27, "=", "no operator", "=="),
    "{count: A, where: 'x == \"a\" adn y'}": (34, "adn", "missing between", "and"),
    "{count: A, where: 5}": (24, "5", "condition", None),
    "{count: A, where: [x]}": (24, "[x]", "join its parts with `and`", None),
    "{count:X}": (7, "count:X", "a space is missing", None),
    "{count: X, within:7d}": (17, "within:7d", "a space is missing", None),
    "{total: p, of: A}": (7, "total", "no metric function", "sum"),
    "{count: A, window: 7d}": (17, "window", "no key", "within"),
    "{sum: Order Completed}": (7, "sum", "as in `{sum: revenue, of: Order Completed}`", None),
    "{sum: price}": (7, "sum", "as in `{sum: price, of: Order Completed}`", None),
    "{latest: traits.plan}": (7, "latest", "by its name alone: `traits.plan`", None),
}


@pytest.mark.parametrize("written", BAD_METRICS)
def test_a_wrong_metric_says_where_and_why(written: str) -> None:
    column, text, part, suggestion = BAD_METRICS[written]

    fault = only_fault(f"{HEAD}  m: {written}\n{STAGES}")

    assert place(fault) == (4, column, text, suggestion)
    assert part in fault.message


def test_a_computed_property_is_warned_of_as_the_name_of_one() -> None:
    loaded = load_text(f"{HEAD}  m: {{sum: price * quantity, of: A}}\n{STAGES}", file="f.yaml")

    assert not loaded.errors
    assert ["nothing is computed here" in fault.message for fault in loaded.faults].count(True) == 1


def test_a_stage_that_is_called_by_name_gets_one_fault() -> None:
    fault = only_fault("lifecycle: f\nstages:\n  - name: a\n")

    assert place(fault) == (3, 5, "name", "stage")


# lines of a second stage `b`, from line 6 on: (line, column, offending text, part of the message, suggestion)
BAD_STAGES: dict[str, tuple[int, int, str, str, str | None]] = {
    "linger: every 3d": (7, 13, "every 3d", "{after: 3d, every: 3d, times: 3}", None),
    "whn: n > 1": (7, 5, "whn", "no key", "when"),
    "when:": (7, 5, "when", "nothing stands", None),
    "whn: n > 1\n    until: n > 2": (7, 5, "whn", "no key", "when"),
    "when: in_stage() > 1d\n    untl: n > 2": (8, 5, "untl", "no key", "until"),
    "linger: {afer: 7d}": (7, 14, "afer", "no key", "after"),
    "linger: {after: 7d, evry: 7d, times: 2}": (7, 25, "evry", "no key", "every"),
    "linger: {after: 7d, every: 0d}": (7, 32, "0d", "above zero", None),
    "re_enter: {afer: 7d}": (7, 16, "afer", "no key", "after"),
    'from: ""': (7, 11, '""', "empty", None),
    "min_stay: -7d": (7, 15, "-7d", "above zero", None),
    "when: ordres > 1": (7, 11, "ordres", "no metric", None),
    'when: "m > 1"': (7, 12, "m", "no metric", None),
    "when: >-\n      n > 1\n      and k > 1": (9, 11, "k", "no metric", None),
    "when: |\n      n > 1\n      and\n        k > 1": (10, 9, "k", "no metric", None),
    "when: n > 1 and\n      k > 1": (8, 7, "k", "no metric", None),
    'when: "n > 1 and\n      \\"a\\" == k"': (8, 16, "k", "no metric", '"k"'),
    'when: n > 1 and traits.x == "a #1"': (7, 33, '"', "begins a comment", None),
    "when: in_stage() > 1d": (7, 11, "in_stage()", "needs an `until`", None),
    'when: "n > 1 and\n      entered () == entered()"': (8, 7, "entered ()", "needs an `until`", None),
    "when: |\n      n >=\n\n": (8, 11, "", "too early", None),
    'when: traits.x == "a: b"': (7, 25, ":", "put single ones around the whole of it", None),
    "when: traits.y == \"a\" and traits.x == 'a: b'": (7, 45, ":", "below `>-`", None),
    'when: "traits.x == "EUR""': (7, 24, '"', "inside double quotes write single ones", None),
    "when: [traits.x, traits.y]": (7, 11, "[traits.x, traits.y]", "join its parts with `and`", None),
    "when: {n: 3}": (7, 11, "{n: 3}", "join its parts with `and`", None),
    "when: !n": (7, 11, "!", "must stand in quotes", None),
    "when: *n": (7, 11, "*n", "must stand in quotes", None),
    "until: n > 1": (7, 5, "until", "needs a `when`", None),
    "from: c": (7, 11, "c", "no stage", None),
    "from: [a, c]": (7, 15, "c", "no stage", None),
    "from: 1": (7, 11, "1", "no stage", None),
    "from: []": (7, 11, "[]", "empty", None),
    "from: b": (7, 5, "from", "can ever reach `b`", None),
    "re_enter: sometimes": (7, 15, "sometimes", "`always`", None),
    "re_enter: nevr": (7, 15, "nevr", "`never`", "never"),
    "re_enter: {}": (7, 15, "{}", "needs `after`", None),
    "min_stay: 1.5h": (7, 15, "1.5h", "whole numbers", None),
    "linger: [3d, 1d]": (7, 18, "1d", "ascend", None),
    "linger: [3d, 3d]": (7, 18, "3d", "ascend", None),
    "linger: []": (7, 13, "[]", "lists from 1", None),
    "linger: {every: 1d, times: 2}": (7, 13, "{every: 1d, times: 2}", "needs `after`", None),
    "linger: {after: 1s, times: 2}": (7, 14, "after", "as long as `after`", None),
    "linger: 1d, 3d": (7, 13, "1d, 3d", "are a list", "[1d, 3d]"),
    "from: a, b": (7, 11, "a, b", "no stage", "[a, b]"),
    "re_enter: 30d": (7, 15, "30d", "`always`", "{after: 30d}"),
    "re_enter: no": (7, 15, "no", "`always`", "never"),
    "zone: Europe/Berlin": (7, 5, "zone", "belongs to the whole lifecycle", None),
    "linger: {after: 1d, every: 1s, times: forever}": (7, 25, "every", "at least a minute", None),
    "linger: {after: 1d, times: forevr}": (7, 32, "forevr", "or `forever`", "forever"),
    "linger: {after: 1d, times: 0}": (7, 32, "0", "whole number", None),
    "linger: {after: 1d, times: 100000}": (7, 32, "100000", "whole number", None),
    "description: [a]": (7, 18, "[a]", "single text", None),
}


@pytest.mark.parametrize("written", BAD_STAGES)
def test_a_wrong_stage_says_where_and_why(written: str) -> None:
    line, column, text, part, suggestion = BAD_STAGES[written]

    fault = only_fault(f"{HEAD}stages:\n  - stage: a\n  - stage: b\n    {written}\n")

    assert place(fault) == (line, column, text, suggestion)
    assert part in fault.message


# whole files: (line, column, offending text, part of the message, suggestion)
BAD_FILES: dict[str, tuple[int, int, str, str, str | None]] = {
    "lifecycle: My Shop\nstages: [{stage: a}]": (1, 12, "My Shop", "a lifecycle's name", "my_shop"),
    "lifecycle: 1\nstages: [{stage: a}]": (1, 12, "1", "begins with a letter", None),
    "lifecycle: true\nstages: [{stage: a}]": (1, 12, "true", "in quotes", None),
    "lifecycle: x\nstages: [{stage: a}]\nzone: utc": (3, 7, "utc", "no time zone", "UTC"),
    "lifecycle:\nstages: [{stage: a}]": (1, 1, "lifecycle", "nothing stands", None),
    "lifecycle: x": (1, 1, "lifecycle", "needs `stages`", None),
    "lifecycle: x\nstags: [{stage: a}]": (2, 1, "stags", "no key", "stages"),
    "lifecycle: x\nmetrcs: {n: {count: A}}\nstages: [{stage: a, when: n > 1}]": (2, 1, "metrcs", "no key", "metrics"),
    "lifecycle: x\nmetrics: [n]\nstages: [{stage: a, when: n > 1}]": (2, 10, "[n]", "holds lines", None),
    "lifecycle: x\nmetrics: {my-n: {count: A}}\nstages: [{stage: a, when: my-n > 1}]": (2, 11, "my-n", "name", "my_n"),
    "lifecycle: x\nmetrics: {n: {count: A}, n: {last: A}}\nstages: [{stage: a, when: since(n) > 1d}]": (
        2,
        26,
        "n",
        "twice",
        None,
    ),
    "lifecycle: x\nmetrics: {'or]ders': {count: A}}\nstages: [{stage: a, when: orders > 1}]": (
        2,
        11,
        "'or]ders'",
        "name",
        "or_ders",
    ),
    "lifecycle: x\nstages: [{stge: a}, {stage: b, from: a}]": (2, 11, "stge", "no key", "stage"),
    "lifecycle: x\nstages: [{stage: A}, {stage: b, from: A}]": (2, 18, "A", "stage's name", "a"),
    "segment: x\nwhn: true\nuntil: false": (2, 1, "whn", "no key", "when"),
    "lifecycle: x\nstages: []": (2, 9, "[]", "list of stages", None),
    "lifecycle: x\nstages: [a]": (2, 10, "a", "- stage: NAME", None),
    "lifecycle: x\nstages: [{when: true}]": (2, 10, "{when: true}", "needs a name", None),
    "lifecycle: x\nstages: [{stage: Über uns}]": (2, 18, "Über uns", "a stage's name", "uber_uns"),
    "lifecycle: x\nstages: [{stage: a}, {stage: a}]": (2, 30, "a", "two stages `a`", None),
    "lifecycle: x\nstages: [{stage: a}]\nlinger: 3d": (3, 1, "linger", "belongs to a stage: indent it", None),
    "segment: x\nwhen: true\nsegment: y": (3, 1, "segment", "a line `---` is missing", None),
    "lifecycle: x\nstages: [{stage: a}]\nstage: 3": (3, 1, "stage", "no key", "stages"),
    "lifecycle: x\nstages: [{stage: a}]\nforward_only: yes": (3, 15, "yes", "`true` or `false`", "true"),
    "lifecycle: x\nstages: [{stage: a}]\nzone: GMT+1": (3, 7, "GMT+1", "as in `Europe/Berlin`", None),
    "lifecycle: x\nstages: [{stage: a}]\nzone: PST": (3, 7, "PST", "no time zone", "America/Los_Angeles"),
    "lifecycle: größe\nstages: [{stage: a}]": (1, 12, "größe", "begins with a letter", "grosse"),
    "lifecycle: x\nstages: [{stage: a}]\nzone: Europe/Berln": (3, 7, "Europe/Berln", "no time zone", "Europe/Berlin"),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: traits.x": (3, 8, "traits.x", "is a list", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: [n]": (3, 9, "n", "no metric", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: [1 + 2]": (3, 9, "1 + 2", "a metric or a trait", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: [null]": (3, 9, "null", "names metrics and traits", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: ['(traits.x)']": (3, 11, "traits.x", "a metric or a trait", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: [traits.A B]": (3, 18, "B", "traits.`A B`", None),
    "lifecycle: x\nstages: [{stage: a}]\ncarry: [traits.x, traits.x]": (3, 19, "traits.x", "already", None),
    "lifecycle: x\nmetrics: 3\nstages: [{stage: a}]": (2, 10, "3", "holds lines", None),
    "lifecycle: x\nmetrics: {N: {count: A}}\nstages: [{stage: a}]": (2, 11, "N", "a metric's name", "n"),
    "lifecycle: x\nmetrics: {a-b: {count: A}}\nstages: [{stage: a}]": (2, 11, "a-b", "a metric's name", "a_b"),
    "lifecycle: x\nstages: [{stage: a}]\nlifecycle: y": (3, 1, "lifecycle", "twice", None),
    "lifecyle: x\nstages: [{stage: a}]": (1, 1, "lifecyle", "no key", "lifecycle"),
    "lifecyle: x\nmetrics: {m: {count: A}}\nstages: [{stage: a}]": (1, 1, "lifecyle", "no key", "lifecycle"),
    "Lifecycle: x\nstages: [{stage: a}]": (1, 1, "Lifecycle", "no key", "lifecycle"),
    "segmant: x\nwhen: true": (1, 1, "segmant", "no key", "segment"),
    "stages: [{stage: a}]": (1, 1, "stages: [{stage: a}]", "begins with", None),
    "stroy: x": (1, 1, "stroy", "no key", "story"),
    "a: 1": (1, 1, "a: 1", "begins with", None),
    "word": (1, 1, "word", "begins with", None),
    "lifecycle: x\nsegment: y": (2, 1, "segment", "one thing", None),
    "segment: x": (1, 1, "segment", "needs `when`", None),
    "segment: x\nwhen: true\nstages: []": (3, 1, "stages", "no key", None),
    "segment: x\nwhen: in_stage() > 1d": (2, 7, "in_stage()", "needs an `until`", None),
    "lifecycle: x\nstages: [{stage: a}]\n---\nsegment: x\nwhen: true": (4, 10, "x", "taken already", None),
    "lifecycle: x\nforward_only: true\nstages: [{stage: a, from: b}, {stage: b}]": (3, 21, "from", "can ever", None),
    'lifecycle: x\nmetrics: {m: {count: A, where: contains(t, "b")}}\nstages: [{stage: a}]': (
        2,
        47,
        "",
        "commas and brackets",
        None,
    ),
}


@pytest.mark.parametrize("written", BAD_FILES)
def test_a_wrong_file_says_where_and_why(written: str) -> None:
    line, column, text, part, suggestion = BAD_FILES[written]

    fault = only_fault(written)

    assert place(fault)[:2] == (line, column)
    assert (fault.text, fault.suggestion) == (text, suggestion) or not text
    assert part in fault.message


def test_a_document_whose_first_key_is_misspelt_is_read_all_the_same() -> None:
    assert [fault.text for fault in faults_of("segmant: x\nwhen: k")] == ["segmant", "k"]


def test_brackets_that_yaml_has_claimed_inside_braces_are_explained() -> None:
    first, *_ = faults_of(f"{HEAD}  m: {{count: A, where: contains(tags, b)}}\n{STAGES}")

    assert first.text == "("
    assert "must stand on a line of its own or in quotes" in first.message


def test_all_faults_of_a_file_are_reported_at_once_in_order_of_place() -> None:
    text = "lifecycle: X\nmetrics: {n: {count: 1}}\nstages: [{stage: a, when: k}]\n---\nsegment: y\n---\nb: [\n"

    assert [fault.line for fault in faults_of(text)] == [1, 2, 3, 5, 7]


def test_one_fault_of_yaml_hides_no_other_fault() -> None:
    text = """lifecycle: Shop
metrics:
  m: {cout: X}
  k: {count: X, where: contains(tags, "b")}
  j: {count: X, where: contains(tags, "c")}
stages:
  - stage: a
  - stage: b
    when: k > 1 and "b" == traits.x
  - stage: c
    when: "c" == traits.x and kk > 1
    until: j > 1
---
segment: VIP
when: truee
"""

    assert [(fault.line, fault.column) for fault in faults_of(text)] == [
        (1, 12), (3, 7), (4, 42), (5, 42), (11, 15), (14, 10), (15, 7)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('lifecycle: Shop\ndescription: "x\nstages:\n  - stage: A\n', [1, 2, 4]),
        ("lifecycle: Shop\nstages:\n\t- stage: A\n", [1, 3, 3]),
        ('lifecycle: s\nstages:\n  - stage: "a" b\n  - stage: c\n    from: a\n    until: 3\n', [3, 6, 6]),
        ("lifecycle: s\nmetrics: {a\nstages:\n  - stage: b\n    when: n > 1\n", [2]),
        ("lifecycle: s\nstages:\n  - {stage: a, when: f(x, y)}\n  - stage: b\n    from: a\n", [3]),
    ],
)
def test_what_only_follows_from_a_fault_of_yaml_is_not_reported(text: str, lines: list[int]) -> None:
    assert [fault.line for fault in faults_of(text)] == lines


def test_a_comma_in_a_text_inside_braces_is_explained_too() -> None:
    first, *_ = faults_of(f"{HEAD}  m: {{count: A, where: x == 'a, b'}}\n{STAGES}")

    assert first.text == "'"
    assert "commas and brackets" in first.message


def test_a_file_with_broken_yaml_brings_no_lifecycle() -> None:
    loaded = load_text("lifecycle: x\nstages: [{stage: a}]\n---\nsegment: [", file="f.yaml")

    assert loaded.lifecycles == ()
    assert len(loaded.errors) == 1


def test_an_error_of_one_document_leaves_the_others_in() -> None:
    loaded = load_text("lifecycle: x\nstages: [{stage: a}]\n---\nsegment: y\n", file="f.yaml")

    assert [lifecycle.name for lifecycle in loaded.lifecycles] == ["x"]


def test_two_stages_that_only_lead_to_one_another_are_both_unreachable() -> None:
    text = "lifecycle: x\nstages: [{stage: a, from: b}, {stage: b, from: a}, {stage: c}]"

    assert [fault.column for fault in faults_of(text)] == [21, 42]


def test_a_wrong_metric_is_not_called_unknown_where_it_is_used() -> None:
    assert len(faults_of(f"{HEAD}  m: {{cuont: A}}\n{STAGES}")) == 1


def test_more_than_two_hundred_metrics_are_refused() -> None:
    metrics = "".join(f"  m{place}: {{count: A}}\n" for place in range(201))

    fault = only_fault(f"lifecycle: x\nmetrics:\n{metrics}stages: [{{stage: a}}]")

    assert (fault.line, fault.text) == (203, "m200")


def test_a_name_is_taken_once_over_all_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("lifecycle: x\nstages: [{stage: a}]\n")

    (fault,) = check_paths([tmp_path])

    assert fault.file.endswith("b.yaml")
    assert "a.yaml, line 1" in fault.message


def test_what_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"lifecycle: \xe9")

    (tmp_path / "wide.yaml").write_bytes("lifecycle: x".encode("utf-16"))

    absent, latin, wide = sorted(check_paths([tmp_path, tmp_path / "absent.yaml"]))

    assert "UTF-8" in latin.message
    assert "is UTF-16" in wide.message
    assert "No such file" in absent.message


PIECES = st.sampled_from(
    ["lifecycle: x\n", "segment: y\n", "stages:\n", "  - stage: a\n", "    when: ", "n > 1\n", "metrics:\n", "  n: ",
     "{count: A}\n", "{last: ", "[", "]", "}", "'", '"', ": ", "- ", "\n", "  ", "linger: ", "{after: 1d}", "3d",
     "null", "true", "---\n", "#", "&a ", "*a", "!b ", "|\n", ">\n", "from: a\n", "carry: ", "traits.x", "`", "é", "\\",
     "9" * 30]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
@example("lifecycle: x\nstages: [{stage: null, from: null, linger: null, re_enter: null}]\ncarry: [null]\nzone: null")
@example("lifecycle: x\nmetrics: {n: {regular: , sequence: , changed: }, null: null}\nstages: [null]")
@example("lifecycle: x\nmetrics: {n: {changed: }, m: {sequence: }, k: {regular: , period: , periods: }}\nstages: ")
def test_no_text_makes_the_loader_raise(text: str) -> None:
    for fault in load_text(text, file="f.yaml").faults:
        assert fault.render().startswith(f"f.yaml:{fault.line}:{fault.column}: ")
