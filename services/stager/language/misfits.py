"""What to say of a token that does not fit where it stands, or of an expression that ends too early."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from services.stager.language.literals import NO_CALENDAR_SPAN, is_calendar_span
from services.stager.language.problem import Problem
from services.stager.language.scope import ASK_EXISTS, EXAMPLES, NOTHINGS
from services.stager.language.tokens import ASK_TEXT, CLOSES_VALUE, MISSING_OPERATOR, OPENS_VALUE

_METHODS = {
    "startswith": "starts_with", "endswith": "ends_with", "contains": "contains", "includes": "contains",
    "lower": "lower", "tolower": "lower", "tolowercase": "lower", "exists": "exists",
}  # fmt: skip
_PATTERNS = frozenset({"like", "ilike", "rlike", "match", "matches", "regex", "regexp", "includes"})
_NO_LIST = "a list stands only after `in` or `not in`"
_PICKED = 'no item is picked out of a list; ask `contains(x, "b")` whether it has one'
_NOT_BEFORE = '`not` stands before the whole comparison, as in `not (plan == "a")`; or write `plan != "a"`'
_THOUSAND_DIGITS = 3

KEYWORDS = ("and", "or", "not", "in", "true", "false")


def misfit(tokens: Sequence[Token], at: int, *, begin: int) -> Problem:
    """Why the token at this place does not fit, in a part of the expression that begins at `begin`."""
    token, previous = tokens[at], tokens[at - 1] if at else None
    if previous is None or previous.type not in CLOSES_VALUE:
        return _value_expected(token, previous, is_second=at > 1 and tokens[at - 2].type in CLOSES_VALUE)
    if token.type in ("COMPARE", "IN", "NOT"):
        if any(other.type in ("COMPARE", "IN") for other in tokens[begin:at]):
            return _wrong(token, "comparisons are not chained: join two of them with `and`")
        return _wrong(token, f"`{token}` does not fit here; an operator is missing before it")
    if token.type in OPENS_VALUE:
        return _operator_expected(tokens, at)
    if token.type == "RPAR":
        return _wrong(token, "this `)` closes nothing")
    if token.type == "LSQB":
        return _wrong(token, _PICKED if _touch(previous, token) else _NO_LIST)
    if token.type == "COMMA":
        return _comma(tokens, at)
    return _wrong(token, f"`{token}` does not fit here")


def _comma(tokens: Sequence[Token], at: int) -> Problem:
    """A comma within a number, or between two conditions."""
    previous, comma, after = tokens[at - 1], tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
    if after is None or not (previous.isdecimal() and _touch(previous, comma) and _touch(comma, after)):
        return _wrong(comma, "conditions are joined with `and` or `or`, not with a comma")
    if len(after) == _THOUSAND_DIGITS:
        return _wrong(comma, "a number is written without commas, as in `1000` or `1_000`")
    start, suggestion = previous.start_pos or 0, f"{previous}.{after}" if after.isdecimal() else None
    message = "the decimals of a number begin with a dot"
    return Problem(start, f"{previous},{after}", message, suggestion, is_syntax=True)


def _value_expected(token: Token, previous: Token | None, *, is_second: bool) -> Problem:
    """`is_second`: what stands before the token follows a value, so that the token is meant to join two."""
    place = f"after `{previous}`" if previous is not None else "at the beginning"
    if previous is not None and previous.type == "IN":
        return _wrong(token, 'after `in` comes a list in square brackets, as in `plan in ["pro", "team"]`')
    if previous is not None and previous.type == "DOT":
        return _wrong(token, f"a name is expected after the dot; `{token}` must stand in backquotes to be one")
    if token.type == "LSQB":
        return _wrong(token, _NO_LIST)
    if token.type == "COMPARE" and previous is not None and is_second:
        if previous.type == "NOT":
            return _wrong(token, _NOT_BEFORE)
        if previous.type in ("AND", "OR"):
            return _wrong(token, f"the left side is missing: repeat it, as in `n >= 1 {previous} n < 5`")
    if token.type == "NOT":
        return _wrong(token, f"`not` after `{previous}` stands in parentheses: `(not ..)`")
    if token in KEYWORDS:
        return _wrong(token, f"a value is expected {place}; a name that is a keyword stands in backquotes")
    return _wrong(token, f"a value is expected {place}, not `{token}`")


def _operator_expected(tokens: Sequence[Token], at: int) -> Problem:
    previous, given = tokens[at - 1], tokens[at]
    after = next((other for other in tokens[at + 1 :] if other.type != "NOT"), None)
    if given.type == "LPAR" and (function := _METHODS.get(previous.lower().replace("_", ""))):
        return _wrong(previous, f"what a function looks at stands in its parentheses: write `{EXAMPLES[function]}`")
    if given.lower() in _PATTERNS:
        return _wrong(given, ASK_TEXT)
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
    path, words = "".join(tokens[begin : at - 1]), tokens[at - 1 : end]
    if begin > 1 and not path and tokens[begin - 1].type == "LPAR" and tokens[begin - 2] in ("since", "time_to"):
        name, function = f"last_{'_'.join(words).lower()}", tokens[begin - 2]
        return f"; `{function}` takes a metric: define `{name}: {{last: {' '.join(words)}}}`, then `{function}({name})`"
    return f"; a name with a blank stands in backquotes: {path}`{' '.join(words)}`"


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


def _touch(one: Token, other: Token) -> bool:
    """Whether nothing stands between the two."""
    return one.end_pos == other.start_pos


def _wrong(token: Token, message: str) -> Problem:
    return Problem(token.start_pos or 0, str(token), message, is_syntax=True)
