"""An explanation: why a customer stands where they do, as frozen values (made by `explainer.py`, shown by others).

Times are milliseconds since the epoch, durations milliseconds; values inside `Value` are as JSON shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

ValueKind = Literal["number", "text", "flag", "time", "duration", "list", "object"]


@dataclass(frozen=True, slots=True)
class Witness:
    """An event that had a part in a value."""

    id: str
    name: str
    occurred_ms: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The events that gave a value: how many there are, and the latest of them, newest first."""

    count: int
    events: tuple[Witness, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in a condition, under its text there, and what it was at that moment (None: missing).

    `kind` is None for what is missing and might have been of any type. `note` says where the value is less than exact,
    or why the condition can make nothing of it. `evidence` is None where no events were given, or none can have given
    it.
    """

    text: str
    kind: ValueKind | None
    value: Any
    note: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition or a part of one. `joined` is None for a part that asks one thing and shows `values`, else how its
    `parts` make its answer. `turns_ms`: when the answer changes if nothing happens (None: it does not).
    """

    text: str
    holds: bool
    joined: Literal["and", "or", "not"] | None = None
    parts: tuple[Clause, ...] = ()
    values: tuple[Value, ...] = ()
    turns_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Why a stage may not be entered now; `until_ms`: when that ends by itself (None: it does not)."""

    option: Literal["from", "re_enter", "min_stay", "forward_only"]
    text: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage as it looks for this customer. `because`: what makes it hold (None: it does not hold).

    `blocks` close a stage other than the current one; of the current one `kept_by` says what keeps the customer there
    although it does not hold (None: nothing has to).
    `until` is asked only of the current stage, but here it is of every stage that has one.
    """

    name: str
    place: Literal["earlier", "current", "further"]
    holds: bool
    because: Literal["always", "when", "until"] | None
    when: Clause | None
    until: Clause | None
    blocks: tuple[Block, ...]
    kept_by: Block | None = None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What happens by itself if nothing else does. `then`: the stages that follow at the same instant, in order."""

    change: Literal["moved", "lingered"]
    to_stage: str | None
    at_ms: int
    nth: int
    then: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LifecycleView:
    """One lifecycle or segment: where the customer is in it, why, and what comes by itself.

    `stages` are in journey order. `is_pending`: the definition has changed since the customer's last event, and only
    the next event applies it. `is_foreseen_whole`: no move was overlooked because the search was given up.
    """

    name: str
    version: str
    segment: bool
    stage: str | None
    since_ms: int | None
    entry: int
    stages: tuple[StageView, ...]
    next_move: Foreseen | None
    next_linger: Foreseen | None
    is_foreseen_whole: bool
    is_pending: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one customer at one instant, lifecycles in order of name."""

    customer: str
    at_ms: int
    lifecycles: tuple[LifecycleView, ...]
