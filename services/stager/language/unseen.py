"""Event names of files that a sample of events does not have: most often they are misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from services.stager.language.fields import items_of
from services.stager.language.metric import event_nodes
from shared.document.kind import is_story
from shared.document.nodes import Fault, Faults, Hints, Mapping, Node, Scalar


def unseen_names(documents: Iterable[Node], seen: Set[str]) -> list[Fault]:
    """A warning for each event name in the metrics of these documents that is not `seen`, in order of place."""
    faults, hints = Faults(), Hints()
    for document in documents:
        for node in _names(document):
            if node.value not in seen and node.value != "*":
                message = f"no event of the sample is named `{node.value}`"
                faults.add(node, message, suggestion=hints.nearest(node.value, seen), severity="warning")
    return faults.in_order()


def _names(document: Node) -> Iterator[Scalar]:
    """The scalars that name events in a document's metrics."""
    metrics = document.get("metrics") if isinstance(document, Mapping) and not is_story(document) else None
    for _, metric in metrics.entries if isinstance(metrics, Mapping) else ():
        if isinstance(metric, Mapping):
            for node in event_nodes(metric):
                yield from (item for item in items_of(node) if isinstance(item, Scalar))
