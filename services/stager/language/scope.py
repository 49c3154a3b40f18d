"""Which names an expression may use, and what each stands for (LANGUAGE.md 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.stager.language.definition import Expression, Kind, MetricValue, PropertyValue, TraitValue
from shared.document.nodes import Hints, nearest

ARITIES = {
    "since": 1, "time_to": 1, "in_stage": 0, "entered": 0, "if": 3, "exists": 1, "date": 1, "lower": 1,
    "contains": 2, "starts_with": 2, "ends_with": 2,
}  # fmt: skip
# Each function's name, as it is written.
EXAMPLES = {
    "since": "since(last_order)", "time_to": "time_to(traits.renews_at)", "in_stage": "in_stage()",
    "entered": "entered()", "if": "if(orders > 3, 10, 5)", "exists": "exists(traits.email)",
    "date": 'date("2026-01-31")', "lower": "lower(traits.plan)", "contains": 'contains(traits.tags, "b")',
    "starts_with": 'starts_with(traits.country, "D")', "ends_with": 'ends_with(traits.email, ".org")',
}  # fmt: skip
OF_THE_CUSTOMER = frozenset({"since", "time_to", "in_stage", "entered"})

NOTHINGS = frozenset({"null", "Null", "NULL", "none", "None", "nil", "missing", "undefined"})
ASK_EXISTS = "ask `exists(x)` or `not exists(x)` whether something is there"
_FLAGS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
FLAG_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
ASK_SINCE = "; ask how long ago something was with `since(x)`, or how far off it is with `time_to(x)`"
_ABSENT = {
    "now": f"`now` is not known{ASK_SINCE}",
    "today": f"`today` is not known{ASK_SINCE}",
    "stage": "no condition asks for a stage; from where one is reached says the key `from`, as in `from: visitor`",
}


class Bounds(NamedTuple):
    """Between what a number always lies, both included, in millionths; None: it has no end."""

    least: int
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The metrics that may be named, with their types; None in `where`, where bare names are the event's properties.

    A metric that is itself wrong stands here as ANY and is `unsure`, so that its fault is reported once. `absent` and
    `advice` say of an unknown name that it is not there, and what to do about it. `bounds` are of those metrics that
    have any.
    """

    metrics: Mapping[str, Kind] | None
    absent: str = "this file has no metric"
    advice: str = ""
    unsure: frozenset[str] = frozenset()
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    hints: Hints = field(default_factory=Hints, compare=False)

    @property
    def functions(self) -> list[str]:
        """The functions that may be called."""
        return [name for name in ARITIES if self.metrics is not None or name not in OF_THE_CUSTOMER]


WHERE = Scope(None)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a name stands for nothing here, and what was perhaps meant."""

    message: str
    suggestion: str | None = None


def resolve(words: Sequence[str], scope: Scope, *, quoted: frozenset[int]) -> Expression | Unknown:
    """What a dotted name stands for. `quoted` holds the places of the words that stood in backquotes."""
    if scope.metrics is None:
        if words[0] == "traits" and len(words) > 1 and 0 not in quoted:
            return Unknown("traits are not available in `where`, only the event's own properties")
        if len(words) == 1 and words[0] in _FLAGS and 0 not in quoted:
            return Unknown(f"`{words[0]}` is not known; flags are in lower case", _FLAGS[words[0]])
        return PropertyValue(tuple(words))
    if words[0] == "traits" and len(words) > 1:
        return TraitValue(tuple(words[1:]))
    if len(words) > 1:
        return _no_trait(words)
    kind = scope.metrics.get(words[0])
    return MetricValue(words[0], kind) if kind is not None else _no_metric(words[0], scope, scope.metrics)


def _no_trait(words: Sequence[str]) -> Unknown:
    near = nearest(words[0], ("traits",))
    message = f"`{words[0]}` has no parts: only traits are written with dots, as in `traits.plan`"
    return Unknown(message, ".".join(("traits", *words[1:])) if near else None)


def _no_metric(word: str, scope: Scope, metrics: Mapping[str, Kind]) -> Unknown:
    if word in _FLAGS:
        return Unknown(f"`{word}` is not known; flags are in lower case", _FLAGS[word])
    if word in FLAG_WORDS:
        message = f'`{word}` is not known; a flag is `true` or `false`, and a text stands in quotes: `"{word}"`'
        return Unknown(message, FLAG_WORDS[word])
    if word in NOTHINGS:
        return Unknown(f"`{word}` is not known; {ASK_EXISTS}")
    if word in _ABSENT and scope.hints.nearest(word, metrics) is None:
        return Unknown(_ABSENT[word])
    if word in ARITIES:
        return Unknown(f"`{word}` is a function and needs parentheses", f"{word}()" if not ARITIES[word] else None)
    if word == "traits":
        return Unknown("a trait is written with its name, as in `traits.plan`")
    hints = [part for part in (scope.advice, f"a trait is written `traits.{word}`", "a text stands in quotes") if part]
    message = f"{scope.absent} `{word}` ({', '.join(hints)})"
    return Unknown(message, scope.hints.nearest(word, metrics))
