"""The JSON Schema against `check`: never stricter, and as strict wherever a schema can be."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from services.stager.language.file import load_text
from services.stager.language.schema import file_schema
from shared.document.nodes import Listing, Mapping, Node
from shared.document.reader import read_text
from tests.oracle.generate import draw_case

SCHEMA = file_schema()
VALIDATOR = Draft7Validator(SCHEMA)
EVERY_KEY = """
lifecycle: shop
description: every key that there is
zone: Europe/Oslo
forward_only: false
carry: [traits.email, n]
metrics:
  n: {count: A, within: 7d, ago: 1h30m, where: x > 1}
  s: {sum: cart.total, of: [A, $page], between: [2026-01-01, "2026-02-01 10:20:30.5+02:00"]}
  a: {avg: p, of: "*", calendar: month, back: 1}
  lo: {min: p, of: A}
  hi: {max: p, of: A}
  d: {distinct: p, of: A, calendar: day}
  f: {first: A, where: "true"}
  l: {last: [A, B]}
  v: {latest: p, of: A}
  c: {changed: traits.a.b}
  y: {days: A, within: 1_000d}
  r: {regular: A, period: 7d, periods: 4, at_least: 2}
  q: {sequence: [A, [B, C], "*"], within: 2w, where: x == 1}
stages:
  - stage: one
    description: 1
    linger: {after: 7d, every: 1d, times: forever}
  - stage: two
    when: n > 1 and s > 1 and a > 1 and lo > 1 and hi > 1 and d > 1 and since(f) > 1d and since(l) > 1d
    until: v == 1 or since(c) > 1d or y > 1 or r > 1 or exists(q)
    from: one
    re_enter: {after: 7d}
    min_stay: 1d
    linger: [1d, 2d]
  - stage: three
    when: true
    from: [one, two]
    re_enter: never
    linger: 5m
