"""What the parser stumbled over, said the way people need it, and the row on which to go on."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from shared.document.builder import Builder
from shared.document.draft import Draft
from shared.document.nodes import Fault, Scalar

FLOW_HINT = (
    "inside {...} and [...] YAML itself claims commas and brackets: a text that holds them "
    'must stand on a line of its own or in quotes, as `where: contains(tags, "b")` must'
)
IN_QUOTES = "put the whole of it in quotes"

_HINTS = (
    ("mapping values are not allowed", "a `:` is not expected here; check the indentation, or put the text in quotes"),
    ("'\\t' that cannot start", "a tab cannot indent a line; use spaces"),
    ("cannot start any token", "a text that begins with this character must stand in quotes"),
    ("sequence entries are not allowed", "a text that begins with `- ` must stand in quotes"),
    ("mapping keys are not allowed", "a text that begins with `? ` must stand in quotes"),
    ("found unexpected end of stream", "a quote is opened here and never closed"),
    ("unknown escape character", "this escape is unknown; in double quotes a backslash is written `\\\\`"),
    ("block scalar", "a text that begins with `>` or `|` must stand in quotes"),
    ("expected '<document start>'", "what stands before this line is no `key: value`"),
    ("could not find expected ':'", "a `:` is missing after this key"),
    ("expected <block end>", "this line is not indented like the lines before it"),
)
_NAME = re.compile(r"[A-Za-z_]+")
_WORDS = re.compile(r"[ ]*(?:- +)*[A-Za-z_][^:]*")
_TIGHT = re.compile(r"[ ]*(?:- +)*[A-Za-z_]+:(?=\S)")
_SIGN = re.compile(r"[:-]\s+([&*!])")
_DOUBLE = '"'
_COMMENT = re.compile(r"\s#")


class Stumble(NamedTuple):
    """A fault of syntax, and the row of the draft to mend. `in_value`: what stands after the row's key is wrong."""

    fault: Fault
    row: int
    in_value: bool = True
    is_tab: bool = False
    may_follow: bool = False  # from what was mended before: it is not reported


def stumble_of(draft: Draft, builder: Builder, error: YAMLError) -> Stumble:
    """What is wrong where the parser gave up."""
    if isinstance(error, ReaderError):
        message = f"the character U+{error.character:04X} may not stand in a YAML file"
        return Stumble(draft.source.fault(draft.place_of(error.position), message), draft.row_of(error.position))
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if mark is None or not isinstance(error, MarkedYAMLError):
        return Stumble(draft.source.fault(builder.at, f"this is not YAML: {error}"), 0, in_value=False)
    said = f"{error.context or ''} {error.problem or ''}".strip()
    place = _Place(draft, builder, mark, error.context_mark)
    return place.quoted(said) or place.flow(said) or place.line(said)


