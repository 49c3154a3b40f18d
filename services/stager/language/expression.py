"""From an expression's text to checked nodes (LANGUAGE.md 3): names, types, limits. Must not know files or YAML.

Every problem of a text is reported at once where the grammar holds; a part that is wrong has no node, and what stands
around it is then judged no further.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from lark import Token, Tree

from services.stager.language.calls import check_call
from services.stager.language.comparisons import check_comparison, check_membership
from services.stager.language.definition import (
    Arithmetic,
    Constant,
    Expression,
    InStage,
    Kind,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    Step,
)
from services.stager.language.doubts import warn_of_holder, warn_of_thousands
from services.stager.language.grammar import parse
from services.stager.language.judge import Part, span
from services.stager.language.kinds import SAID, arithmetic_kind, may_be, negated_kind
from services.stager.language.literals import (
    Operator,
    Unreadable,
    combine,
    nearest_duration,
    read_quantity,
    read_quoted,
)
from services.stager.language.logic import check_logic
from services.stager.language.never import hyphenated, warn_of_kind
from services.stager.language.problem import Problem, has_errors, in_order
from services.stager.language.scope import ASK_EXISTS, NOTHINGS, Scope, Unknown, resolve
from shared.document.nodes import Severity

# Quoted texts and names come first, so that what looks like a date inside them is none.
_BARE_DATE = re.compile(r"""(?:"[^"]*"|'[^']*'|`[^`]*`)|(?<![\w.-])([12][0-9]{3}-[01][0-9]-[0-3][0-9])(?![\w.-])""")

_AS_CONDITIONS = {
    Kind.NUMBER: ": compare it, as in `{0} >= 1`", Kind.TIME: ": ask whether it is there, as in `exists({0})`",
}  # fmt: skip

_OPERATORS: dict[str, Operator] = {"+": "+", "-": "-", "*": "*", "/": "/"}


def check_truth(text: str, scope: Scope) -> tuple[Expression | None, list[Problem]]:
    """The condition that a text says, or None with what is wrong with it, in order of place."""
    parsed, checker = parse(text), Checker(text, scope)
    expression = None
    if parsed.is_whole:
        (tree,) = parsed.trees
        expression = checker.truth(tree)
    else:
        for tree in parsed.trees:
            checker.value(tree)  # whether a part is a condition shows only where all of them can be read
    problems = in_order(_with_dates([*parsed.problems, *checker.problems], tuple(_bare_dates(text))))
    return (None if has_errors(problems) else expression), problems


def _with_dates(problems: Sequence[Problem], dates: Sequence[Problem]) -> Iterator[Problem]:
    """All of these; but what else is wrong with a date that is arithmetic only follows from that."""
    places = {(date.offset, date.text) for date in dates}
    wrong = {(problem.offset, problem.text) for problem in problems if problem.severity == "error"}
    yield from (problem for problem in problems if (problem.offset, problem.text) not in places)
    for date in dates:
        yield replace(date, severity="error") if (date.offset, date.text) in wrong else date


def _bare_dates(text: str) -> Iterator[Problem]:
    """A warning for each date that stands there as arithmetic."""
    for found in _BARE_DATE.finditer(text):
        if found[1]:
            message = f'`{found[1]}` is a subtraction here; a date is written `date("{found[1]}")`'
            yield Problem(found.start(), found[1], message, severity="warning")


def check_name(text: str, scope: Scope) -> tuple[Expression | None, list[Problem]]:
    """The metric or trait that a text names and nothing more, or None with what is wrong with it."""
    parsed, checker = parse(text), Checker(text, scope)
    found = None
    if parsed.is_whole:
        (tree,) = parsed.trees
        if tree.data == "name" and checker.said(tree) == text.strip():
            found = checker.name(tree)
        else:
            checker.report(tree, "a metric or a trait is expected here, as in `orders` or `traits.plan`")
    problems = in_order([*parsed.problems, *checker.problems])
    return (None if has_errors(problems) else found), problems


