"""Campaigns from YAML files: every fault at once, each with its place and, where one is near, a suggestion.

A file may hold lifecycles and segments too; those documents are left to whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path

from services.notifier.campaign import TOO_OLD_MS, Campaign, Change, Trigger
from services.notifier.campaign_fields import (
    check_keys,
    read_choice,
    read_count,
    read_duration_ms,
    read_name,
    read_text,
    require,
)
from services.notifier.step import Step
from services.notifier.step_fields import read_step
from shared import document_reader
from shared.document import Fault, Faults, Listing, Mapping, Node, nearest

STEPS_MAX = 20  # each answers every transition of the campaign

_CAMPAIGN_KEYS = ("campaign", "on", "send", "too_old", "description")
_TRIGGER_KEYS = ("lifecycle", "stage", "change", "nth")
_CHANGES_MEANT = {"entered": "moved", "moved_into": "moved", "exited": "left", "stayed": "lingered"}
_NEIGHBOURS = ("lifecycle", "segment", "subscription")  # what else may stand in the same file


@dataclass(frozen=True, slots=True)
class Loaded:
    """The campaigns that are whole, in order of reading, and all faults (warnings too) in order of place.

    `places` holds the node of each campaign's `on`, by name: where a fault found later is shown.
    """

    campaigns: tuple[Campaign, ...]
    faults: tuple[Fault, ...]
    places: Table[str, Mapping]


def load_text(text: str, *, file: str) -> Loaded:
    """The campaigns of a YAML text; `file` is what the faults call it."""
    documents, faults = document_reader.read_text(text, file=file)
    return _load(documents, faults)


def load_paths(paths: Iterable[Path]) -> Loaded:
    """The campaigns of files and of folders' `*.yaml` and `*.yml`, not deeper. A path that is not there is a fault."""
    documents: list[Node] = []
    faults: list[Fault] = []
    for path in paths:
        for file in _files(path):
            found, wrong = document_reader.read_file(file)
            documents += found
            faults += wrong
    return _load(documents, faults)


def check_against(loaded: Loaded, stages: Table[str, Sequence[str]]) -> list[Fault]:
    """A fault for each campaign whose lifecycle or stage is not there. `stages`: by name of lifecycle or segment."""
    faults = Faults()
    for campaign in loaded.campaigns:
        trigger, place = campaign.trigger, loaded.places[campaign.name]
        if trigger.lifecycle not in stages:
            message = f"there is no lifecycle or segment `{trigger.lifecycle}`"
            faults.add(place.get("lifecycle") or place, message, suggestion=nearest(trigger.lifecycle, stages))
        elif trigger.stage not in stages[trigger.lifecycle]:
            message = f"`{trigger.lifecycle}` has no stage `{trigger.stage}`"
            suggestion = nearest(trigger.stage, stages[trigger.lifecycle])
            faults.add(place.get("stage") or place, message, suggestion=suggestion)
    return faults.in_order()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
    return [path]


def _load(documents: Iterable[Node], syntax: Iterable[Fault]) -> Loaded:
    faults = Faults()
    faults.include(*syntax)
    campaigns: dict[str, Campaign] = {}
    places: dict[str, Mapping] = {}
    for node in documents:
        if isinstance(node, Mapping) and any(node.get(key) for key in _NEIGHBOURS) and not node.get("campaign"):
            continue
        campaign = _read_document(node, faults, taken=campaigns.keys())
        if campaign is not None:
            campaigns[campaign.name] = campaign
            place = node.get("on") if isinstance(node, Mapping) else None
            assert isinstance(place, Mapping), "a campaign without `on` is a fault"
            places[campaign.name] = place
    return Loaded(tuple(campaigns.values()), tuple(faults.in_order()), places)


def _read_document(node: Node, faults: Faults, *, taken: Iterable[str]) -> Campaign | None:
    """The campaign of a document, or None when anything in it is wrong."""
    found = Faults()
    campaign = _read_campaign(node, found)
    if campaign is not None and campaign.name in taken and isinstance(node, Mapping):
        found.add(node.get("campaign") or node, f"there is a campaign `{campaign.name}` already")
    faults.include(*found.in_order())
    return None if any(fault.severity == "error" for fault in found.in_order()) else campaign


def _read_campaign(node: Node, faults: Faults) -> Campaign | None:
    if not isinstance(node, Mapping):
        faults.add(node, "a campaign is a mapping that begins with `campaign: NAME`")
        return None
    check_keys(node, _CAMPAIGN_KEYS, faults, of="a campaign")
    name = read_name(require(node, "campaign", faults, of="a campaign"), faults, of="`campaign`")
    trigger = _read_trigger(require(node, "on", faults, of="a campaign"), faults)
    steps = _read_steps(require(node, "send", faults, of="a campaign"), faults)
    too_old_ms = read_duration_ms(node.get("too_old"), faults, of="`too_old`")
    description = read_text(node.get("description"), faults, of="`description`")
    if name is None or trigger is None or steps is None:
        return None
    return Campaign(name, trigger, steps, TOO_OLD_MS if too_old_ms is None else too_old_ms, description or "")


def _read_trigger(node: Node | None, faults: Faults) -> Trigger | None:
    if node is None:
        return None
    if not isinstance(node, Mapping):
        faults.add(node, "`on` is a mapping such as `{lifecycle: shop, stage: at_risk, change: lingered}`")
        return None
    check_keys(node, _TRIGGER_KEYS, faults, of="`on`")
    lifecycle = read_name(require(node, "lifecycle", faults, of="`on`"), faults, of="`lifecycle`")
    stage = read_name(require(node, "stage", faults, of="`on`"), faults, of="`stage`")
    word = require(node, "change", faults, of="`on`")
    change = read_choice(word, [*map(str, Change)], faults, of="`change`", meant=_CHANGES_MEANT)
    nth = read_count(node.get("nth"), faults, of="`nth`")
    if nth is not None and change not in (None, Change.LINGERED):
        faults.add(node.get("nth") or node, "`nth` says which linger: it needs `change: lingered`")
    if lifecycle is None or stage is None or change is None:
        return None
    return Trigger(lifecycle, stage, Change(change), nth)


def _read_steps(node: Node | None, faults: Faults) -> tuple[Step, ...] | None:
    if node is None:
        return None
    if not isinstance(node, Listing) or not 1 <= len(node.items) <= STEPS_MAX:
        faults.add(node, f"`send` is a list of 1 to {STEPS_MAX} steps such as `- channel: console`")
        return None
    steps = [read_step(item, faults) for item in node.items]
    whole = tuple(step for step in steps if step is not None)
    return whole if len(whole) == len(steps) else None
