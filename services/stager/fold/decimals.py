"""Numbers as integers of millionths, so that sums are exact and nothing depends on order (LANGUAGE.md 2).

Knows nothing of metrics or expressions. A number that is missing is None.
"""

from __future__ import annotations

from typing import Final

import msgspec

MILLION: Final = 1_000_000
NUMBER_MAX: Final = 10**12 * MILLION  # beyond this a number is missing (LANGUAGE.md 2)
DURATION_MAX_MS: Final = 10**15  # beyond this a duration or a time is missing

# Fifteen significant digits always survive an IEEE double; what is longer is written digit by digit.
_DOUBLE_SAFE: Final = 10**15
_INT64_MAX: Final = 2**63 - 1


def of_int(number: int) -> int | None:
    """An integer as millionths; missing when beyond the range."""
    millionths = number * MILLION
    return millionths if -NUMBER_MAX <= millionths <= NUMBER_MAX else None


def of_float(number: float) -> int | None:
    """A double as millionths, half to even; missing when beyond the range."""
    scaled = number * 1e6
    if not -1.5e18 < scaled < 1.5e18:  # also what is no number at all
        return None
    millionths = round(scaled)
    return millionths if -NUMBER_MAX <= millionths <= NUMBER_MAX else None


def in_range(millionths: int) -> int | None:
    """The number itself, or missing when beyond the range."""
    return millionths if -NUMBER_MAX <= millionths <= NUMBER_MAX else None


def duration_in_range(duration_ms: int) -> int | None:
    """A duration or time itself, or missing when beyond the range."""
    return duration_ms if -DURATION_MAX_MS <= duration_ms <= DURATION_MAX_MS else None


def divide(dividend: int, divisor: int) -> int:
    """The quotient rounded half to even; the divisor is not zero."""
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    quotient, rest = divmod(dividend, divisor)
    if rest * 2 > divisor or (rest * 2 == divisor and quotient & 1):
        return quotient + 1
    return quotient


def to_json(millionths: int) -> int | float | msgspec.Raw:
    """What JSON is to show: an integer when whole, else decimals exact to six places."""
    whole, rest = divmod(abs(millionths), MILLION)
    if rest == 0:
        number = -whole if millionths < 0 else whole
        return number if whole <= _INT64_MAX else msgspec.Raw(str(number).encode())
    if abs(millionths) < _DOUBLE_SAFE:
        return millionths / MILLION
    sign = "-" if millionths < 0 else ""
    return msgspec.Raw(f"{sign}{whole}.{rest:06d}".rstrip("0").encode())
