"""What a checked file says: lifecycles, segments, metrics and expressions as frozen values.

This is the border between the language (files and text in, these values out) and the fold (these values in, transitions
out). Neither knows the other. Everything here has passed every check of LANGUAGE.md; durations and instants are
milliseconds, numbers are integers of millionths.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias
from typing import Literal as OneOf


class Kind(StrEnum):
    """The type of an expression. ANY is a trait, a property or a `latest`: known only when evaluated."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    TIME = "time"
    DURATION = "duration"
    LIST = "list"
    ANY = "any"


# ---- expressions (LANGUAGE.md 3); every node knows its kind -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal, arithmetic of literals already worked out, or `date()` of a literal.

    `value`: number int millionths, text str, flag bool, time and duration int milliseconds.
    """

    value: int | str | bool
    kind: Kind


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric of the file, by name."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class TraitValue:
    """`traits.a.b`: the top-level trait and the path into it."""

    path: tuple[str, ...]
    kind: Kind = Kind.ANY


@dataclass(frozen=True, slots=True)
class PropertyValue:
    """A property of the event, only in `where`."""

    path: tuple[str, ...]
    kind: Kind = Kind.ANY


@dataclass(frozen=True, slots=True)
class Since:
    """`since(T)` = now - T; `time_to(T)` = T - now when `ahead`. `of` is a time, or ANY holding an ISO 8601 text."""

    of: Expression
    ahead: bool = False
    kind: Kind = Kind.DURATION


@dataclass(frozen=True, slots=True)
class InStage:
    """`in_stage()`: how long this visit has lasted; missing while there is no stage."""

    kind: Kind = Kind.DURATION


@dataclass(frozen=True, slots=True)
class Entered:
    """`entered()`: when this visit began; missing while there is no stage."""

    kind: Kind = Kind.TIME


@dataclass(frozen=True, slots=True)
class Call:
    """`if exists date lower contains starts_with ends_with`, with as many arguments as each takes."""

    function: OneOf["if", "exists", "date", "lower", "contains", "starts_with", "ends_with"]
    arguments: tuple[Expression, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison; with a moving side (Since, InStage) the other side is a constant duration."""

    operator: OneOf["==", "!=", "<", "<=", ">", ">="]
    left: Expression
    right: Expression
    kind: Kind = Kind.FLAG


@dataclass(frozen=True, slots=True)
class Membership:
    """`item in [..]`, or `not in` when `negated`."""

    item: Expression
    options: tuple[Constant, ...]
    negated: bool
    kind: Kind = Kind.FLAG


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` / `or` of two or more."""

    operator: OneOf["and", "or"]
    operands: tuple[Expression, ...]
    kind: Kind = Kind.FLAG


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    operand: Expression
    kind: Kind = Kind.FLAG


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on all that stands before it; `kind` is its result's."""

    operator: OneOf["+", "-", "*", "/"]
    operand: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * /` from left to right, one node however long. An operand may be ANY: its type is seen when evaluated."""

    first: Expression
    steps: tuple[Step, ...]

    @property
    def kind(self) -> Kind:
        """That of the last step."""
        return self.steps[-1].kind


@dataclass(frozen=True, slots=True)
class Negate:
    """Unary minus of a number or a duration."""

    operand: Expression
    kind: Kind


Expression: TypeAlias = (
    Constant | MetricValue | TraitValue | PropertyValue | Since | InStage | Entered
    | Call | Compare | Membership | Logic | Not | Arithmetic | Negate
)  # fmt: skip


# ---- metrics (LANGUAGE.md 2) ---------------------------------------------------------------------------------------

DISTINCT_MAX: Final = 512  # values that `distinct` tells apart (LANGUAGE.md 2: "at least 512")

MetricFunction: TypeAlias = OneOf[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "distinct",
    "first",
    "last",
    "latest",
    "changed",
    "days",
    "regular",
    "sequence",
]


@dataclass(frozen=True, slots=True)
class Within:
    """Events with t - ago - within < occurred_at <= t - ago. Milliseconds."""

    within_ms: int
    ago_ms: int = 0


@dataclass(frozen=True, slots=True)
class Between:
    """Events from `start_ms` (included) to `end_ms` (not)."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Events of the calendar period `back` before the one in which t lies, in the file's zone; weeks from Monday."""

    unit: OneOf["day", "week", "month"]
    back: int = 0


Window: TypeAlias = Within | Between | Calendar

EventNames: TypeAlias = frozenset[str] | None  # None: any track, page or screen ("*")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` is its file's own; everything else is its meaning (equal meanings are folded once).

    `steps` holds one set of names, but one for each step of a `sequence`; it is empty for `changed`.
    `path` is the property of `sum avg min max distinct latest` or the trait of `changed`, split at its dots.
    `zone` matters for `days` and Calendar, and is None elsewhere.
    """

    name: str
    function: MetricFunction
    kind: Kind
    steps: tuple[EventNames, ...] = ()
    path: tuple[str, ...] = ()
    where: Expression | None = None
    window: Window | None = None
    zone: str | None = None
    period_ms: int = 0
    periods: int = 0
    at_least: int = 1
    within_ms: int | None = None  # the span of a `sequence`


# ---- lifecycles (LANGUAGE.md 1, 5) ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Linger:
    """The due times of a stay, milliseconds after the visit began: `offsets_ms` in order, then every `every_ms`
    for ever (None: no more). `{after: A, every: E, times: N}` is written out unless `times: forever`.
    """

    offsets_ms: tuple[int, ...]
    every_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `came_from` None: open from anywhere; `re_enter_ms`: 0 always, None never, else this long after."""

    name: str
    when: Expression | None = None
    until: Expression | None = None
    came_from: frozenset[str] | None = None
    re_enter_ms: int | None = 0
    min_stay_ms: int = 0
    linger: Linger | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """One entry of `carry`, under the text it was written with."""

    label: str
    value: MetricValue | TraitValue


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A lifecycle, or a segment written as one: stages `out` (no `when`) and `in`, with `segment` true.

    `metrics` are in file order, used or not; `version` is a hash of the meaning (names, conditions, metrics, options;
    not descriptions, comments, order of keys).
    """

    name: str
    stages: tuple[Stage, ...]
    metrics: tuple[Metric, ...]
    segment: bool = False
    forward_only: bool = False
    carry: tuple[Carried, ...] = ()
    has_carry: bool = False
    description: str = ""
    version: str = ""
