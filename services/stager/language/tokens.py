"""The tokens of an expression, with the meant one in place of each that is plainly mistaken (LANGUAGE.md 3).

Promise: what is put right is reported, so that whatever else is wrong can be found behind it. Must not know types or
the names of a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from lark import Token

from services.stager.language.literals import nearest_duration
from services.stager.language.problem import Problem
from services.stager.language.scope import NOTHINGS
from shared.document.nodes import nearest

NESTED_MAX = 20  # LANGUAGE.md 3
ASK_TEXT = "texts are searched with `contains(x, y)`, `starts_with(x, y)` or `ends_with(x, y)`"
MISSING_OPERATOR = "an operator (`and`, `or`, `==`, `+` ..) is missing"

OPENS_VALUE = frozenset({"QUANTITY", "TEXT", "TRUE", "FALSE", "NAME", "QUOTED", "LPAR", "NOT"})
CLOSES_VALUE = frozenset({"QUANTITY", "TEXT", "TRUE", "FALSE", "NAME", "QUOTED", "RPAR", "RSQB"})

_MEANT = {
    "=": "==", "===": "==", "!==": "!=", "=>": ">=", "=<": "<=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!=",
    "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "–": "-", "—": "-", "−": "-", "×": "*", "·": "*",
    "÷": "/", "is": "==", "equals": "==", "is not": "!=",
}  # fmt: skip
NO_NAME = "NO_NAME"  # a type that fits nowhere
_TYPES = {"and": "AND", "or": "OR", "not": "NOT", "in": "IN", "-": "MINUS", "*": "TIMES", "/": "OVER"}
_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4})?")
_RUN_MAX = 12  # `1 week 2 days 3 hours 4 minutes 5 seconds 6 ms`


@dataclass(slots=True)
class Tokens:
    """What was read: the tokens, and what had to be put right. `is_cut`: the text goes on, but nobody knows how."""

    text: str
    read: list[Token] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mended: set[int] = field(default_factory=set)
    is_cut: bool = False

    def mend(self, given: Sequence[Token], value: str, message: str, *, type_: str, suggestion: str | None) -> Token:
        """Report these tokens, and give the one that was meant in their place."""
        start, end = given[0].start_pos or 0, given[-1].end_pos or 0
        self.problems.append(Problem(start, self.text[start:end], message, suggestion, is_syntax=True))
        self.mended.add(start)
        return Token(type_, value, start_pos=start, end_pos=end)

    def cut(self, token: Token, message: str) -> None:
        """Report what ends the reading."""
        self.problems.append(Problem(token.start_pos or 0, str(token), message, is_syntax=True))
        self.is_cut = True


def read_tokens(text: str, lexed: Iterable[Token]) -> Tokens:
    """The tokens of a text, of which `lexed` are those that the grammar knows."""
    tokens = Tokens(text)
    depth = 0
    for token in lexed:
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        if depth > NESTED_MAX:
            tokens.cut(token, f"more than {NESTED_MAX} parentheses or calls inside one another")
        elif token.type == "OTHER":
            tokens.cut(token, _no_token(token, tokens.read[-1] if tokens.read else None))
        elif (meant := _mend_sign(tokens, token)) is not None:
            tokens.read.append(meant)
        if tokens.is_cut:
            break
    tokens.read = _mend_words(tokens)
    return tokens


def _no_token(sign: Token, previous: Token | None) -> str:
    if sign in ('"', "'", "`"):
        return f"a {sign} is opened here and never closed on its line"
    if sign in "“”„‘’‚«»":
        return f'`{sign}` is a typographic quote; a text stands in straight ones, as in `"pro"`'
    if sign == "~":
        return f"`~` is no operator: {ASK_TEXT}"
    if sign == "%" and previous is not None and previous.end_pos == sign.start_pos and _PERCENT.fullmatch(previous):
        return f"a percentage is written as a decimal: `{Decimal(previous) / 100:f}`"
    return f"`{sign}` has no meaning here"


def _mend_sign(tokens: Tokens, token: Token) -> Token | None:
    """The token that is meant by this one; None for what takes room and is nothing."""
    if token.type in ("SIGN", "DOUBLED"):
        meant = _MEANT[token]
        message = f"`{token}` is no minus sign" if meant == "-" else f"`{token}` is no operator here"
        return tokens.mend([token], meant, message, type_=_TYPES.get(meant, "COMPARE"), suggestion=meant)
    if token.type == "CURLY":
        meant = json.dumps(token[1:-1], ensure_ascii=False)
        return tokens.mend([token], meant, "a text stands in straight quotes", type_="TEXT", suggestion=meant)
    if token.type == "UNSEEN":
        named = ", ".join(f"U+{ord(character):04X}" for character in token)
        tokens.mend(
            [token], "", f"an unusual blank stands here ({named}); write a plain one", type_="", suggestion=None
        )
        return None
    if token.type == "EMPTY":
        return tokens.mend([token], token, "a name is missing between the backquotes", type_=NO_NAME, suggestion=None)
    if token.type == "DOLLAR" or (token.type == "NAME" and not token.isascii()):
        signs = "`$`" if token.type == "DOLLAR" else "letters beyond A to Z"
        message = f"a name with {signs} stands in backquotes: `{token}`"
        return tokens.mend([token], f"`{token}`", message, type_="QUOTED", suggestion=None)
    return token


def _mend_words(tokens: Tokens) -> list[Token]:
    """Two values never stand side by side: where they do, a word may be an operator, or two may be one duration."""
    given, found, at = tokens.read, list[Token](), 0
    while at < len(given):
        is_after_value = bool(found) and found[-1].type in CLOSES_VALUE
        mended, length = None, 1
        if given[at].type == "QUANTITY":
            mended, length = _duration(tokens, at)
        elif given[at].type == "NAME" and (is_after_value or _is_not(given, at)):
            mended, length = _operator(tokens, at)
        found.append(mended or given[at])
        at += length
    return found


def _is_not(given: Sequence[Token], at: int) -> bool:
    return given[at].lower() == "not" and at + 1 < len(given) and given[at + 1].type in OPENS_VALUE


def _duration(tokens: Tokens, at: int) -> tuple[Token | None, int]:
    """`90 days` or `1h 30m` as the one duration that it says, and of how many tokens."""
    run = 1
    while run < _RUN_MAX and at + run < len(tokens.read) and tokens.read[at + run].type in ("QUANTITY", "NAME"):
        run += 1
    for length in range(run, 1, -1):
        given = tokens.read[at : at + length]
        meant = nearest_duration(" ".join(given))
        if meant is not None:
            message = "a duration is written without blanks and with the units ms, s, m, h, d and w"
            return tokens.mend(given, meant, message, type_="QUANTITY", suggestion=meant), length
    return None, 1


def _operator(tokens: Tokens, at: int) -> tuple[Token | None, int]:
    """The operator that a word in its place says, and of how many tokens."""
    given = tokens.read[at]
    word, after = given.lower(), tokens.read[at + 1 :]
    if word in _TYPES:
        message = f"`{given}` is not known; keywords are in lower case"
        return tokens.mend([given], word, message, type_=_TYPES[word], suggestion=word), 1
    if word == "is" and after and after[0].type == "NOT":
        word, length = "is not", 2
    else:
        length = 1
    if after[length - 1 : length] and after[length - 1].lower() in NOTHINGS:
        return None, 1
    if word in _MEANT:
        meant, said = _MEANT[word], tokens.read[at : at + length]
        message = f"`{' '.join(said)}` is no operator here"
        return tokens.mend(said, meant, message, type_="COMPARE", suggestion=meant), length
    known = ("and", "or", "in") if after and after[0].type == "LSQB" else ("and", "or")
    near = nearest(word, known) if len(word) > 1 else None
    if near is None:
        return None, 1
    message = f"{MISSING_OPERATOR} between `{tokens.read[at - 1]}` and `{given}`"
    return tokens.mend([given], near, message, type_=_TYPES[near], suggestion=near), 1