class _Place:
    """Where the parser gave up: `mark`, and `context` where what it was reading began."""

    def __init__(self, draft: Draft, builder: Builder, mark: Any, context: Any) -> None:
        self._draft, self._builder, self._mark, self._context = draft, builder, mark, context
        self._row = draft.row_of(mark.index)
        self._found = draft.text[mark.index : mark.index + 1].strip()
        self._before = draft.line(self._row)[: mark.column]

    def _stumble(self, index: int, message: str, *, row: int, in_value: bool = True) -> Stumble:
        """`index` is one of the draft's text; nothing is shown where no text is any more."""
        index = min(index, len(self._draft.text.rstrip()))
        text = self._draft.text[index : index + 1].strip()
        fault = self._draft.source.fault(self._draft.place_of(index), message, text=text)
        return Stumble(fault, row, in_value)

    def quoted(self, said: str) -> Stumble | None:
        """A quote that is never closed, or closed where its writer did not mean it to be."""
        if "quoted scalar" in said and self._context is not None:
            mark = self._context if "unexpected" in said else self._mark
            return self._stumble(mark.index, _hint(said), row=self._draft.row_of(self._context.index))
        last = self._builder.last
        if not isinstance(last, Scalar) or last.style not in ("'", '"'):
            return None
        after = self._draft.place(self._mark)
        if last.source.text[last.end : after].strip() not in ("", ">", "|"):
            return None
        opened = last.source.fault(last.start, "", text=last.source.text[last.start])
        here = last.source.fault(after, "")
        flow = self._builder.flow_start
        if opened.line == here.line and last.source.text[last.end : last.end + 1].isalnum():
            inner, outer = ("single", "double") if last.style == '"' else ("double", "single")
            message = f"the text ends at this quote; inside {outer} quotes write {inner} ones"
            row = self._row if flow is None else self._draft.row_of(flow.index)
            return Stumble(last.source.fault(last.end - 1, message, text=last.style), row)
        if opened.line == here.line and flow is not None:
            return None
        if opened.line == here.line:
            message = f"after a closing quote the text must end; {IN_QUOTES}"
            after = last.end + len(last.source.text[last.end :]) - len(last.source.text[last.end :].lstrip(" \t"))
            text = last.source.text[after]
            return Stumble(last.source.fault(after, message, text=text), self._row)
        message = f"a quote is opened here and closed only in line {here.line}"
        row = self._row - (here.line - opened.line)
        return Stumble(last.source.fault(last.start, message, text=opened.text), row)

    def flow(self, said: str) -> Stumble | None:
        """Something within `{...}` or `[...]`, or one of these that is never closed, or closed twice."""
        is_end = "expected <block end>" in said
        if is_end and self._found in ("}", "]"):
            return self._stumble(self._mark.index, f"this `{self._found}` closes nothing", row=self._row)
        if is_end and self._before.rstrip().endswith(("}", "]")) and self._before.strip():
            message = f"after a closing bracket the text must end; {IN_QUOTES}"
            return self._stumble(self._mark.index, message, row=self._row)
        if "parsing a flow" not in said:
            return None
        start = self._builder.flow_start or self._context
        opened = self._context if "flow node" not in said else start
        if self._is_outside(opened, start):
            is_cut = _COMMENT.search(self._draft.line(self._draft.row_of(opened.index)))
            why = " (` #` begins a comment: put the text in quotes)" if is_cut else ""
            message = f"this `{self._draft.text[opened.index]}` is never closed{why}"
            return self._stumble(opened.index, message, row=self._draft.row_of(start.index))
        key = _key_without_comma(self._before) if said.endswith("got ':'") else None
        if key is not None:
            message = f"a comma is missing before `{key}`"
        elif said.endswith("got ':'"):
            message = "a text with `: ` in it must stand in quotes"
        else:
            message = FLOW_HINT
        return self._stumble(self._mark.index, message, row=self._draft.row_of(start.index))

    def _is_outside(self, opened: Any, start: Any) -> bool:
        """Whether the parser has run on into rows that do not belong to the bracket."""
        row = self._draft.row_of(start.index)
        closed_by_other = self._found in ("}", "]") and self._before.count('"') % 2 == 0
        if closed_by_other or self._row == self._draft.row_of(opened.index):
            return closed_by_other and self._row == row
        indent, own = self._draft.indent_of(row), self._draft.indent_of(self._row)
        return own is None or (indent is not None and own <= indent)

    def _way_around(self) -> str:
        """How a value can be written that has opened quotes and not closed them; empty where it has opened none."""
        if all(self._before.count(sign) % 2 == 0 for sign in (_DOUBLE, "'")):
            return ""
        if _DOUBLE in self._before and "'" in self._before:
            return "write it on a line of its own, below `>-`"
        return f"put {'single' if _DOUBLE in self._before else 'double'} ones around the whole of it"

    def line(self, said: str) -> Stumble:
        """Anything else: it is in the value of its row, unless it is where the row itself begins."""
        if "scanning an alias" in said:
            message = '`*` must stand in quotes, as in `count: "*"`'
            return self._stumble(self._context.index, message, row=self._row)
        if "simple key" in said:
            return self._stumble(self._context.index, _hint(said), row=self._row, in_value=False)
        above = self._draft.line(self._row - 1) if self._row else ""
        if "<block end>" in said and not self._before.strip() and _COMMENT.search(above):
            message = "the comment in the line above ends its text: put the text in quotes, or leave out the comment"
            return self._stumble(self._mark.index, message, row=self._row - 1)
        tight = _TIGHT.match(above)
        if "mapping values" in said and (tight or _WORDS.fullmatch(above)) and ":" not in self._before:
            below = self._mark.index - self._mark.column
            start = len(self._draft.text[:below].rstrip("\r\n")) - len(above.lstrip(" -"))
            message = "a space is missing after the `:` of this key" if tight else "a `:` is missing after this key"
            return self._stumble(start, message, row=self._row, in_value=False)
        if "mapping values" in said and (way := self._way_around()):
            message = f"a text with `: ` in it must stand in quotes: {way}"
            return self._stumble(self._mark.index, message, row=self._row)
        begins = _SIGN.search(self._before)
        if "block scalar" in said and begins:
            message = f"a text that begins with `{begins[1]}` must stand in quotes"
            return self._stumble(self._mark.index - len(self._before) + begins.start(1), message, row=self._row)
        in_value = ":" in self._before or "- " in self._before
        stumble = self._stumble(self._mark.index, _hint(said), row=self._row, in_value=in_value)
        return stumble._replace(is_tab="'\\t' that cannot start" in said)


def _hint(said: str) -> str:
    return next((hint for part, hint in _HINTS if part in said), f"this is not YAML ({said})")


def _key_without_comma(before: str) -> str | None:
    """The word at the end, where others of the same item stand before it: a comma is missing between them."""
    begin = max(map(before.rfind, ",{[:")) + 1
    words = before[begin:].split()
    is_key = len(words) > 1 and _NAME.fullmatch(words[-1]) and before.endswith(words[-1])
    return words[-1] if is_key else None