class Checker:
    """One walk over one tree. Its depth follows parentheses and calls, which the grammar bounds."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.problems: list[Problem] = []
        self.scope = scope
        self._text = text

    def report(self, part: Part, message: str, *, suggestion: str | None = None, severity: Severity = "error") -> None:
        """Add a problem with this part of the text."""
        start, end = span(part)
        self.problems.append(Problem(start, self._text[start:end], message, suggestion, severity=severity))

    def suggest(self, part: Part, suggestion: str) -> None:
        """Say what was meant by a part that has been reported, where nothing was near."""
        start, _ = span(part)
        self.problems = [
            replace(problem, suggestion=problem.suggestion or suggestion) if problem.offset == start else problem
            for problem in self.problems
        ]

    def said(self, part: Part) -> str:
        """The part as it was written."""
        start, end = span(part)
        return self._text[start:end]

    def truth(self, part: Part) -> Expression | None:
        """The node of a part of which a truth is wanted."""
        node = self.still(part)
        if node is None:
            return None
        if may_be(node.kind, Kind.FLAG):
            warn_of_kind(self, part, node, Kind.FLAG)
            return node
        message = f"a condition is expected here (something true or false), but this is {SAID[node.kind]}"
        example = _AS_CONDITIONS.get(node.kind, "") if isinstance(node, MetricValue) else ""
        self.report(part, message + example.format(self.said(part)))
        return None

    def still(self, part: Part) -> Expression | None:
        """The node of a part that may not be a duration which moves with time."""
        node = self.value(part)
        if not isinstance(node, Since | InStage):
            return node
        self.report(part, f"`{self.said(part)}` moves with time: it may only be compared with a duration such as `90d`")
        return None

    def value(self, part: Part) -> Expression | None:
        """The node of any part, or None when something in it is wrong (and has been reported)."""
        assert isinstance(part, Tree), "every value is a rule of the grammar"
        return _RULES[str(part.data)](self, part)

    def negation(self, tree: Tree[Token]) -> Expression | None:
        """`not`, once or twice: three in a row are one."""
        node = self.truth(tree.children[-1])
        for _ in range(_odd_or_even(len(tree.children) - 1)):
            node = Not(node) if node is not None else None
        return node

    def chain(self, tree: Tree[Token]) -> Expression | None:
        """`a + b - c` or `a * b / c`, from left to right."""
        if (name := self._hyphenated_trait(tree)) is not None:
            self.report(tree, f"this is a subtraction; a name with a hyphen stands in backquotes: {name}")
            return None
        node = self.still(tree.children[0])
        for place in range(1, len(tree.children), 2):
            right = self.still(tree.children[place + 1])
            if node is None or right is None:
                node = None
                continue
            node = self._arithmetic(tree.children[place], left=node, right=right)
        return node

    def _hyphenated_trait(self, tree: Tree[Token]) -> str | None:
        """How the trait is written that this looks like, where what stands behind a hyphen is no name by itself."""
        said, names = self.said(tree), [part for part in tree.children[2::2] if _is_name(part)]
        if not said.startswith("traits.") or not any(isinstance(self._found(name), Unknown) for name in names):
            return None
        return hyphenated(said)

    def _arithmetic(self, sign: Part, *, left: Expression, right: Expression) -> Expression | None:
        operator = _OPERATORS[str(sign)]
        kind = arithmetic_kind(operator, left=left.kind, right=right.kind)
        if kind is None:
            self.report(sign, f"`{operator}` does not work between {SAID[left.kind]} and {SAID[right.kind]}")
            return None
        if isinstance(left, Constant) and isinstance(right, Constant):
            worked_out = combine(operator, left, right, kind=kind)
            if worked_out is not None:
                return worked_out
        step = Step(operator, right, kind)
        if isinstance(left, Arithmetic):
            return Arithmetic(left.first, (*left.steps, step))
        return Arithmetic(left, (step,))

    def negative(self, tree: Tree[Token]) -> Expression | None:
        """Unary minus, once or twice: three in a row are one."""
        node = self.still(tree.children[-1])
        if node is None:
            return None
        kind = negated_kind(node.kind)
        if kind is None:
            self.report(tree, f"a minus does not work before {SAID[node.kind]}")
            return None
        for _ in range(_odd_or_even(len(tree.children) - 1)):
            node = _negated(node, kind)
        return node

    def quantity(self, tree: Tree[Token]) -> Expression | None:
        """A number or a duration."""
        warn_of_thousands(self, tree)
        return self._read(tree, read_quantity)

    def text(self, tree: Tree[Token]) -> Expression | None:
        """A text in quotes."""
        return self._read(tree, lambda written: Constant(read_quoted(written), Kind.TEXT))

    def _read(self, tree: Tree[Token], read: Callable[[str], Constant]) -> Constant | None:
        written = str(tree.children[0])
        try:
            return read(written)
        except Unreadable as error:
            meant = nearest_duration(written) if tree.data == "quantity" and not written.isdigit() else None
            self.report(tree, str(error), suggestion=meant if meant != written else None)
            return None

    def flag(self, tree: Tree[Token]) -> Expression:
        """`true` or `false`."""
        return Constant(tree.data == "true", Kind.FLAG)

    def name(self, tree: Tree[Token]) -> Expression | None:
        """A metric, a trait or a property."""
        found, tokens = self._found(tree), [str(token) for token in tree.children]
        if isinstance(found, Unknown):
            self.report(tree, found.message, suggestion=found.suggestion)
            return None
        if isinstance(found, PropertyValue) and tokens[0] in NOTHINGS and len(tokens) == 1:
            message = f"`{tokens[0]}` is a property's name here; {ASK_EXISTS}, and put a property's name in backquotes"
            self.report(tree, message, severity="warning")
        elif isinstance(found, PropertyValue):
            warn_of_holder(self, tree, tokens)
        return found

    def _found(self, name: Tree[Token]) -> Expression | Unknown:
        tokens = [str(token) for token in name.children]
        quoted = frozenset(place for place, token in enumerate(tokens) if token.startswith("`"))
        return resolve([token.strip("`") for token in tokens], self.scope, quoted=quoted)


_RULES: dict[str, Callable[[Checker, Tree[Token]], Expression | None]] = {
    "either": check_logic,
    "both": check_logic,
    "negation": Checker.negation,
    "compare": check_comparison,
    "member": check_membership,
    "not_member": check_membership,
    "sum": Checker.chain,
    "product": Checker.chain,
    "negative": Checker.negative,
    "quantity": Checker.quantity,
    "text": Checker.text,
    "true": Checker.flag,
    "false": Checker.flag,
    "name": Checker.name,
    "call": check_call,
}


def _is_name(part: Part) -> TypeGuard[Tree[Token]]:
    return isinstance(part, Tree) and part.data == "name"


def _negated(node: Expression, kind: Kind) -> Expression:
    if isinstance(node, Constant) and not isinstance(node.value, str):
        return Constant(-node.value, kind)
    return Negate(node, kind)


def _odd_or_even(times: int) -> int:
    """1 or 2 (0 for none): a third `not` or minus undoes the second exactly, also where something is missing."""
    return 2 - times % 2 if times else 0
