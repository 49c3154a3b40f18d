"""The rules of a campaign file: quiet hours, cap, sample, dates and conditions; each wrong one is a fault at its place.

Every reader answers None when it has reported a fault (or when there is nothing): the caller goes on with the rest.
"""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from services.notifier.campaign.campaign import Cap, QuietHours, Sample
from services.notifier.campaign.condition import TRANSITION_FIELDS, Condition, Language, Surroundings
from services.notifier.campaign.fields import (
    check_keys,
    read_choice,
    read_count,
    read_duration_ms,
    read_instant_ms,
    read_name,
    read_text,
    require,
)
from services.notifier.plan.quiet import known_zone
from shared.clock import DAY_MS
from shared.document.nodes import Faults, Mapping, Node, Scalar, nearest

MILLION = 1_000_000

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_TRAIT = "traits."
_CAP_OF = ("campaign", "all")


def read_quiet_hours(node: Node | None, faults: Faults) -> QuietHours | None:
    """`{from: "21:00", to: "08:00", zone: traits.timezone, default: UTC}`; zone and default may be left out."""
    mapping = _mapping(node, faults, '`quiet_hours` is a mapping such as `{from: "21:00", to: "08:00"}`')
    if mapping is None:
        return None
    check_keys(mapping, ("from", "to", "zone", "default"), faults, of="`quiet_hours`")
    start = _read_time_of_day(require(mapping, "from", faults, of="`quiet_hours`"), faults, of="`from`")
    end = _read_time_of_day(require(mapping, "to", faults, of="`quiet_hours`"), faults, of="`to`")
    zone_node = mapping.get("zone")
    trait = zone_node.value if isinstance(zone_node, Scalar) and zone_node.value.startswith(_TRAIT) else ""
    default = _read_zone(mapping.get("default"), faults, of="`default`")
    zone = default if trait else _read_zone(zone_node, faults, of="`zone`") or default
    if start is None or end is None:
        return None
    if start == end:
        faults.add(mapping, "quiet hours that end when they begin say nothing: use `paused` to send nothing at all")
        return None
    path = tuple(trait.removeprefix(_TRAIT).split(".")) if trait else ()
    return QuietHours(start, end, zone or "UTC", path)


def read_cap(node: Node | None, faults: Faults) -> Cap | None:
    """`{messages: 2, within: 7d}`, and `of: all` to count the messages of all campaigns."""
    mapping = _mapping(node, faults, "`cap` is a mapping such as `{messages: 2, within: 7d}`")
    if mapping is None:
        return None
    check_keys(mapping, ("messages", "within", "of"), faults, of="`cap`")
    messages = read_count(require(mapping, "messages", faults, of="`cap`"), faults, of="`messages`")
    within_ms = read_duration_ms(require(mapping, "within", faults, of="`cap`"), faults, of="`within`")
    of = read_choice(mapping.get("of"), _CAP_OF, faults, of="`of`")
    return None if messages is None or within_ms is None else Cap(messages, within_ms, of_all=of == "all")


def read_sample(node: Node | None, faults: Faults, *, campaign: str) -> Sample | None:
    """`80%` (the others are the control group), or `{share: 10%, control: 10%, name: winter}`."""
    if node is None:
        return None
    if isinstance(node, Scalar):
        share = _read_share(node, faults, of="`sample`")
        return None if share is None else Sample(campaign, share, MILLION - share)
    mapping = _mapping(node, faults, "`sample` is a share such as `80%`, or `{share: 10%, control: 10%}`")
    if mapping is None:
        return None
    check_keys(mapping, ("share", "control", "name"), faults, of="`sample`")
    share = _read_share(require(mapping, "share", faults, of="`sample`"), faults, of="`share`")
    control = _read_share(mapping.get("control"), faults, of="`control`")
    name = read_name(mapping.get("name"), faults, of="`name`")
    if share is None:
        return None
    if share + (control or 0) > MILLION:
        faults.add(mapping, "`share` and `control` together are more than everybody")
        return None
    return Sample(name or campaign, share, control or 0)


def read_dates(start: Node | None, end: Node | None, faults: Faults) -> tuple[int | None, int | None]:
    """Begin (included) and end (not) in milliseconds; an end without a time of day means the end of that day, UTC."""
    start_ms = read_instant_ms(start, faults, of="`start`")
    end_ms = read_instant_ms(end, faults, of="`end`")
    if end_ms is not None and isinstance(end, Scalar) and len(end.value) == len("2026-12-24"):
        end_ms += DAY_MS
    if end is not None and start_ms is not None and end_ms is not None and end_ms <= start_ms:
        faults.add(end, "`end` lies before `start`")
    return start_ms, end_ms


def read_condition(
    node: Node | None,
    faults: Faults,
    *,
    of: str,
    language: Language,
    lifecycle: str,
    surroundings: Surroundings | None,
) -> Condition | None:
    """A condition over traits, the transition's fields and what the lifecycle carries (any name when it is unknown)."""
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    carried = None if surroundings is None else surroundings.carried
    holds, problems = language(text, fields=TRANSITION_FIELDS, carried=carried, lifecycle=lifecycle)
    for problem in problems:
        faults.add(
            node, problem.message, offset=problem.offset, text=problem.text or None, suggestion=problem.suggestion
        )
    return None if holds is None else Condition(text, holds)


def _mapping(node: Node | None, faults: Faults, message: str) -> Mapping | None:
    if node is None or isinstance(node, Mapping):
        return node
    faults.add(node, message)
    return None


def _read_time_of_day(node: Node | None, faults: Faults, *, of: str) -> int | None:
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        faults.add(node, f'{of} is a time of day such as "21:00", in quotes')
        return None
    return int(match[1]) * 60 + int(match[2])


def _read_zone(node: Node | None, faults: Faults, *, of: str) -> str | None:
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    if known_zone(text) is None:
        message = f"{of} is a time zone such as `Europe/Berlin`, or a trait that holds one, as in `traits.timezone`"
        faults.add(node, message, suggestion=nearest(text, available_timezones()))
        return None
    return text


def _read_share(node: Node | None, faults: Faults, *, of: str) -> int | None:
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    match = _PERCENT.fullmatch(text)
    millionths = round(float(match[1]) * 10_000) if match else -1
    if 0 <= millionths <= MILLION:
        return millionths
    faults.add(node, f"{of} is a share of all customers such as `10%` (up to four decimals)")
    return None
