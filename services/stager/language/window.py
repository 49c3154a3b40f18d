"""The part of time that a metric looks at (LANGUAGE.md 2): `within` and `ago`, `between`, or `calendar` and `back`."""

from __future__ import annotations

from typing import Literal

from services.stager.language.definition import Between, Calendar, Window, Within
from services.stager.language.fields import Fields, read_time_node
from shared.document.nodes import Listing, nearest

WINDOW_KEYS = ("within", "ago", "between", "calendar", "back")

UNITS: dict[str, Literal["day", "week", "month"]] = {"day": "day", "week": "week", "month": "month"}
_NEEDS = {"ago": "within", "back": "calendar"}


def read_window(fields: Fields) -> Window | None:
    """The window of a metric, None for all time (or when it is wrong, and reported)."""
    chosen = [key for key in ("within", "between", "calendar") if fields.mapping.get(key) is not None]
    for extra in chosen[1:]:
        fields.faults.add(fields.key(extra), f"`{extra}` and `{chosen[0]}` exclude one another")
    for option, needed in _NEEDS.items():
        if option in fields and needed not in fields:
            fields.faults.add(fields.key(option), f"`{option}` goes only with `{needed}`")
    windows = [window for window in (_within(fields), _between(fields), _calendar(fields)) if window is not None]
    return windows[0] if windows else None


def _within(fields: Fields) -> Within | None:
    within, ago = fields.duration("within"), fields.duration("ago")
    return Within(within, ago or 0) if within is not None else None


def _between(fields: Fields) -> Between | None:
    node = fields.node("between")
    if node is None:
        return None
    if not isinstance(node, Listing) or len(node.items) != 2:
        fields.faults.add(node, "`between` is a list of two times, as in `[2026-01-01, 2026-02-01]`")
        return None
    start, end = (read_time_node(item, fields.faults, what="each end of `between`") for item in node.items)
    if start is None or end is None:
        return None
    if start >= end:
        fields.faults.add(node.items[1], "the second time of `between` must be later than the first")
    return Between(start, end)


def _calendar(fields: Fields) -> Calendar | None:
    text, back = fields.text("calendar"), fields.whole("back", least=0)
    if text is None:
        return None
    if text not in UNITS:
        message = "`calendar` is `day`, `week` or `month`"
        fields.faults.add(fields.mapping.get("calendar") or fields.mapping, message, suggestion=nearest(text, UNITS))
        return None
    return Calendar(UNITS[text], back or 0)
