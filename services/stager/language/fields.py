"""One mapping of a lifecycle file, read key by key; whatever does not fit is reported with its place."""

from __future__ import annotations

import re
import unicodedata
from collections import abc
from collections.abc import Callable, Collection, Sequence
from typing import TypeGuard

from services.stager.language.definition import Expression
from services.stager.language.expression import check_truth
from services.stager.language.literals import Unreadable, nearest_duration, read_duration, read_time, why_no_time
from services.stager.language.problem import Problem
from services.stager.language.scope import Scope
from shared.document.nodes import Faults, Hints, Listing, Mapping, Node, Scalar
from shared.document.syntax import FLOW_HINT

_CONDITIONS = ("when", "until", "where")

WHOLE_MAX = 10_000  # of periods, calendar periods back, lingers: far beyond use, and harmless to write out

NAME = re.compile(r"[a-z][a-z0-9_-]*")
METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")

NO_SPACE = "a space is missing after the `:`"

_NEGATIVE = re.compile(r"- *[0-9]+(?:ms|[smhdw])")
_FLAGS_MEANT = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_SAID = {bool: "a flag", int: "a number", float: "a number"}


class Fields:
    """The keys of one mapping. Each reading returns None when the key is absent or (then reported) wrong.

    A misspelt key has been reported, and counts as there: what depends on its value is judged no further. `meant` says
    what others call a key by, where that is not near to its name; `misplaced` are keys that stand elsewhere, each with
    what more to say of it; `belongs` says of an unknown key, and of what is near to it, where it was meant to stand.
    """

    def __init__(
        self,
        mapping: Mapping,
        faults: Faults,
        *,
        what: str,
        known: Sequence[str],
        meant: dict[str, str] | None = None,
        misplaced: abc.Mapping[str, str] | None = None,
        belongs: Callable[[Scalar, str | None], str | None] | None = None,
    ) -> None:
        self.mapping = mapping
        self.faults = faults
        self._what, self._known, self._hints = what, known, Hints()
        self._belongs = belongs
        self._places = {key.value: key for key, _ in mapping.entries}
        self._torn: dict[str, list[Scalar]] = {}  # by condition, the pieces that YAML has cut off at its commas
        before = ""
        for key, value in mapping.entries:
            is_bare = _is_bare(key, value)
            if is_bare and before in _CONDITIONS and _is_torn(mapping.get(before)):
                self._torn.setdefault(before, []).append(key)
                continue
            before = key.value
            if misplaced and key.value in misplaced and key.value not in known:
                faults.add(key, f"`{key.value}` does not fit {what}{misplaced[key.value]}", text=key.value)
            elif key.value not in known:
                self._report_unknown(key, (meant or {}).get(key.value), is_bare=is_bare)

    def _report_unknown(self, key: Scalar, meant: str | None, *, is_bare: bool) -> None:
        if is_tight(key, self._known):
            self.faults.add(key, NO_SPACE)
            return
        suggestion = meant or self._hints.nearest(key.value, self._known)
        if self._belongs and (place := self._belongs(key, suggestion)):
            self.faults.add(key, place, text=key.value)
            return
        listed = " (several in one place are a list, as in `[A, B]`)" if is_bare and not suggestion else ""
        message = f"{self._what} has no key `{key.value}`{listed}"
        self.faults.add(key, message, text=key.value, suggestion=suggestion)
        if suggestion:
            self._places.setdefault(suggestion, key)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def key(self, name: str) -> Node:
        """The place of a key that is there; the mapping's own when it is not."""
        return self._places.get(name, self.mapping)

    def node(self, key: str) -> Node | None:
        """The value of a key; a key with nothing after it is reported."""
        node = self.mapping.get(key)
        if isinstance(node, Scalar) and node.style == "" and node.value == "":
            self.faults.add(self.key(key), f"nothing stands after `{key}:`", text=key)
            return None
        return node

    def text(self, key: str) -> str | None:
        """A text."""
        node = self.node(key)
        return read_text_node(node, self.faults, what=f"`{key}`") if node is not None else None

    def flag(self, key: str) -> bool | None:
        """`true` or `false`."""
        node = self.node(key)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.meaning, bool):
            return node.meaning
        meant = _FLAGS_MEANT.get(node.value.lower()) if isinstance(node, Scalar) else None
        self.faults.add(node, f"`{key}` is either `true` or `false`", suggestion=meant)
        return None

    def whole(self, key: str, *, least: int) -> int | None:
        """A whole number from `least` to WHOLE_MAX."""
        node = self.node(key)
        if node is None:
            return None
        meaning = node.meaning if isinstance(node, Scalar) else None
        if isinstance(meaning, int) and not isinstance(meaning, bool) and least <= meaning <= WHOLE_MAX:
            return meaning
        self.faults.add(node, f"`{key}` is a whole number from {least} to {WHOLE_MAX:,}")
        return None

    def duration(self, key: str) -> int | None:
        """A duration above zero, in milliseconds."""
        node = self.node(key)
        return read_duration_node(node, self.faults, what=f"`{key}`") if node is not None else None

    def condition(self, key: str, scope: Scope) -> Expression | None:
        """An expression that is true or false."""
        node = self.node(key)
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.faults.add(node, f"`{key}` is one expression: join its parts with `and` or `or`")
            return None
        text = node.value.lower() if isinstance(node.meaning, bool) else node.value  # YAML's `True` is a flag
        expression, problems = check_truth(text, scope)
        report_problems(node, problems, self.faults)
        for piece in self._torn.get(key, ()) if expression is not None else ():
            self._report_unknown(piece, None, is_bare=True)
        return expression


