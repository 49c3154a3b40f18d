"""The grammar of expressions (LANGUAGE.md 3): text in, Lark's tree or one `Problem` out. Must not know types or names.

The parser is built when first asked for, once a process; LALR, so its time is linear and its stack its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken

from shared.document import Severity, nearest

EXPRESSION_CHARACTERS_MAX = 2_000  # LANGUAGE.md 3
NESTED_MAX = 20  # LANGUAGE.md 3

KEYWORDS = ("and", "or", "not", "in", "true", "false")

# WRONG and OTHER are in the grammar only so that the lexer knows them; `_tokens` lets neither through.
_GRAMMAR = r"""
?start: either | WRONG | OTHER
?either: both ("or" both)*
?both: negation ("and" negation)*
?negation: NOT+ comparison -> negation
    | comparison
?comparison: sum COMPARE sum -> compare
    | sum IN list -> member
    | sum NOT IN list -> not_member
    | sum
list: "[" either ("," either)* "]"
?sum: product ((PLUS | MINUS) product)*
?product: unary ((TIMES | OVER) unary)*
?unary: MINUS+ atom -> negative
    | atom
?atom: QUANTITY -> quantity
    | TEXT -> text
    | TRUE -> true
    | FALSE -> false
    | part ("." part)* -> name
    | NAME "(" [either ("," either)*] ")" -> call
    | "(" either ")"
?part: NAME | QUOTED

COMPARE: "==" | "!=" | "<=" | ">=" | "<" | ">"
WRONG.2: "===" | "!==" | "=>" | "=<" | "<>" | "&&" | "||"
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
NOT: "not"
IN: "in"
TRUE: "true"
FALSE: "false"
QUANTITY: /[0-9]\w*(\.[0-9]\w*)?/
NAME: /[^\W\d]\w*/
TEXT: /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/
QUOTED: /`[^`\n]+`/
OTHER.-1: /./s
%ignore /[ \t\r\n]+/
"""

_INSTEAD = {
    "=": "==", "===": "==", "!==": "!=", "=>": ">=", "=<": "<=", "<>": "!=", "&&": "and", "&": "and", "||": "or",
    "|": "or", "!": "not",
}  # fmt: skip
# Each function's name, as it is written.
EXAMPLES = {
    "since": "since(last_order)", "time_to": "time_to(traits.renews_at)", "in_stage": "in_stage()",
    "entered": "entered()", "if": "if(orders > 3, 10, 5)", "exists": "exists(traits.email)",
    "date": 'date("2026-01-31")', "lower": "lower(traits.plan)", "contains": 'contains(traits.tags, "b")',
    "starts_with": 'starts_with(traits.country, "D")', "ends_with": 'ends_with(traits.email, ".org")',
}  # fmt: skip
_OPENS_VALUE = frozenset({"QUANTITY", "TEXT", "TRUE", "FALSE", "NAME", "QUOTED", "LPAR", "NOT"})
_CLOSES_VALUE = frozenset({"QUANTITY", "TEXT", "TRUE", "FALSE", "NAME", "QUOTED", "RPAR", "RSQB"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression: at which character, how much of it, why, and what was perhaps meant."""

    offset: int
    text: str
    message: str
    suggestion: str | None = None
    is_syntax: bool = False
    severity: Severity = "error"


class NotAnExpression(Exception):
    """The text does not follow the grammar."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse(text: str) -> Tree[Token]:
    """The tree of an expression, every node with its place. Errors: NotAnExpression, with the first problem."""
    length = len(text.strip())  # a block scalar brings a line end along
    if length > EXPRESSION_CHARACTERS_MAX:
        message = f"an expression has at most {EXPRESSION_CHARACTERS_MAX:,} characters; this has {length:,}"
        raise _wrong(0, text[:20], message)
    parser = _parser().parse_interactive()
    before: list[Token] = []
    for token in _tokens(text):
        try:
            parser.feed_token(token)
        except UnexpectedToken as error:
            raise _unexpected(token, before) from error
        before.append(token)
    try:
        tree: Tree[Token] = parser.feed_eof(before[-1] if before else None)  # type: ignore[no-untyped-call]
    except UnexpectedToken as error:
        raise _ends_early(text, before) from error
    return tree


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=False)


def _tokens(text: str) -> Iterator[Token]:
    """The tokens of a text. Errors: NotAnExpression for what is no token, and for too deep a nesting."""
    depth = 0
    for token in _parser().lex(text):
        if token.type in ("WRONG", "OTHER") or (token.type == "NAME" and not token.isascii()):
            raise NotAnExpression(_no_token(token))
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        if depth > NESTED_MAX:
            raise _wrong_at(token, f"more than {NESTED_MAX} parentheses or calls inside one another")
        yield token


def _no_token(token: Token) -> Problem:
    suggestion = _INSTEAD.get(token)
    if suggestion is not None:
        message = f"`{token}` is no operator here"
    elif token in ('"', "'", "`"):
        message = f"a {token} is opened here and never closed on its line"
    elif token.type == "NAME":
        message = f"a name with letters beyond A to Z stands in backquotes: `{token}`"
    else:
        message = f"`{token}` has no meaning here"
    return Problem(token.start_pos or 0, str(token), message, suggestion, is_syntax=True)


