"""The grammar of expressions (LANGUAGE.md 3): text in, Lark's trees and every `Problem` out. Must not know types.

The parser is built when first asked for, once a process; LALR, so its time is linear and its stack its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken

from services.stager.language.misfits import ends_early, misfit
from services.stager.language.problem import Problem
from services.stager.language.tokens import CLOSES_VALUE, Tokens, read_tokens

EXPRESSION_CHARACTERS_MAX = 2_000  # LANGUAGE.md 3

# What `stray` names is in the grammar only so that the lexer knows it; `read_tokens` lets none of it through.
_GRAMMAR = r"""
?start: either | stray
stray: DOUBLED | SIGN | CURLY | DOLLAR | EMPTY | UNSEEN | OTHER
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
DOUBLED.2: "===" | "!==" | "=>" | "=<" | "<>" | "&&" | "||"
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
SIGN.-1: /[=!&|≥≤≠–—−×·÷]/
CURLY.-1: /[“”„][^“”„"\n]*[“”]|[‘’‚][^‘’‚'\n]*[‘’]/
DOLLAR.-1: /\$[^\W\d]\w*/
EMPTY.-1: "``"
UNSEEN.-1: /[\u00a0\u00ad\u2000-\u200f\u202f\u2060\u3000\ufeff]+/
OTHER.-2: /./s
%ignore /[ \t\r\n]+/
"""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The tree of an expression, or (`is_whole` false) of each of its parts that follow the grammar by themselves.

    The parts are what `and` and `or` join outside of all parentheses. Every node knows its place.
    """

    trees: tuple[Tree[Token], ...]
    problems: tuple[Problem, ...]
    is_whole: bool


def parse(text: str) -> Parsed:
    """What an expression says, as far as it follows the grammar, and each place where it does not."""
    length = len(text.strip())  # a block scalar brings a line end along
    if length > EXPRESSION_CHARACTERS_MAX:
        message = f"an expression has at most {EXPRESSION_CHARACTERS_MAX:,} characters; this has {length:,}"
        return Parsed((), (Problem(0, text[:20], message, is_syntax=True),), is_whole=False)
    tokens = read_tokens(text, _parser().lex(text))
    whole = _parse(tokens, 0, len(tokens.read))
    if not tokens.is_cut and isinstance(whole, Tree):
        return Parsed((whole,), tuple(tokens.problems), is_whole=True)
    parts = [
        _parse(tokens, begin, end)
        for begin, end in _parts(tokens.read)
        if not (tokens.is_cut and end == len(tokens.read))  # what ends the reading has been reported
    ]
    trees = tuple(part for part in parts if isinstance(part, Tree))
    problems = tuple(part for part in parts if isinstance(part, Problem))
    return Parsed(trees, (*tokens.problems, *problems), is_whole=False)


def place_of_call(text: str, functions: Collection[str]) -> tuple[int, str]:
    """Where an expression that follows the grammar first calls one of these functions of nothing, and the call."""
    tokens = list(_parser().lex(text))
    for name, opening, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if name in functions and opening.type == "LPAR":
            return name.start_pos or 0, text[name.start_pos : closing.end_pos]
    return 0, text


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=False)


def _parse(tokens: Tokens, begin: int, end: int) -> Tree[Token] | Problem | None:
    """The tree of these tokens, or the first that is wrong; None where that follows from what has been reported."""
    parser = _parser().parse_interactive()
    at = begin
    try:
        for at in range(begin, end):
            parser.feed_token(tokens.read[at])
        at = end
        tree: Tree[Token] = parser.feed_eof(tokens.read[end - 1] if end > begin else None)  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        if at == len(tokens.read):
            return ends_early(tokens.text, tokens.read)
        return None if _follows(tokens, at, begin=begin) else misfit(tokens.read, at, begin=begin)
    return tree


def _follows(tokens: Tokens, at: int, *, begin: int) -> bool:
    """Whether a misfit only follows from what has been reported: a sign that was exchanged, or `and and`."""
    if any(token.start_pos in tokens.mended for token in tokens.read[max(at - 1, 0) : at + 1]):
        return True
    return at == begin > 0 and (begin == 1 or tokens.read[begin - 2].type not in CLOSES_VALUE)


def _parts(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends."""
    begin = depth = 0
    for at, token in enumerate(tokens):
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB") and depth > 0)
        if depth == 0 and token.type in ("AND", "OR"):
            yield begin, at
            begin = at + 1
    yield begin, len(tokens)