def _is_bare(key: Scalar, value: Node) -> bool:
    """Whether a key stands in `{...}` without a colon."""
    return key.in_flow and isinstance(value, Scalar) and value.style == "" and value.start == value.end == key.end


def is_tight(key: Scalar, known: Collection[str]) -> bool:
    """Whether `count:X` is written for `count: X`, which YAML takes for one word."""
    return not key.style and key.value.partition(":")[0] in known and ":" in key.value


def _is_torn(node: Node | None) -> bool:
    """Whether a text inside `{...}` ends before its brackets or quotes do."""
    if not isinstance(node, Scalar) or not node.in_flow or node.style:
        return False
    opened = sum(node.value.count(sign) for sign in "([{") - sum(node.value.count(sign) for sign in ")]}")
    return opened > 0 or node.value.count('"') % 2 == 1 or node.value.count("'") % 2 == 1


def report_problems(node: Scalar, problems: Sequence[Problem], faults: Faults) -> None:
    """Report what is wrong with the expression that stands in a scalar, each at its own place."""
    for problem in problems:
        message = problem.message
        if problem.is_syntax and node.style == "":
            message += _cut_by_yaml(node)
        faults.add(
            node, message, offset=problem.offset, text=problem.text, suggestion=problem.suggestion,
            severity=problem.severity,
        )  # fmt: skip


def _cut_by_yaml(node: Scalar) -> str:
    """YAML may have ended a plain scalar before its writer meant it to."""
    rest = node.source.text[node.end : node.end + 80].partition("\n")[0]
    if _is_torn(node) and rest.lstrip()[:1] in (",", "[", "]", "{"):
        return f" ({FLOW_HINT})"
    if re.match(r"[ \t]+#", rest):
        return " (in YAML ` #` begins a comment: put the expression in quotes)"
    return ""


def read_text_node(node: Node, faults: Faults, *, what: str) -> str | None:
    """The text of a node; a number or flag that YAML sees in a plain scalar is reported."""
    if not isinstance(node, Scalar):
        faults.add(node, f"{what} is a single text")
        return None
    meaning = node.meaning
    if isinstance(meaning, str) and meaning.strip():
        return meaning
    if meaning is None or isinstance(meaning, str):
        faults.add(node, f"{what} is empty")
    else:
        faults.add(node, f"{what} is a text, but YAML takes this for {_SAID[type(meaning)]}: put it in quotes")
    return None


def is_number(node: Node) -> TypeGuard[Scalar]:
    """Whether YAML takes this for a number: as a name it is wrong with quotes, too."""
    return isinstance(node, Scalar) and type(node.meaning) in (int, float)


def read_name(node: Node, faults: Faults, *, what: str, pattern: re.Pattern[str] = NAME) -> str | None:
    """The name of a lifecycle, segment, stage or metric."""
    text = node.value if is_number(node) else read_text_node(node, faults, what=what)
    if text is None or pattern.fullmatch(text):
        return text
    signs = "a to z, 0 to 9 and _" if pattern is METRIC_NAME else "a to z, 0 to 9, _ and -"
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    wished = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    message = f"{what} begins with a letter from a to z and has only {signs}"
    faults.add(node, message, suggestion=wished if pattern.fullmatch(wished) else None)
    return None


def read_duration_node(node: Node, faults: Faults, *, what: str) -> int | None:
    """A duration above zero, in milliseconds."""
    if not isinstance(node, Scalar):
        faults.add(node, f"{what} is a duration, as in `90d` or `1h30m`")
        return None
    try:
        duration = read_duration(node.value)
    except Unreadable as error:
        if _NEGATIVE.fullmatch(node.value):
            faults.add(node, f"{what} must be above zero")
            return None
        meant = nearest_duration(node.value)
        faults.add(node, f"{what}: {error}", suggestion=meant if meant != node.value else None)
        return None
    if duration == 0:
        faults.add(node, f"{what} must be above zero")
        return None
    return duration


def read_time_node(node: Node, faults: Faults, *, what: str) -> int | None:
    """An instant as `date()` reads it, in milliseconds."""
    text = node.value if isinstance(node, Scalar) else ""
    at = read_time(text)
    if at is None:
        message, meant = why_no_time(text)
        faults.add(node, f"{what} is a time: {message}", suggestion=meant)
    return at


def as_list(text: str) -> str:
    """A text with commas as the list that was meant."""
    return f"[{', '.join(part.strip() for part in text.split(','))}]"


def items_of(node: Node) -> tuple[Node, ...]:
    """The items of a list, or the node itself where one may stand for a list of one."""
    return node.items if isinstance(node, Listing) else (node,)
