"""Times as they are written: the same text is the same instant in a file and in a trait (LANGUAGE.md 3)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.stager.fold.instants import instant_of
from services.stager.language.literals import read_time, why_no_time

TWO = st.sampled_from(["00", "01", "09", "12", "23", "24", "28", "29", "30", "31", "59", "60", "99", "1", "٣١"])
YEARS = st.sampled_from(["0000", "0001", "1900", "1969", "2000", "2024", "2026", "9999", "26", "12026"])
TIMES = st.tuples(
    YEARS, TWO, TWO, st.sampled_from(["", "T", " ", "t"]), TWO, TWO, st.sampled_from(["", ":", ":7."]), TWO,
    st.sampled_from(["", "Z", "z", "+", "-", " +", ".5Z", ".123456+"]), TWO, TWO,
).map(
    lambda part: f"{part[0]}-{part[1]}-{part[2]}"
    + (f"{part[3]}{part[4]}:{part[5]}{part[6]}{part[7] if part[6] else ''}" if part[3] else "")
    + part[8]
    + (f"{part[9]}:{part[10]}" if part[8][-1:] in ("+", "-") else "")
)  # fmt: skip


@given(TIMES)
@example("2026-01-31T10:20+14:60")
@example("2026-01-01T00:00+05:75")
@example("2026-01-01T00:00+24:00")
@example("2026-01-01T00:00-23:59")
@example("0001-01-01T00:00+01:00")
@example("9999-12-31T23:59:59.999999-23:59")
@example("2026-01-31\n")
def test_a_time_in_a_file_is_the_instant_that_a_trait_with_this_text_is(text: str) -> None:
    assert read_time(text) == instant_of(text)


@pytest.mark.parametrize(
    ("text", "part", "meant"),
    [
        ("2026-02-30", "there is no 30 February 2026", None),
        ("2026-04-31T10:20", "there is no 31 April 2026", None),
        ("2026-13-01", "write `2026-01-31`", None),
        ("2026-01-31T10:20+0200", "`+02:00`", "2026-01-31T10:20+02:00"),
        ("2026-01-31T10:20-02", "`+02:00`", "2026-01-31T10:20-02:00"),
        ("2026-01-31T10:20+14:60", "write `2026-01-31`", None),
        ("31.01.2026", "write `2026-01-31`", "2026-01-31"),
        ("31.02.2026", "write `2026-01-31`", None),
        ("2026-1-5", "write `2026-01-31`", "2026-01-05"),
    ],
)
def test_what_is_no_time_says_why(text: str, part: str, meant: str | None) -> None:
    message, suggestion = why_no_time(text)

    assert read_time(text) is None
    assert part in message
    assert suggestion == meant
