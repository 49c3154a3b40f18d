"""What a campaign may ask of a customer, as a port: the `where` and `consent` of its file, compiled.

The language of expressions (LANGUAGE.md 3) is the stager's; whoever composes the program hands its compiler in. This
module knows what is asked, not how it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

# What every transition answers, beside what its lifecycle carries, and of which type (a duration in milliseconds).
TRANSITION_FIELDS: Mapping[str, str] = {
    "from": "text", "to": "text", "change": "text", "entry": "number", "nth": "number", "stay": "duration",
    "at": "time",
}  # fmt: skip


class Subject(NamedTuple):
    """Of whom a condition is asked, and when: the traits as of now, the transition's fields and carried metrics.

    `values` are JSON's (times RFC 3339, durations in milliseconds); `since_ms` is when the visit began, None for none.
    """

    traits: Mapping[str, Any]
    values: Mapping[str, Any]
    now_ms: int
    since_ms: int | None


Holds = Callable[[Subject], bool]
"""Whether a condition holds; it never raises, and what is missing makes a comparison false."""


class Problem(Protocol):
    """What is wrong with an expression: at which character, how much of it, why, and what was perhaps meant."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def suggestion(self) -> str | None: ...  # noqa: D102


class Language(Protocol):
    """Compiles the text of a condition."""

    def __call__(
        self, text: str, *, fields: Mapping[str, str], carried: Mapping[str, str] | None, lifecycle: str
    ) -> tuple[Holds | None, Sequence[Problem]]:
        """The condition, or None with what is wrong. `fields` and `carried`: the names that may be used, with their
        types; `carried` None lets any name pass, because nobody knows the lifecycle here.
        """


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a campaign's file; `text` as it was written is what tells two of them apart."""

    text: str
    holds: Holds = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a lifecycle or segment offers to campaigns: its stages, and the metrics it carries with their types."""

    stages: Sequence[str]
    carried: Mapping[str, str]