---
segment: vip
description: all of them
when: traits.plan == "pro"
until: traits.plan != "pro"
re_enter: always
min_stay: 7d
linger: 7d
zone: UTC
carry: []
metrics:
"""


def documents(text: str) -> list[Any]:
    """The documents as JSON."""
    nodes, faults = read_text(text, file="x.yaml")
    assert faults == []
    return [as_json(node) for node in nodes]


def as_json(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.value: as_json(value) for key, value in node.entries}
    if isinstance(node, Listing):
        return [as_json(item) for item in node.items]
    return node.meaning


def is_taken(text: str) -> bool:
    return load_text(text, file="x.yaml").errors == ()


def fits(text: str) -> bool:
    return all(VALIDATOR.is_valid(document) for document in documents(text))


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_a_file_with_every_key_fits() -> None:
    assert load_text(EVERY_KEY, file="x.yaml").errors == ()
    assert fits(EVERY_KEY)


def test_whatever_check_takes_the_schema_takes() -> None:
    for seed in range(25):
        text = draw_case(seed).text
        assert is_taken(text)
        for document in documents(text):
            assert list(VALIDATOR.iter_errors(document)) == []


@pytest.mark.parametrize(
    "change",
    [
        ("lifecycle: shop", "lifecycle: Shop"),
        ("lifecycle: shop", "lifecycles: shop"),
        ("  n: {count: A", "  N: {count: A"),
        ("{count: A,", "{cout: A,"),
        ("{count: A,", "{count: 3,"),
        ("{count: A,", "{count: $pages,"),
        ("{count: A,", '{count: ["*"],'),
        ("{count: A,", "{count: [],"),
        ("within: 7d, ago", "within: 7, ago"),
        ("within: 7d, ago", "within: 0d, ago"),
        ("within: 7d, ago", "within: 7days, ago"),
        ("{count: A, within: 7d, ago", "{count: A, ago"),
        ("calendar: month, back: 1", "back: 1"),
        ("calendar: month, back: 1", "calendar: year"),
        ("calendar: month, back: 1", "calendar: month, within: 1d"),
        ("calendar: month, back: 1", "calendar: month, back: -1"),
        ("calendar: month, back: 1", "calendar: month, back: 1.5"),
        ("{sum: cart.total, of: [A, $page],", "{sum: cart.total,"),
        ("{sum: cart.total,", "{sum: cart..total,"),
        ("between: [2026-01-01,", "between: [2026-1-1,"),
        ("between: [2026-01-01,", "between: [2026-01-01, 2026-01-02,"),
        ("{first: A, where", "{first: A, within: 1d, where"),
        ("{changed: traits.a.b}", "{changed: a.b}"),
        ("{changed: traits.a.b}", "{changed: traits.a.b, where: x}"),
        ("period: 7d, periods: 4", "period: 7d"),
        ("periods: 4", "periods: 0"),
        ("periods: 4", "periods: 10001"),
        ('{sequence: [A, [B, C], "*"]', "{sequence: A"),
        ("forward_only: false", "forward_only: no"),
        ("carry: [traits.email, n]", "carry: n"),
        ("carry: [traits.email, n]", "carry: [n, n]"),
        ("times: forever", "times: often"),
        ("after: 7d, every: 1d", "every: 1d"),
        ("linger: [1d, 2d]", "linger: []"),
        ("re_enter: {after: 7d}", "re_enter: {}"),
        ("re_enter: {after: 7d}", "re_enter: sometimes"),
        ("    from: one\n", "    from: []\n"),
        ("    min_stay: 1d", "    min_stays: 1d"),
        ("  - stage: two\n", "  - stages: two\n"),
        ("    when: true\n", "    until: true\n"),
        ('when: traits.plan == "pro"\n', ""),
        ("stages:\n", "stagez:\n"),
        ("    when: true\n", '    when: " "\n'),
        ("    when: true\n", f"    when: {'true or ' * 250}true\n"),
        ("{sum: cart.total,", '{sum: " ",'),
        ("between: [2026-01-01,", "between: [2026-01-01T00:00+05:75,"),
        ("description: every key that there is\n", "campaign: x\n"),
        ("description: every key that there is\n", "story: x\nsteps: []\n"),
    ],
)
def test_what_a_schema_can_find_is_found_by_both(change: tuple[str, str]) -> None:
    text = EVERY_KEY.replace(*change)
    assert text != EVERY_KEY

    assert not is_taken(text)
    assert not fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "segment: s\nwhen: True\n",
        "segment: s\nwhen: |\n  true" + " " * 3_000 + "\n",
        f"segment: s\nwhen: {'true or ' * 249}not true\n",
        "segment: s\nmetrics:\n  m: {count: A, where: null}\nwhen: m > 1\n",
        "story: s\nlifecycle: shop\nsteps: [{after: 1d}]\n",
        "campaign: c\non: {moved: shop}\nsend: {}\n",
        "subscription: s\nsend: {}\n",
    ],
)
def test_both_take_what_may_be_written(text: str) -> None:
    assert is_taken(text)
    assert fits(text)


def test_it_is_never_stricter_than_check_on_changed_files() -> None:
    dice = random.Random(7)
    refused = 0
    for _ in range(80):
        text = broken(EVERY_KEY, dice)
        if not fits(text):
            refused += 1
            assert not is_taken(text), text
    assert refused > 25


def test_every_key_is_explained() -> None:
    undescribed = [place for place, described in properties(SCHEMA) if not described and not place.endswith("after")]
    assert undescribed == []


def broken(text: str, dice: random.Random) -> str:
    """The file with one word exchanged for another of the file, or taken away."""
    words = text.replace("{", "{ ").replace("}", " }").replace("[", "[ ").replace("]", " ]").split(" ")
    while True:
        place, other = dice.randrange(len(words)), dice.choice([*words, "", "3", "true", "null", "7d", "'x'"])
        changed = " ".join([*words[:place], other, *words[place + 1 :]])
        if read_text(changed, file="x.yaml")[1] == []:
            return changed


def properties(schema: Any, place: str = "") -> Iterator[tuple[str, bool]]:
    """Every property of a schema, and whether it is described."""
    if isinstance(schema, dict):
        for name, member in schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ():
            yield f"{place}/{name}", "description" in member
        for key, member in schema.items():
            yield from properties(member, f"{place}/{key}")
    elif isinstance(schema, list):
        for item in schema:
            yield from properties(item, place)
