"""Campaigns from YAML files: every fault at once, each with its place and, where one is near, a suggestion.

A file may hold lifecycles and segments too; those documents are left to whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from pathlib import Path

from services.notifier.campaign.campaign import PRIORITY, TOO_OLD_MS, Campaign, Change, Trigger
from services.notifier.campaign.condition import Condition, Language, Surroundings
from services.notifier.campaign.fields import (
    check_keys,
    read_count,
    read_duration_ms,
    read_flag,
    read_name,
    read_text,
    require,
)
from services.notifier.campaign.step import Step
from services.notifier.file.rule_fields import read_cap, read_condition, read_dates, read_quiet_hours, read_sample
from services.notifier.file.step_fields import read_step, unknown_metrics
from services.notifier.file.trigger_fields import check_trigger, read_trigger
from shared.document.files import files_of, read_file
from shared.document.kind import kind_of, report_kind
from shared.document.nodes import Fault, Faults, Listing, Mapping, Node
from shared.document.reader import read_text as read_yaml

STEPS_MAX = 20  # each answers every transition of the campaign
PRIORITY_MAX = 9

_CAMPAIGN_KEYS = (
    "campaign", "on", "where", "send", "hold", "quiet_hours", "cap", "too_old", "consent", "priority", "start", "end",
    "sample", "paused", "description",
)  # fmt: skip
# Stands where a trigger is wrong, so that everything else of the campaign is read all the same.
_NO_TRIGGER = Trigger("", "", Change.MOVED)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The campaigns that are whole, in order of reading, and all faults (warnings too) in order of place."""

    campaigns: tuple[Campaign, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What reading a campaign needs to know beside its text.

    `language` reads conditions; `lifecycles` are those known here, by name: None when nobody knows them, and then
    stages and names of metrics are taken as they are written.
    """

    language: Language
    lifecycles: Table[str, Surroundings] | None = None


def load_text(text: str, rules: Rules, *, file: str) -> Loaded:
    """The campaigns of a YAML text; `file` is what the faults call it."""
    return load_documents([read_yaml(text, file=file)], rules)


def load_paths(paths: Sequence[Path], rules: Rules) -> Loaded:
    """The campaigns of files and of folders' `*.yaml` and `*.yml`, not deeper. A path that is not there is a fault."""
    return load_documents((read_file(file) for file in files_of(paths)), rules)


def load_documents(files: Iterable[tuple[list[Node], list[Fault]]], rules: Rules) -> Loaded:
    """The campaigns of the documents of files, each file's with what is wrong with it as YAML."""
    faults = Faults()
    campaigns: dict[str, Campaign] = {}
    for documents, syntax in files:
        faults.include(*syntax)
        for node in documents:
            campaign = _read_document(node, faults, rules, taken=campaigns.keys())
            if campaign is not None:
                campaigns[campaign.name] = campaign
    return Loaded(tuple(campaigns.values()), tuple(faults.in_order()))


def _read_document(node: Node, faults: Faults, rules: Rules, *, taken: Iterable[str]) -> Campaign | None:
    """The campaign of a document, or None when it is something else, or anything in it is wrong."""
    kind = kind_of(node)
    if kind is None:
        report_kind(node, faults)
    if kind != "campaign" or not isinstance(node, Mapping):
        return None
    found = Faults()
    campaign = _read_campaign(node, found, rules)
    if campaign is not None and campaign.name in taken:
        found.add(node.get("campaign") or node, f"there is a campaign `{campaign.name}` already")
    faults.include(*found.in_order())
    return None if found.has_errors else campaign


def _read_campaign(node: Mapping, faults: Faults, rules: Rules) -> Campaign | None:
    check_keys(node, _CAMPAIGN_KEYS, faults, of="a campaign")
    name = read_name(node.get("campaign"), faults, of="`campaign`")
    on = require(node, "on", faults, of="a campaign")
    trigger = read_trigger(on, faults)
    if trigger is not None and on is not None and rules.lifecycles is not None:
        check_trigger(trigger, on, faults, lifecycles=rules.lifecycles)
    steps = _read_steps(require(node, "send", faults, of="a campaign"), faults)
    _check_metrics(steps or (), trigger, faults, rules)
    whole = name is not None and trigger is not None and steps is not None
    campaign = Campaign(name or "", trigger or _NO_TRIGGER, steps or (), fallbacks=_read_fallbacks(node, faults))
    campaign = _with_options(_with_conditions(campaign, node, faults, rules), node, faults)
    return campaign if whole else None


def _check_metrics(steps: Iterable[Step], trigger: Trigger | None, faults: Faults, rules: Rules) -> None:
    """Templates may name what the lifecycle carries, where that is known."""
    surroundings = (rules.lifecycles or {}).get(trigger.lifecycle) if trigger is not None else None
    if surroundings is None:
        return
    for step in steps:
        faults.include(*unknown_metrics(step, surroundings.carried))


def _with_conditions(campaign: Campaign, node: Mapping, faults: Faults, rules: Rules) -> Campaign:
    lifecycle = campaign.trigger.lifecycle
    surroundings = (rules.lifecycles or {}).get(lifecycle)

    def read(key: str) -> Condition | None:
        return read_condition(
            node.get(key), faults, of=f"`{key}`", language=rules.language, lifecycle=lifecycle,
            surroundings=surroundings,
        )  # fmt: skip

    return replace(campaign, where=read("where"), consent=read("consent"))


def _with_options(campaign: Campaign, node: Mapping, faults: Faults) -> Campaign:
    too_old_ms = read_duration_ms(node.get("too_old"), faults, of="`too_old`")
    start_ms, end_ms = read_dates(node.get("start"), node.get("end"), faults)
    return replace(
        campaign,
        too_old_ms=TOO_OLD_MS if too_old_ms is None else too_old_ms,
        hold_ms=read_duration_ms(node.get("hold"), faults, of="`hold`") or 0,
        quiet_hours=read_quiet_hours(node.get("quiet_hours"), faults),
        cap=read_cap(node.get("cap"), faults),
        sample=read_sample(node.get("sample"), faults, campaign=campaign.name),
        priority=_read_priority(node.get("priority"), faults),
        start_ms=start_ms,
        end_ms=end_ms,
        is_paused=read_flag(node.get("paused"), faults, of="`paused`") or False,
        description=read_text(node.get("description"), faults, of="`description`") or "",
    )


def _read_priority(node: Node | None, faults: Faults) -> int:
    priority = read_count(node, faults, of="`priority`")
    if node is not None and priority is not None and priority > PRIORITY_MAX:
        faults.add(node, f"`priority` is 1 (last) to {PRIORITY_MAX} (first)")
    return priority or PRIORITY


def _read_steps(node: Node | None, faults: Faults) -> tuple[Step, ...] | None:
    if node is None:
        return None
    if not isinstance(node, Listing) or not 1 <= len(node.items) <= STEPS_MAX:
        faults.add(node, f"`send` is a list of 1 to {STEPS_MAX} steps such as `- channel: console`")
        return None
    steps = [read_step(item, faults) for item in node.items]
    whole = tuple(step for step in steps if step is not None)
    return whole if len(whole) == len(steps) else None


def _read_fallbacks(campaign: Mapping, faults: Faults) -> frozenset[int]:
    """The numbers of the steps that stand in for the one before."""
    steps = campaign.get("send")
    found = set()
    for number, step in enumerate(steps.items if isinstance(steps, Listing) else (), start=1):
        place = step.get("fallback") if isinstance(step, Mapping) else None
        if place is None or not read_flag(place, faults, of="`fallback`"):
            continue
        if number == 1:
            faults.add(place, "the first step has none before it that it could stand in for")
        found.add(number)
    return frozenset(found)
