"""From the parser's events to nodes, one document at a time: with aliases in their places, and no tag unheeded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from shared.document.kind import KINDS, STORY
from shared.document.nodes import Fault, Faults, Listing, Mapping, Node, Scalar, Source

_FIRST_KEYS = (*KINDS, STORY)
DEPTH_MAX = 32  # our files need five
ALIASED_MAX = 10_000  # nodes that aliases repeat: far beyond use, and no small file grows without bound
HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair: no text on its own, and UTF-8 cannot write it

_CORE = "tag:yaml.org,2002:"
_TEXT_TAGS = (f"{_CORE}str", "!")
_PLAIN_TAGS: dict[str, tuple[type, ...]] = {
    f"{_CORE}int": (int,), f"{_CORE}float": (int, float), f"{_CORE}bool": (bool,), f"{_CORE}null": (type(None),),
}  # fmt: skip
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)*")


class TooDeep(Exception):
    """More levels than DEPTH_MAX."""


class Unusable(Exception):
    """YAML, but an alias or a tag that means nothing here; `mark` is where the parser had got to.

    `may_follow`: perhaps only because of a hole before it.
    """

    def __init__(self, fault: Fault, mark: Any, *, may_follow: bool = False) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.mark = mark
        self.may_follow = may_follow


class Builder:
    """Makes nodes of events with a stack of its own, so that no depth of nesting reaches Python's.

    `place` says where in the source a mark of the parser lies. `at` is where the last event began.
    """

    def __init__(self, source: Source, place: Callable[[Any], int]) -> None:
        self.document: Node | None = None
        self.faults = Faults()
        self.at = 0
        self.last: Node | None = None
        self._source = source
        self._place_of = place
        self._open: list[tuple[Any, list[Node]]] = []
        self._anchors: dict[str, Node | None] = {}
        self._aliased = 0

    @property
    def flow_start(self) -> Any:
        """The mark of the outermost bracket that is open, or None."""
        return next((event.start_mark for event, _ in self._open if event.flow_style), None)

    def take(self, event: Any) -> None:
        """Go on by one event. Errors: TooDeep, Unusable."""
        self.at = self._place_of(event.start_mark)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            if event.anchor is not None:
                self._anchors[event.anchor] = None
            self._check_tag(event, fits=event.tag == _CORE + ("map" if isinstance(event, MappingStartEvent) else "seq"))
            if len(self._open) == DEPTH_MAX:
                raise TooDeep
            self._open.append((event, []))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close(event)
        elif isinstance(event, ScalarEvent):
            self._put(self._scalar(event), event.anchor)
        elif isinstance(event, AliasEvent):
            self._alias(event)

    def _scalar(self, event: Any) -> Scalar:
        if HALF.search(event.value):
            self.faults.include(self._source.fault(self.at, "an escape here makes half a character (a lone surrogate)"))
        in_flow = bool(self._open and self._open[-1][0].flow_style)
        value = HALF.sub("\ufffd", event.value)
        start, end = self.at, self._place_of(event.end_mark)
        if event.anchor is not None or event.tag is not None:
            properties = _PROPERTIES.match(self._source.text, start, end)
            start = properties.end() if properties else start
        is_text = event.tag in _TEXT_TAGS
        scalar = Scalar(self._source, start, end, value, event.style or "", in_flow, is_text)
        fits = is_text or (not scalar.style and isinstance(scalar.meaning, _PLAIN_TAGS.get(event.tag, ())))
        self._check_tag(event, fits=fits)
        return scalar

    def _close(self, event: Any) -> None:
        begun, nodes = self._open.pop()
        start, end = self._place_of(begun.start_mark), self._place_of(event.end_mark)
        if isinstance(event, SequenceEndEvent):
            self._put(Listing(self._source, start, end, tuple(nodes)), begun.anchor)
        else:
            self._put(self._mapping(start, end, nodes), begun.anchor)

    def _mapping(self, start: int, end: int, nodes: list[Node]) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        repeated = set()
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.faults.add(key, "a key is a single word")
            elif key.value in entries:
                repeated.add(key.value)
                joined = ": a line `---` is missing before the second document" if self._begins(key) else ""
                self.faults.add(key, f"`{key.value}` stands here twice{joined}")
            else:
                entries[key.value] = (key, value)
        return Mapping(self._source, start, end, tuple(entries.values()), frozenset(repeated))

    def _begins(self, key: Scalar) -> bool:
        """Whether a document begins with this key."""
        return not self._open and key.value in _FIRST_KEYS

    def _put(self, node: Node, anchor: str | None = None) -> None:
        self.last = node
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][1].append(node)
        elif not (isinstance(node, Scalar) and node.meaning is None):
            self.document = node

    def _alias(self, event: Any) -> None:
        """The node again that the alias names; its faults are shown where it stands in full."""
        node = self._anchors.get(event.anchor)
        self._aliased += _size(node) if node is not None else 0
        if node is not None and self._aliased <= ALIASED_MAX:
            self._put(node)
            return
        message = f"there is no `&{event.anchor}` before this alias; a text that begins with `*` must stand in quotes"
        if event.anchor in self._anchors:
            message = "an alias cannot stand within what it names"
        if node is not None:
            message = f"the aliases of this document repeat more than {ALIASED_MAX:,} values"
        fault = self._source.fault(self.at, message, text=f"*{event.anchor}")
        may_follow = bool(self._source.holes) and event.anchor not in self._anchors
        raise Unusable(fault, event.start_mark, may_follow=may_follow)

    def _check_tag(self, event: Any, *, fits: bool) -> None:
        if event.tag is not None and not fits:
            tag = str(event.tag).replace(_CORE, "!!")
            message = f"the tag `{tag}` does not fit here; a text that begins with `!` must stand in quotes"
            raise Unusable(self._source.fault(self.at, message, text="!"), event.start_mark)


def _size(node: Node) -> int:
    """How many nodes it is made of, aliased ones each time; counted no further than matters."""
    count, waiting = 0, [node]
    while waiting and count <= ALIASED_MAX:
        node = waiting.pop()
        count += 1
        if isinstance(node, Listing):
            waiting.extend(node.items)
        elif isinstance(node, Mapping):
            waiting.extend(value for _, value in node.entries)
    return count
