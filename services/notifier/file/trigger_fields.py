"""The trigger of a campaign file (`on`): which transitions it answers, read and held against the lifecycles."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Table

from services.notifier.campaign.campaign import Change, Trigger
from services.notifier.campaign.condition import Surroundings
from services.notifier.campaign.fields import check_keys, read_choice, read_count, read_name, require
from shared.document.nodes import Faults, Listing, Mapping, Node, Scalar, nearest

STAGES_MAX = 100  # of one `from` or `to`: more than a lifecycle that people can read has

_KEYS = ("lifecycle", "stage", "change", "nth", "entry", "from", "to")
_CHANGES_MEANT = {"entered": "moved", "moved_into": "moved", "exited": "left", "stayed": "lingered"}
_ENTRIES = ("first", "any")


def read_trigger(node: Node | None, faults: Faults) -> Trigger | None:
    """The trigger, or None when its lifecycle, stage or change is wrong."""
    if node is None:
        return None
    if not isinstance(node, Mapping):
        faults.add(node, "`on` is a mapping such as `{lifecycle: shop, stage: at_risk, change: lingered}`")
        return None
    check_keys(node, _KEYS, faults, of="`on`")
    lifecycle = read_name(require(node, "lifecycle", faults, of="`on`"), faults, of="`lifecycle`")
    stage = read_name(require(node, "stage", faults, of="`on`"), faults, of="`stage`")
    word = require(node, "change", faults, of="`on`")
    change = read_choice(word, [*map(str, Change)], faults, of="`change`", meant=_CHANGES_MEANT)
    nth = read_count(node.get("nth"), faults, of="`nth`")
    entry = read_choice(node.get("entry"), _ENTRIES, faults, of="`entry`")
    came_from = _read_stages(node.get("from"), faults, of="`from`")
    went_to = _read_stages(node.get("to"), faults, of="`to`")
    _report_misplaced(node, faults, change=change)
    if lifecycle is None or stage is None or change is None:
        return None
    return Trigger(lifecycle, stage, Change(change), nth, entry == "first", came_from, went_to)


def check_trigger(trigger: Trigger, place: Node, faults: Faults, *, lifecycles: Table[str, Surroundings]) -> None:
    """Report a lifecycle or stage that is not there."""
    assert isinstance(place, Mapping), "a trigger was read from it"
    known = lifecycles.get(trigger.lifecycle)
    if known is None:
        message = f"there is no lifecycle or segment `{trigger.lifecycle}`"
        suggestion = nearest(trigger.lifecycle, lifecycles)
        faults.add(place.get("lifecycle") or place, message, suggestion=suggestion)
        return
    for key, stages in (("stage", [trigger.stage]), ("from", trigger.came_from or ()), ("to", trigger.went_to or ())):
        _report_unknown(place.get(key) or place, faults, stages=stages, lifecycle=trigger.lifecycle, known=known)


def _report_unknown(
    place: Node, faults: Faults, *, stages: Iterable[str | None], lifecycle: str, known: Surroundings
) -> None:
    for stage in sorted(one for one in stages if one is not None and one not in known.stages):
        faults.add(place, f"`{lifecycle}` has no stage `{stage}`", suggestion=nearest(stage, known.stages))


def _report_misplaced(node: Mapping, faults: Faults, *, change: str | None) -> None:
    """Keys that say nothing about this change."""
    wanted = (
        ("nth", "`nth` says which linger: it needs `change: lingered`", (Change.LINGERED,)),
        ("entry", "`entry` counts visits: it needs `change: moved` or `lingered`", (Change.MOVED, Change.LINGERED)),
        ("from", "`from` says where a move came from: it needs `change: moved`", (Change.MOVED,)),
        ("to", "`to` says where a move went: it needs `change: left`", (Change.LEFT,)),
    )
    for key, message, changes in wanted:
        place = node.get(key)
        if place is not None and change is not None and change not in changes:
            faults.add(place, message)


def _read_stages(node: Node | None, faults: Faults, *, of: str) -> frozenset[str | None] | None:
    """One stage or a list of them; a plain `null` is "no stage"."""
    if node is None:
        return None
    items = node.items if isinstance(node, Listing) else (node,)
    if isinstance(node, Mapping) or not 1 <= len(items) <= STAGES_MAX:
        faults.add(node, f"{of} is a stage or a list of stages")
        return None
    stages = [_read_stage(item, faults, of=of) for item in items]
    return frozenset(stages)


def _read_stage(node: Node, faults: Faults, *, of: str) -> str | None:
    if isinstance(node, Scalar) and node.meaning is None:
        return None
    return read_name(node, faults, of=of)
