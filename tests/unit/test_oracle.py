"""The real language and fold against the naive interpreter of LANGUAGE.md, on random files and histories.

More seeds: `python -m tests.oracle.compare --seeds 0..5000`.
"""

from __future__ import annotations

import pytest

from tests.oracle.compare import compare
from tests.oracle.generate import draw_case
from tests.oracle.real import canonical, load

SEEDS = 120  # in all, as many as a few seconds allow
AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_a_random_history_gives_the_transitions_that_the_naive_reading_gives(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        difference = compare(draw_case(seed))
        assert difference is None, f"seed {seed}: {difference.render()}"


@pytest.mark.parametrize("first", range(0, SEEDS // 2, AT_ONCE))
def test_the_plainest_metrics_agree_too(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        difference = compare(draw_case(seed, spine=True))
        assert difference is None, f"seed {seed} --spine: {difference.render()}"


def test_a_rendered_file_is_read_back_as_it_was_meant() -> None:
    for seed in range(1_000, 1_100):
        case = draw_case(seed)
        meant = sorted(case.lifecycles, key=lambda lifecycle: lifecycle.name)
        loaded = load(case.text)
        assert [canonical(one)[1:-1] for one in loaded] == [canonical(one)[1:-1] for one in meant]
