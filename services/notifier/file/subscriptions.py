"""Subscriptions from YAML files: every fault at once, each with its place and, where one is near, a suggestion.

They may stand beside campaigns and lifecycles in one file; documents of other kinds are left to whoever reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path

from services.notifier.campaign.fields import check_keys, read_choice, read_flag, read_name, read_text, require
from services.notifier.campaign.step import Step
from services.notifier.file.step_fields import read_step
from services.notifier.plan.subscription import Subscription
from shared.document.files import files_of, read_file
from shared.document.kind import kind_of
from shared.document.nodes import Fault, Faults, Listing, Mapping, Node, Scalar, nearest
from shared.document.reader import read_text as read_yaml

STEPS_MAX = 5  # each answers every transition: a tool needs one, a change of tools two
LISTED_MAX = 200  # lifecycles named by one subscription; more than anybody has

_KEYS = ("subscription", "lifecycles", "changes", "historical", "send", "description")
_CHANGES = ("moved", "lingered")
_CHANGES_MEANT = {"entered": "moved", "left": "moved", "stayed": "lingered"}


@dataclass(frozen=True, slots=True)
class LoadedSubscriptions:
    """The subscriptions that are whole, in order of reading, and all faults in order of place.

    `places` holds each subscription's document, by name: where a fault found later is shown.
    """

    subscriptions: tuple[Subscription, ...]
    faults: tuple[Fault, ...]
    places: Table[str, Mapping]


def load_text(text: str, *, file: str) -> LoadedSubscriptions:
    """The subscriptions of a YAML text; `file` is what the faults call it."""
    return load_documents([read_yaml(text, file=file)])


def load_paths(paths: Sequence[Path]) -> LoadedSubscriptions:
    """The subscriptions of files and of folders' `*.yaml` and `*.yml`, not deeper."""
    return load_documents(read_file(file) for file in files_of(paths))


def check_lifecycles(loaded: LoadedSubscriptions, lifecycles: Collection[str]) -> list[Fault]:
    """A fault for each lifecycle or segment that a subscription names and that is not there."""
    faults = Faults()
    for document in loaded.places.values():
        named = document.get("lifecycles")
        for item in named.items if isinstance(named, Listing) else ():
            if isinstance(item, Scalar) and item.value not in lifecycles:
                message = f"there is no lifecycle or segment `{item.value}`"
                faults.add(item, message, suggestion=nearest(item.value, lifecycles))
    return faults.in_order()


def load_documents(files: Iterable[tuple[list[Node], list[Fault]]]) -> LoadedSubscriptions:
    """The subscriptions of the documents of files, each file's with what is wrong with it as YAML."""
    faults = Faults()
    found: dict[str, Subscription] = {}
    places: dict[str, Mapping] = {}
    for documents, syntax in files:
        faults.include(*syntax)
        for node in documents:
            if not isinstance(node, Mapping) or kind_of(node) != "subscription":
                continue
            own = Faults()
            subscription = _read_document(node, own, taken=found)
            faults.include(*own.in_order())
            if subscription is not None and not own.has_errors:
                found[subscription.name], places[subscription.name] = subscription, node
    return LoadedSubscriptions(tuple(found.values()), tuple(faults.in_order()), places)


def _read_document(node: Mapping, faults: Faults, *, taken: Collection[str]) -> Subscription | None:
    check_keys(node, _KEYS, faults, of="a subscription")
    name = read_name(node.get("subscription"), faults, of="`subscription`")
    if name is not None and name in taken:
        faults.add(node.get("subscription") or node, f"there is a subscription `{name}` already")
    lifecycles = _read_names(node.get("lifecycles"), faults)
    changes = _read_changes(node.get("changes"), faults)
    historical = read_flag(node.get("historical"), faults, of="`historical`") or False
    steps = _read_steps(require(node, "send", faults, of="a subscription"), faults)
    description = read_text(node.get("description"), faults, of="`description`")
    if name is None or steps is None:
        return None
    return Subscription(name, steps, lifecycles, changes, historical, description or "")


def _listed(node: Node | None, faults: Faults, *, of: str) -> tuple[Node, ...]:
    if node is None:
        return ()
    if isinstance(node, Listing) and 1 <= len(node.items) <= LISTED_MAX:
        return node.items
    faults.add(node, f"{of} is a list such as `[shop]`; leave it out for all of them")
    return ()


def _read_names(node: Node | None, faults: Faults) -> frozenset[str] | None:
    names = [read_name(item, faults, of="a lifecycle") for item in _listed(node, faults, of="`lifecycles`")]
    return frozenset(name for name in names if name) or None


def _read_changes(node: Node | None, faults: Faults) -> frozenset[str] | None:
    items = _listed(node, faults, of="`changes`")
    words = [read_choice(item, _CHANGES, faults, of="a change", meant=_CHANGES_MEANT) for item in items]
    return frozenset(word for word in words if word) or None


def _read_steps(node: Node | None, faults: Faults) -> tuple[Step, ...] | None:
    if node is None:
        return None
    if not isinstance(node, Listing) or not 1 <= len(node.items) <= STEPS_MAX:
        faults.add(node, f"`send` is a list of 1 to {STEPS_MAX} steps such as `- channel: kafka`")
        return None
    steps = [read_step(item, faults) for item in node.items]
    for item in node.items:
        if isinstance(item, Mapping) and (fallback := item.get("fallback")) is not None:
            faults.add(fallback, "a subscription has no `fallback`: each step gets every transition")
    whole = tuple(step for step in steps if step is not None)
    return whole if len(whole) == len(steps) else None