def _unexpected(token: Token, before: Sequence[Token]) -> NotAnExpression:
    previous = before[-1] if before else None
    if previous is None or previous.type not in _CLOSES_VALUE:
        return _value_expected(token, previous)
    if token.type in ("COMPARE", "IN", "NOT"):
        if any(other.type in ("COMPARE", "IN") for other in before):
            return _wrong_at(token, "comparisons are not chained: join two of them with `and`")
        return _wrong_at(token, f"`{token}` does not fit here; an operator is missing before it")
    if token.type in _OPENS_VALUE:
        return _operator_expected(token, previous)
    if token.type == "RPAR":
        return _wrong_at(token, "this `)` closes nothing")
    if token.type == "LSQB":
        return _wrong_at(token, "a list stands only after `in` or `not in`")
    if token.type == "COMMA" and previous.type == "QUANTITY":
        return _wrong_at(token, "a number is written without commas, as in `1000` or `1_000`")
    return _wrong_at(token, f"`{token}` does not fit here")


def _value_expected(token: Token, previous: Token | None) -> NotAnExpression:
    place = f"after `{previous}`" if previous is not None else "at the beginning"
    if previous is not None and previous.type == "IN":
        return _wrong_at(token, 'after `in` comes a list in square brackets, as in `plan in ["pro", "team"]`')
    if previous is not None and previous.type == "DOT":
        return _wrong_at(token, f"a name is expected after the dot; `{token}` must stand in backquotes to be one")
    if token.type == "LSQB":
        return _wrong_at(token, "a list stands only after `in` or `not in`")
    if token.type == "NOT":
        return _wrong_at(token, f"`not` after `{previous}` stands in parentheses: `(not ..)`")
    if token in KEYWORDS:
        return _wrong_at(token, f"a value is expected {place}; a name that is a keyword stands in backquotes")
    return _wrong_at(token, f"a value is expected {place}, not `{token}`")


def _operator_expected(token: Token, previous: Token) -> NotAnExpression:
    for word in (token, previous):
        if word.type == "NAME" and word.lower() in KEYWORDS:
            return _wrong_at(word, f"`{word}` is not known; keywords are in lower case", suggestion=word.lower())
        if word.type == "NAME" and word in EXAMPLES:
            return _wrong_at(word, f"`{word}` is a function: write `{EXAMPLES[word]}`")
    if token in ("is", "equals"):
        return _wrong_at(token, f"`{token}` is no operator here", suggestion="==")
    suggestion = nearest(token, ("and", "or", "in")) if token.type == "NAME" else None
    message = f"an operator (`and`, `or`, `==`, `+` ..) is missing between `{previous}` and `{token}`"
    return _wrong_at(token, message, suggestion=suggestion)


def _ends_early(text: str, before: Sequence[Token]) -> NotAnExpression:
    opened = _still_open(before)
    if not before:
        return _wrong(0, "", "an expression is expected here")
    last = before[-1]
    if last.type not in _CLOSES_VALUE:
        return _wrong(len(text), "", f"the expression ends too early: something is missing after `{last}`")
    if opened:
        closing = ")" if opened[-1].type == "LPAR" else "]"
        return _wrong_at(opened[-1], f"this `{opened[-1]}` is never closed: a `{closing}` is missing")
    return _wrong(len(text), "", "the expression ends too early")


def _still_open(tokens: Sequence[Token]) -> list[Token]:
    opened: list[Token] = []
    for token in tokens:
        if token.type in ("LPAR", "LSQB"):
            opened.append(token)
        elif token.type in ("RPAR", "RSQB") and opened:
            opened.pop()
    return opened


def _wrong_at(token: Token, message: str, *, suggestion: str | None = None) -> NotAnExpression:
    return _wrong(token.start_pos or 0, str(token), message, suggestion=suggestion)


def _wrong(offset: int, text: str, message: str, *, suggestion: str | None = None) -> NotAnExpression:
    return NotAnExpression(Problem(offset, text, message, suggestion, is_syntax=True))
