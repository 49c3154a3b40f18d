"""From YAML text to nodes that know their place (`shared/document.py`), or to faults; never to an exception.

Built on ruamel.yaml's events, so that nothing is resolved behind our back: no aliases (a small file could grow without
bound), no tags, no merge keys, no second meaning of a key. Documents before a syntax error are still returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from shared.document import Fault, Faults, Listing, Mapping, Node, Scalar, Source

FILE_CHARACTERS_MAX = 1_000_000  # a hundred times the largest file anybody writes by hand; parses in a few seconds
DEPTH_MAX = 32  # our files need five

FLOW_HINT = (
    "inside {...} and [...] YAML itself claims commas and brackets: a text that holds them "
    'must stand on a line of its own or in quotes, as `where: contains(tags, "b")` must'
)
_HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair: no text on its own, and UTF-8 cannot write it
_HINTS = (
    ("flow ", FLOW_HINT),
    ("mapping values are not allowed", "a `:` is not expected here; check the indentation, or put the text in quotes"),
    ("'\\t' that cannot start", "a tab cannot indent a line; use spaces"),
    ("cannot start any token", "a text that begins with this character must stand in quotes"),
    ("found '<scalar>'", "after a closing quote the text must end; put the whole of it in quotes"),
    ("found unexpected end of stream", "a quote is opened here and never closed"),
    ("block scalar", "a text that begins with `>` or `|` must stand in quotes"),
    ("could not find expected ':'", "a `:` is missing after this key"),
    ("expected <block end>", "this line is not indented like the lines before it"),
)


def read_text(text: str, *, file: str) -> tuple[list[Node], list[Fault]]:
    """The documents of a YAML text, empty ones left out, and what is wrong with it as YAML."""
    whole = _HALF.sub("\ufffd", text.removeprefix("\ufeff"))
    source = Source.of(whole, file=file)
    if half := _HALF.search(text.removeprefix("\ufeff")):
        return [], [source.fault(half.start(), "half a character (a lone surrogate) may not stand in a YAML file")]
    if len(text) > FILE_CHARACTERS_MAX:
        return [], [source.fault(0, f"the file is longer than {FILE_CHARACTERS_MAX:,} characters")]
    builder = _Builder(source)
    try:
        for event in YAML(typ="safe", pure=True).parse(whole):
            builder.take(event)
    except _TooDeep:
        builder.faults.include(source.fault(builder.at, f"more than {DEPTH_MAX} levels inside one another"))
    except YAMLError as error:
        builder.faults.include(_syntax_fault(source, error))
    except (
        ValueError,
        OverflowError,
        RecursionError,
        IndexError,
        AttributeError,
        AssertionError,
        KeyError,
        TypeError,
    ) as error:
        # Some malformed files make the parser itself stumble (a bad escape, a version of no number).
        builder.faults.include(source.fault(builder.at, f"this is not YAML: {error}"))
    return builder.documents, builder.faults.in_order()


class _TooDeep(Exception):
    """More levels than DEPTH_MAX."""


class _Builder:
    """Makes nodes of events with a stack of its own, so that no depth of nesting reaches Python's."""

    def __init__(self, source: Source) -> None:
        self.documents: list[Node] = []
        self.faults = Faults()
        self.at = 0
        self._source = source
        self._open: list[tuple[Any, list[Node]]] = []

    def take(self, event: Any) -> None:
        self.at = event.start_mark.index
        if isinstance(event, DocumentStartEvent):
            self._open.clear()
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._refuse_extras(event)
            if len(self._open) == DEPTH_MAX:
                raise _TooDeep
            self._open.append((event, []))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close(event)
        elif isinstance(event, ScalarEvent):
            self._refuse_extras(event)
            self._place(self._scalar(event))
        elif isinstance(event, AliasEvent):
            self._alias(event)

    def _scalar(self, event: Any) -> Scalar:
        if _HALF.search(event.value):
            self.faults.include(self._source.fault(self.at, "an escape here makes half a character (a lone surrogate)"))
        in_flow = bool(self._open and self._open[-1][0].flow_style)
        value = _HALF.sub("\ufffd", event.value)
        return Scalar(self._source, self.at, event.end_mark.index, value, event.style or "", in_flow)

    def _close(self, event: Any) -> None:
        begun, nodes = self._open.pop()
        start, end = begun.start_mark.index, event.end_mark.index
        if isinstance(event, SequenceEndEvent):
            self._place(Listing(self._source, start, end, tuple(nodes)))
        else:
            self._place(Mapping(self._source, start, end, tuple(self._entries(nodes))))

    def _entries(self, nodes: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.faults.add(key, "a key is a single word")
            elif key.value in seen:
                self.faults.add(key, f"`{key.value}` stands here twice")
            else:
                seen.add(key.value)
                yield key, value

    def _place(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        elif not (isinstance(node, Scalar) and node.meaning is None):
            self.documents.append(node)

    def _alias(self, event: Any) -> None:
        text = f"*{event.anchor}"
        message = "a text that begins with `*` must stand in quotes (YAML's aliases are not used here)"
        self.faults.include(self._source.fault(self.at, message, text=text))
        self._place(Scalar(self._source, self.at, event.end_mark.index, text, '"', in_flow=False))

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            message = "a text that begins with `&` must stand in quotes (YAML's anchors are not used here)"
            self.faults.include(self._source.fault(self.at, message, text=f"&{event.anchor}"))
        if event.tag is not None:
            message = "a text that begins with `!` must stand in quotes (YAML's tags are not used here)"
            self.faults.include(self._source.fault(self.at, message, text="!"))


def _syntax_fault(source: Source, error: YAMLError) -> Fault:
    if isinstance(error, ReaderError):
        return source.fault(error.position, f"the character U+{error.character:04X} may not stand in a YAML file")
    if not isinstance(error, MarkedYAMLError):
        return source.fault(0, f"this is not YAML: {error}")
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and str(error.context).endswith(("quoted scalar", "simple key")):
        mark = error.context_mark  # where it was opened says more than where the file ended
    index = min(mark.index, len(source.text)) if mark is not None else 0
    said = f"{error.context or ''} {error.problem or ''}".strip()
    hint = next((hint for part, hint in _HINTS if part in said), f"this is not YAML ({said})")
    return source.fault(index, hint, text=source.text[index : index + 1].strip())
