"""Names of events in metrics (LANGUAGE.md 2): one, a list of them, or `"*"`."""

from __future__ import annotations

import re

from services.stager.language.definition import EventNames
from services.stager.language.fields import items_of, read_text_node
from shared.document.nodes import Faults, Listing, Node, nearest
from shared.event import RESERVED_NAMES

_SEVERAL = re.compile(r", | (?:or|OR|\|\|?) ")
_ANY = ("all", "any", "All", "Any", "ALL", "ANY")


def read_events(node: Node, faults: Faults) -> EventNames:
    """The names of an event, of a list of events, or None for `"*"`."""
    items = items_of(node)
    if not items:
        faults.add(node, "the list of events is empty")
    names = {name for item in items if (name := read_text_node(item, faults, what="an event's name")) is not None}
    if names == {"*"} and not isinstance(node, Listing):
        return None
    for item, name in ((item, getattr(item, "value", "")) for item in items):
        if name == "*":
            faults.add(item, '`"*"` means any event and stands alone, not in a list')
        elif name.startswith("$") and name not in RESERVED_NAMES.values():
            message = "only $page, $screen, $identify and $group begin with `$`"
            faults.add(item, message, suggestion=nearest(name, RESERVED_NAMES.values()))
        else:
            _warn_of_name(item, name, faults)
    return frozenset(names)


def _warn_of_name(node: Node, name: str, faults: Faults) -> None:
    """Warn of a name that a track may have, and that hardly any has."""
    meant, message = "", ""
    if name in RESERVED_NAMES:
        meant, message = RESERVED_NAMES[name], f"only a track can be named `{name}`"
    elif name in _ANY:
        meant, message = '"*"', f"only a track can be named `{name}`"
    elif len(names := [part for part in _SEVERAL.split(name) if part.strip()]) > 1:
        meant, message = f"[{', '.join(names)}]", "this is the name of one event; several are a list"
    if message:
        faults.add(node, message, suggestion=meant, severity="warning")
