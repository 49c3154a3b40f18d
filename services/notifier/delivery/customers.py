"""The customer as of now, as a port: which visit they are in, and their traits. Read only; the stager's tables tell.

This docstring is the contract; one suite (`tests/contract/test_customers.py`) holds it over both databases.

- What is read is what the stager has committed: never older than the transition that brought us here.
- A customer who was forgotten, or never existed, has no visit and no traits.
- Every failure to reach the database is Unavailable; the caller retries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Whose(NamedTuple):
    """Who is looked for, and in which stage. `partition` is the customer's, as on the topic of transitions."""

    partition: int
    customer: str
    lifecycle: str
    stage: str


@dataclass(frozen=True, slots=True)
class CustomerNow:
    """What is known of one customer. `entry` is the number of the visit to the stage; None: not in it now."""

    entry: int | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)


class Customers(Protocol):
    """Where customers stand."""

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the stager's tables are missing."""

    async def look(self, wanted: Collection[Whose]) -> dict[Whose, CustomerNow]:
        """Each of the wanted as of now, the unknown ones too."""
