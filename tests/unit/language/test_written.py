"""Expressions written as text again."""

from __future__ import annotations

import pytest

from services.stager.language.definition import Kind
from services.stager.language.expression import check_truth
from services.stager.language.scope import Scope
from services.stager.language.written import write
from tests.oracle.generate import draw_case
from tests.oracle.real import load


def test_what_is_written_reads_back_as_the_same_expression() -> None:
    count = 0
    for seed in range(60):
        for lifecycle in load(draw_case(seed).text):
            scope = Scope({metric.name: metric.kind for metric in lifecycle.metrics})
            conditions = [condition for stage in lifecycle.stages for condition in (stage.when, stage.until)]
            for condition in filter(None, conditions):
                assert check_truth(write(condition), scope) == (condition, [])
                count += 1
    assert count > 100


@pytest.mark.parametrize(
    "text",
    [
        "orders >= 3 and (since(last) >= 90d or not exists(traits.plan))",
        "(orders - 1) * 2 > orders - (1 - orders)",
        'traits.`Plan Name` in ["pro", "a \\"b\\""] or orders not in [1, 2.5, -3]',
        "time_to(traits.renews_at) <= -1d12h",
        'not (traits.on == true) and last > date("2026-01-31T10:20:30.123Z")',
        "-orders < -0.000001",
        'if(orders > 3, lower(traits.a.b), "x") == "y"',
    ],
)
def test_plain_text_is_written_as_people_write_it(text: str) -> None:
    expression, problems = check_truth(text, Scope({"orders": Kind.NUMBER, "last": Kind.TIME}))
    assert problems == []
    assert expression is not None
    assert write(expression) == text
