"""The fair share of partitions among the members of a group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.log_embedded.group import fair_share

groups = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 40), min_size=1, max_size=20)


@given(groups, st.integers(1, 100))
def test_the_shares_are_all_the_partitions(owned: dict[str, int], partitions: int) -> None:
    assert sum(fair_share(owned, partitions).values()) == partitions


@given(groups, st.integers(1, 100))
def test_no_share_is_more_than_one_above_another(owned: dict[str, int], partitions: int) -> None:
    shares = fair_share(owned, partitions).values()
    assert max(shares) - min(shares) <= 1


@given(groups, st.integers(1, 100))
def test_a_group_that_has_its_shares_keeps_them(owned: dict[str, int], partitions: int) -> None:
    settled = fair_share(owned, partitions)
    assert fair_share(settled, partitions) == settled
