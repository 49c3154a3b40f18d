"""Everything that is wrong with one expression is reported at once, and nothing that only follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stager.language.definition import Kind
from services.stager.language.expression import check_truth
from services.stager.language.scope import Scope

SCOPE = Scope({"orders": Kind.NUMBER, "last_order": Kind.TIME, "nps": Kind.ANY})

# what people write, and what they mean
SIGNS = st.sampled_from([("=", "=="), ("≠", "!="), ("=>", ">="), ("<=", "<="), ("is", "=="), (">", ">")])
WORDS = st.sampled_from([("&&", "and"), ("or", "or"), ("||", "or"), ("AND", "and"), ("and", "and"), ("adn", "and")])
SIDES = st.sampled_from([("orders", "orders"), ("nps – 1", "nps - 1"), ("(nps × 2)", "(nps * 2)")])
PARTS = st.tuples(SIDES, SIGNS, st.just(("3", "3")), WORDS)


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=6))
def test_each_sign_that_is_plainly_mistaken_is_one_fault_and_the_rest_is_read_as_it_was_meant(
    parts: list[object],
) -> None:
    pairs = [pair for part in parts for pair in part][:-1]  # type: ignore[attr-defined]
    written, meant = (" ".join(pair[side] for pair in pairs) for side in (0, 1))

    _, problems = check_truth(written, SCOPE)
    expression, none = check_truth(meant, SCOPE)

    assert expression is not None
    assert none == []
    assert len(problems) == sum(pair[0] != pair[1] for pair in pairs)


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ("orders = 3 and last_order > 3 && orders > 1", ["=", "3", "&&"]),
        (r'traits.x == "\q" and orders = 3', [r'"\q"', "="]),
        ('NOT orders == "a" AND last_order > 1', ["NOT", '"a"', "AND", "1"]),
        ("orders > and ordres > 1", ["and", "ordres"]),
        ("orders > 1) and ordres > 1", [")", "ordres"]),
        ("last_ordr > 1 or (orders > 1", ["last_ordr", "("]),
        ("since(last_ordr) > 90 days and ordres like 'a'", ["last_ordr", "90 days", "like"]),
        ("größe > 1 and ordres > 1", ["größe", "größe", "ordres"]),
        ("ordres > 1 and nps % 2 == 1", ["ordres", "%"]),
    ],
)
def test_what_is_wrong_with_the_grammar_hides_nothing_that_is_wrong_elsewhere(
    written: str, reported: list[str]
) -> None:
    assert [problem.text for problem in check_truth(written, SCOPE)[1]] == reported


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ("and == 1", ["and"]),
        ("orders > 1 and and == 1", ["and"]),
        ("orders between 1 and 3", ["between"]),
        ("orders and orders >", [""]),
        ("nps % 2 and ordres", ["%"]),
    ],
)
def test_what_only_follows_from_a_fault_of_the_grammar_is_not_reported(written: str, reported: list[str]) -> None:
    assert [problem.text for problem in check_truth(written, SCOPE)[1]] == reported
