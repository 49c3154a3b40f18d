"""What to say of a token that does not fit where it stands, or of an expression that ends too early."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from services.stager.language.literals import NO_CALENDAR_SPAN, is_calendar_span
from services.stager.language.problem import Problem
from services.stager.language.scope import ASK_EXISTS, EXAMPLES, NOTHINGS
from services.stager.language.tokens import CLOSES_VALUE, MISSING_OPERATOR, OPENS_VALUE

KEYWORDS = ("and", "or", "not", "in", "true", "false")


def misfit(tokens: Sequence[Token], at: int, *, begin: int) -> Problem:
    """Why the token at this place does not fit, in a part of the expression that begins at `begin`."""
    token, previous = tokens[at], tokens[at - 1] if at else None
    if previous is None or previous.type not in CLOSES_VALUE:
        return _value_expected(token, previous)
    if token.type in ("COMPARE", "IN", "NOT"):
        if any(other.type in ("COMPARE", "IN") for other in tokens[begin:at]):
            return _wrong(token, "comparisons are not chained: join two of them with `and`")
        return _wrong(token, f"`{token}` does not fit here; an operator is missing before it")
    if token.type in OPENS_VALUE:
        return _operator_expected(tokens, at)
    if token.type == "RPAR":
        return _wrong(token, "this `)` closes nothing")
    if token.type == "LSQB":
        return _wrong(token, "a list stands only after `in` or `not in`")
    if token.type == "COMMA" and previous.type == "QUANTITY":
        return _wrong(token, "a number is written without commas, as in `1000` or `1_000`")
    return _wrong(token, f"`{token}` does not fit here")


def _value_expected(token: Token, previous: Token | None) -> Problem:
    place = f"after `{previous}`" if previous is not None else "at the beginning"
    if previous is not None and previous.type == "IN":
        return _wrong(token, 'after `in` comes a list in square brackets, as in `plan in ["pro", "team"]`')
    if previous is not None and previous.type == "DOT":
        return _wrong(token, f"a name is expected after the dot; `{token}` must stand in backquotes to be one")
    if token.type == "LSQB":
        return _wrong(token, "a list stands only after `in` or `not in`")
    if token.type == "NOT":
        return _wrong(token, f"`not` after `{previous}` stands in parentheses: `(not ..)`")
    if token in KEYWORDS:
        return _wrong(token, f"a value is expected {place}; a name that is a keyword stands in backquotes")
    return _wrong(token, f"a value is expected {place}, not `{token}`")


def _operator_expected(tokens: Sequence[Token], at: int) -> Problem:
    previous, given = tokens[at - 1], tokens[at]
    after = next((other for other in tokens[at + 1 :] if other.type != "NOT"), None)
    for word in (given, previous):
        if word.type == "NAME" and word in EXAMPLES:
            return _wrong(word, f"`{word}` is a function: write `{EXAMPLES[word]}`")
    if after is not None and f"{given}_{after}" in EXAMPLES:
        return _wrong(given, f"this is a function: write `{EXAMPLES[f'{given}_{after}']}`")
    if given == "is" and after is not None and after.lower() in NOTHINGS:
        return _wrong(given, ASK_EXISTS)
    if given == "between":
        return _wrong(given, "`between` is no operator: write `n >= 1 and n <= 3`")
    if is_calendar_span(f"{previous} {given}"):
        return _wrong(given, NO_CALENDAR_SPAN)
    message = f"{MISSING_OPERATOR} between `{previous}` and `{given}`"
    return _wrong(given, message + _with_blank(tokens, at))


def _with_blank(tokens: Sequence[Token], at: int) -> str:
    """A name with a blank in it is taken for several; what follows one is never a value."""
    begin, end = at - 1, at
    while end < len(tokens) and tokens[end].type == "NAME":
        end += 1
    has_value_after = end < len(tokens) and tokens[end].type in OPENS_VALUE - {"NOT"}
    if tokens[begin].type != "NAME" or begin == end - 1 or has_value_after:
        return ""
    while begin > 1 and tokens[begin - 1].type == "DOT":
        begin -= 2
    path = "".join(tokens[begin : at - 1])
    return f"; a name with a blank stands in backquotes: {path}`{' '.join(tokens[at - 1 : end])}`"


def ends_early(text: str, tokens: Sequence[Token]) -> Problem:
    """Why the expression cannot end where it ends."""
    if not tokens:
        return Problem(0, "", "an expression is expected here", is_syntax=True)
    last, end, opened = tokens[-1], len(text.rstrip()), _still_open(tokens)
    if last.type not in CLOSES_VALUE:
        message = f"the expression ends too early: something is missing after `{last}`"
        return Problem(end, "", message, is_syntax=True)
    if opened:
        closing = ")" if opened[-1].type == "LPAR" else "]"
        return _wrong(opened[-1], f"this `{opened[-1]}` is never closed: a `{closing}` is missing")
    return Problem(end, "", "the expression ends too early", is_syntax=True)


def _still_open(tokens: Sequence[Token]) -> list[Token]:
    opened: list[Token] = []
    for token in tokens:
        if token.type in ("LPAR", "LSQB"):
            opened.append(token)
        elif token.type in ("RPAR", "RSQB") and opened:
            opened.pop()
    return opened


def _wrong(token: Token, message: str) -> Problem:
    return Problem(token.start_pos or 0, str(token), message, is_syntax=True)
