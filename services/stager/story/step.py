"""One step of a story: when it is, what happens, and what must then be so."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from services.stager.fold.records import OCCURRED_MAX_MS, OCCURRED_MIN_MS
from services.stager.language.fields import Fields, items_of, read_text_node, read_time_node
from services.stager.story.story import NO_STAGE, Expected, Happening, HappeningType, Standing, Step
from shared.document.nodes import Faults, Listing, Mapping, Node, Scalar
from shared.event import RESERVED_NAMES

_NAMED: Final[tuple[HappeningType, ...]] = ("track", "page", "screen")
_TRAITED: Final[tuple[HappeningType, ...]] = ("identify", "group")
_TIMES: Final = ("on", "after")
_OUTCOMES: Final = ("stage", "stages", "moved", "lingered", "changes", "nothing")
STEP_KEYS: Final = (*_TIMES, *_NAMED, *_TRAITED, "properties", "late", "twice", *_OUTCOMES)
_NO_TIME: Final = "a story plays in the years 3 to 9995"
_MOVED_KEYS: Final = ("from", "to", "at")
_LINGERED_KEYS: Final = ("stage", "nth", "at")


def read_step(node: Mapping, faults: Faults, *, before_ms: int | None) -> Step:
    """The step; `before_ms` is when the one before it was (None: it is the first)."""
    meant = {"at": "on", "event": "track"}
    fields = Fields(node, faults, what="a step", known=STEP_KEYS, meant=meant, belongs=partial(_of_the_event, node))
    changes, place = _all_changes(fields)
    at_ms = _when(fields, before_ms)
    return Step(
        place=node,
        at_ms=at_ms,
        happening=_happening(fields, at_ms),
        standings=tuple(_standings(fields)),
        among=tuple(_changes_of(fields, "moved")) + tuple(_changes_of(fields, "lingered")),
        changes=changes,
        changes_place=place,
    )


def _of_the_event(step: Mapping, key: Scalar, near: str | None) -> str | None:
    """What to say of an unknown key beside an event: that it is a property of it, or a trait."""
    kind = next((kind for kind in (*_NAMED, *_TRAITED) if step.get(kind) is not None), None)
    if kind is None or (near is not None and near not in (*_NAMED, *_TRAITED)):
        return None
    value = step.get(key.value)
    said = value.value if isinstance(value, Scalar) else ".."
    return f"`{key.value}` belongs under `{kind if kind in _TRAITED else 'properties'}: {{{key.value}: {said}}}`"


def _when(fields: Fields, before_ms: int | None) -> int:
    """The instant of the step; that of the one before where it says nothing, or none that a log could have."""
    at_ms = _said(fields, before_ms)
    if OCCURRED_MIN_MS < at_ms < OCCURRED_MAX_MS:
        return at_ms
    fields.faults.add(fields.key("after" if "after" in fields else "on"), _NO_TIME)
    return before_ms or 0


def _said(fields: Fields, before_ms: int | None) -> int:
    if all(key in fields for key in _TIMES):
        fields.faults.add(fields.key("after"), "`on` and `after` exclude one another")
    after_ms = fields.duration("after")
    if after_ms is not None and before_ms is not None:
        return before_ms + after_ms
    node = fields.node("on")
    if node is None:
        if before_ms is None and "on" not in fields:
            fields.faults.add(fields.mapping, "the first step says when it is, as in `on: 2026-01-31`")
        return before_ms or 0
    on_ms = read_time_node(node, fields.faults, what="`on`")
    if on_ms is not None and before_ms is not None and on_ms < before_ms:
        fields.faults.add(node, "this is before the step above: time only goes on")
    return before_ms or 0 if on_ms is None else on_ms


def _happening(fields: Fields, at_ms: int) -> Happening | None:
    present = [kind for kind in (*_NAMED, *_TRAITED) if kind in fields]
    for extra in present[1:]:
        fields.faults.add(fields.key(extra), f"one thing happens in a step, and this one has `{present[0]}` already")
    for key in ("properties", "late", "twice"):
        if key in fields and (not present or (key == "properties" and present[0] in _TRAITED)):
            fields.faults.add(fields.key(key), f"`{key}` needs a `track`, a `page` or a `screen`")
    if not present:
        return None
    kind = present[0]
    late_ms, twice = fields.duration("late") or 0, bool(fields.flag("twice"))
    if at_ms - late_ms <= OCCURRED_MIN_MS:
        fields.faults.add(fields.key("late"), _NO_TIME)
        late_ms = 0
    if kind in _TRAITED:
        return Happening(kind, RESERVED_NAMES[kind], _members(fields, kind), late_ms, twice)
    name, members = fields.text(kind) or "", _members(fields, "properties")
    if kind == "track":
        if name.startswith("$"):
            fields.faults.add(fields.key(kind), "a track's name may not begin with `$`")
        return Happening(kind, name, members, late_ms, twice)
    return Happening(kind, RESERVED_NAMES[kind], {**members, "name": name}, late_ms, twice)


def _members(fields: Fields, key: str) -> dict[str, Any]:
    node = fields.node(key)
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        fields.faults.add(node, f"`{key}` is a mapping, as in `{{plan: pro}}`")
        return {}
    found: dict[str, Any] = _json_of(node)
    return found


def _json_of(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.value: _json_of(value) for key, value in node.entries}
    if isinstance(node, Listing):
        return [_json_of(item) for item in node.items]
    meaning = node.meaning
    return node.value if isinstance(meaning, float) and not abs(meaning) < float("inf") else meaning


def _standings(fields: Fields) -> Iterable[Standing]:
    node = fields.node("stage")
    if node is not None:
        yield Standing(node, None, _stage_name(node, fields.faults, what="`stage`"))
    several = fields.node("stages")
    if several is not None and not isinstance(several, Mapping):
        fields.faults.add(several, "`stages` names lifecycles, as in `{shop: active, vip: in}`")
    for key, value in several.entries if isinstance(several, Mapping) else ():
        yield Standing(value, key.value, _stage_name(value, fields.faults, what=f"`{key.value}`"), key)


def _stage_name(node: Node, faults: Faults, *, what: str) -> str:
    if isinstance(node, Scalar) and node.style == "" and node.value in ("null", "~"):
        return NO_STAGE
    return read_text_node(node, faults, what=what) or NO_STAGE


def _all_changes(fields: Fields) -> tuple[tuple[Expected, ...] | None, Node | None]:
    """What `changes` or `nothing` says, and where."""
    nothing = fields.flag("nothing")
    if nothing:
        return (), fields.key("nothing")
    if nothing is False:
        message = "`nothing` is only ever `true`; leave the line out where something may happen"
        fields.faults.add(fields.key("nothing"), message, text="nothing")
    node = fields.node("changes")
    if node is None:
        return None, None
    if not isinstance(node, Listing):
        fields.faults.add(node, "`changes` is a list, as in `[{moved: loyal}, {lingered: loyal}]`")
        return None, None
    return tuple(change for item in node.items for change in _listed(item, fields.faults)), node


def _listed(node: Node, faults: Faults) -> Iterable[Expected]:
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        faults.add(node, "a change is `{moved: STAGE}` or `{lingered: STAGE}`")
        return ()
    fields = Fields(node, faults, what="a change", known=("moved", "lingered"))
    return (*_changes_of(fields, "moved"), *_changes_of(fields, "lingered"))


def _changes_of(fields: Fields, key: str) -> Iterable[Expected]:
    node = fields.node(key)
    if node is None:
        return ()
    return [_change(item, fields.faults, key) for item in items_of(node)]


def _change(node: Node, faults: Faults, key: str) -> Expected:
    """`moved: loyal`, `moved: {from: active, to: loyal, at: ..}`, `lingered: at_risk`, `lingered: {nth: 2}`."""
    if not isinstance(node, Mapping):
        stage = _stage_name(node, faults, what=f"`{key}`")
        return Expected(node, "moved" if key == "moved" else "lingered", to_stage=stage)
    known = _MOVED_KEYS if key == "moved" else _LINGERED_KEYS
    inner = Fields(node, faults, what=f"`{key}`", known=known)
    names = {
        name: _stage_name(value, faults, what=f"`{name}`")
        for name in ("from", "to", "stage")
        if (value := inner.node(name)) is not None
    }
    at = inner.node("at")
    at_ms = None if at is None else read_time_node(at, faults, what="`at`")
    if key == "moved":
        return Expected(node, "moved", names.get("from"), names.get("to"), at_ms=at_ms)
    return Expected(node, "lingered", to_stage=names.get("stage"), nth=inner.whole("nth", least=1), at_ms=at_ms)
