"""Names in files that a sample of events does not have: events, properties and traits, most often misspelt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as Members
from typing import Any, NamedTuple

from services.stager.language.fields import items_of
from services.stager.language.grammar import parse
from services.stager.language.metric import event_nodes, path_node
from services.stager.language.scope import NOTHINGS
from services.stager.language.written import write_name
from shared.document.kind import is_story
from shared.document.nodes import Fault, Faults, Hints, Listing, Mapping, Node, Scalar
from shared.event import RESERVED_NAMES

_PATHS_MAX = 10_000  # of one event: one that has more is no sample of anything, and memory must not follow it
_DEPTH_MAX = 8  # nobody writes more dots
_SUGGESTED_MAX = 2_000  # paths that a near one is looked for among: more take longer than anybody waits
_OF_TRAITS = (RESERVED_NAMES["identify"], RESERVED_NAMES["group"])

Path = tuple[str, ...]


class Seen:
    """What a sample has: by event the paths of its properties (of an identify and a group, their traits)."""

    def __init__(self) -> None:
        self.events: dict[str, set[Path]] = {}
        self._known: dict[frozenset[str], set[Path] | None] = {}

    def add(self, name: str, members: Members[str, Any]) -> None:
        """Take in one event."""
        paths = self.events.setdefault(name, set())
        waiting: list[tuple[Path, Any]] = [((), members)]
        while waiting and len(paths) < _PATHS_MAX:
            path, value = waiting.pop()
            if isinstance(value, dict) and len(path) < _DEPTH_MAX:
                waiting.extend(((*path, key), member) for key, member in value.items())
            if path:
                paths.add(path)

    @property
    def traits(self) -> set[Path] | None:
        """The paths of customers' traits; None: there are more than are kept."""
        return self.properties([RESERVED_NAMES["identify"]])

    def properties(self, names: Iterable[str]) -> set[Path] | None:
        """The paths of the properties of these events; `*` is any track, page or screen. None: as for `traits`.

        To be asked when all events are taken in.
        """
        wanted = frozenset(names)
        if wanted not in self._known:
            of_each = [
                paths
                for name, paths in self.events.items()
                if name in wanted or ("*" in wanted and name not in _OF_TRAITS)
            ]
            is_cut = any(len(paths) >= _PATHS_MAX for paths in of_each)
            self._known[wanted] = None if is_cut else set().union(*of_each)
        return self._known[wanted]


class _Name(NamedTuple):
    """A property or a trait where it stands: the scalar, where in its value, and how it is written there."""

    node: Scalar
    offset: int
    text: str
    path: Path


def unseen_names(documents: Iterable[Node], seen: Seen) -> list[Fault]:
    """A warning for each event, property and trait of these documents that is not `seen`, in order of place."""
    faults, hints = Faults(), Hints()
    for document in documents:
        if not isinstance(document, Mapping) or is_story(document):
            continue
        for metric in _metrics_of(document):
            _hold_metric(metric, seen, faults, hints)
        if (traits := seen.traits) is None:
            continue
        for name in _traits_of(document):
            if name.path not in traits:
                _warn(name, f"no identify of the sample has the trait `{name.text}`", traits, faults, hints)
    return faults.in_order()


def _hold_metric(metric: Mapping, seen: Seen, faults: Faults, hints: Hints) -> None:
    nodes = [item for node in event_nodes(metric) for item in items_of(node) if isinstance(item, Scalar)]
    for node in nodes:
        if node.value not in seen.events and node.value != "*":
            message = f"no event of the sample is named `{node.value}`"
            faults.add(node, message, suggestion=hints.nearest(node.value, seen.events), severity="warning")
    names = [node.value for node in nodes]
    known = seen.properties(names) if any(name in seen.events or name == "*" for name in names) else None
    if known is None:
        return  # nothing is known of its properties, or not all
    for name in _properties_of(metric):
        if name.path not in known:
            of = f"`{names[0]}`" if len(names) == 1 and names[0] != "*" else "these events"
            _warn(name, f"no event of the sample has the property `{name.text}`, of {of}", known, faults, hints)


def _warn(name: _Name, message: str, known: Collection[Path], faults: Faults, hints: Hints) -> None:
    prefix = ("traits",) if name.text.startswith("traits.") else ()
    near = known if len(known) <= _SUGGESTED_MAX else ()
    # A key with a dot in it cannot be named by a path that is split at its dots.
    texts = {".".join(path): None for path in near if not any("." in key for key in path)}
    meant = hints.nearest(".".join(name.path), texts)
    suggestion = write_name((*prefix, *meant.split("."))) if meant else None
    faults.add(name.node, message, offset=name.offset, text=name.text, suggestion=suggestion, severity="warning")


def _properties_of(metric: Mapping) -> Iterator[_Name]:
    node = path_node(metric)
    if isinstance(node, Scalar):
        yield _whole(node)
    yield from (name for name in _names_in(metric.get("where")) if name.text not in NOTHINGS)


def _traits_of(document: Mapping) -> Iterator[_Name]:
    """The traits that a document's conditions, its metrics and what it carries name."""
    stages, carry = document.get("stages"), document.get("carry")
    items = (document, *(stages.items if isinstance(stages, Listing) else ()))
    nodes = [item.get(key) for item in items if isinstance(item, Mapping) for key in ("when", "until")]
    nodes += carry.items if isinstance(carry, Listing) else ()
    names = [name for node in nodes for name in _names_in(node)]
    changed = [metric.get("changed") for metric in _metrics_of(document)]
    names += (_whole(node) for node in changed if isinstance(node, Scalar))
    for name in names:
        if name.path[0] == "traits" and len(name.path) > 1:
            yield name._replace(path=name.path[1:])


def _metrics_of(document: Mapping) -> Iterator[Mapping]:
    metrics = document.get("metrics")
    for _, metric in metrics.entries if isinstance(metrics, Mapping) else ():
        if isinstance(metric, Mapping):
            yield metric


def _whole(node: Scalar) -> _Name:
    """The name that a scalar is, which is plain text split at its dots."""
    return _Name(node, 0, node.value, tuple(node.value.split(".")))


def _names_in(node: Node | None) -> Iterator[_Name]:
    """The dotted names of an expression, as far as it follows the grammar."""
    if not isinstance(node, Scalar):
        return
    for tree in parse(node.value).trees:
        for name in tree.find_data("name"):
            start, end = name.meta.start_pos, name.meta.end_pos
            path = tuple(str(token).strip("`") for token in name.children)
            yield _Name(node, start, node.value[start:end], path)
