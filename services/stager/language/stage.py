"""Stages of a lifecycle (LANGUAGE.md 1 and 5): each by itself, then how they lead to one another."""

from __future__ import annotations

from services.stager.language.definition import Constant, Kind, Stage
from services.stager.language.fields import Fields, as_list, is_number, items_of, read_name, read_text_node
from services.stager.language.grammar import place_of_call
from services.stager.language.linger import read_linger, read_re_enter
from services.stager.language.scope import Scope
from services.stager.language.walk import counts_the_visit
from shared.document.nodes import Faults, Hints, Listing, Mapping, Node, Scalar

STAGE_KEYS = ("stage", "when", "until", "from", "re_enter", "min_stay", "linger", "description")
_LIFECYCLE_KEYS = ("metrics", "forward_only", "zone", "carry")


def read_stages(node: Node, faults: Faults, *, scope: Scope, forward_only: bool) -> tuple[Stage, ...]:
    """The stages in journey order. Those that cannot be read at all are reported and left out."""
    if not isinstance(node, Listing) or not node.items:
        faults.add(node, "`stages` is a list of stages, each beginning with `- stage: NAME`")
        return ()
    places: list[Fields] = []
    for item in node.items:
        if isinstance(item, Mapping):
            places.append(
                Fields(
                    item, faults, what="a stage", known=STAGE_KEYS, meant={"name": "stage"}, belongs=_of_the_lifecycle
                )
            )
        else:
            faults.add(item, "a stage begins with `- stage: NAME`")
    stages = tuple(read_stage(place, name=_name(place), scope=scope) for place in places)
    are_known = len(places) == len(node.items) and all(stage.name for stage in stages)
    if _check_names(places, stages, are_known=are_known) and are_known:
        _check_reach(places, stages, forward_only=forward_only)
        _warn_of_cover(places, stages)
    return stages


def _of_the_lifecycle(key: Scalar, _near: str | None) -> str | None:
    """What to say of a lifecycle's key that stands in a stage."""
    message = f"`{key.value}` belongs to the whole lifecycle: it stands at the margin, beside `stages`"
    return message if key.value in _LIFECYCLE_KEYS else None


def read_stage(fields: Fields, *, name: str, scope: Scope) -> Stage:
    """One stage, or the place `in` of a segment. What is wrong is reported and left out."""
    when, until = fields.condition("when", scope), fields.condition("until", scope)
    if "until" in fields and "when" not in fields:
        fields.faults.add(fields.key("until"), "`until` needs a `when`", text="until")
    if when is not None and "until" not in fields and counts_the_visit(when):
        message = "a `when` with in_stage() or entered() needs an `until`: once the move is made they count anew"
        node = fields.mapping.get("when") or fields.mapping
        offset, call = place_of_call(getattr(node, "value", ""), ("in_stage", "entered"))
        fields.faults.add(node, message, offset=offset, text=call)
    return Stage(
        name=name,
        when=when,
        until=until,
        came_from=_came_from(fields),
        re_enter_ms=read_re_enter(fields),
        min_stay_ms=fields.duration("min_stay") or 0,
        linger=read_linger(fields),
        description=read_description(fields),
    )


def read_description(fields: Fields) -> str:
    """The text of `description`, whatever YAML takes it for; empty when absent."""
    node = fields.mapping.get("description")
    if node is None or isinstance(node, Scalar):
        return node.value.strip() if node is not None else ""
    fields.faults.add(node, "`description` is a single text")
    return ""


def _name(fields: Fields) -> str:
    node = fields.node("stage")
    if node is None:
        if "stage" not in fields:
            fields.faults.add(fields.mapping, "a stage needs a name: `stage: NAME`")
        return ""
    return read_name(node, fields.faults, what="a stage's name") or ""


def _came_from(fields: Fields) -> frozenset[str] | None:
    node = fields.node("from")
    if node is None:
        return None
    items = items_of(node)
    if not items:
        fields.faults.add(node, "`from` is a stage or a list of stages, but it is empty")
        return None
    names = (item.value if is_number(item) else read_text_node(item, fields.faults, what="`from`") for item in items)
    return frozenset(name for name in names if name is not None)


def _check_names(places: list[Fields], stages: tuple[Stage, ...], *, are_known: bool) -> bool:
    """Whether each name is there once. Where all names are known, every `from` is one of them."""
    seen: set[str] = set()
    known = {stage.name for stage in stages}
    hints = Hints()
    for fields, stage in zip(places, stages, strict=True):
        if stage.name and stage.name in seen:
            fields.faults.add(fields.mapping.get("stage") or fields.mapping, f"there are two stages `{stage.name}`")
        seen.add(stage.name)
        for item in items_of(fields.mapping.get("from") or Listing(fields.mapping.source, 0, 0, ())):
            text = item.value if isinstance(item, Scalar) and (is_number(item) or isinstance(item.meaning, str)) else ""
            if are_known and text.strip() and text not in known:
                message = f"`from` names `{text}`, which is no stage of this lifecycle"
                several = [part.strip() for part in text.split(",")]
                suggestion = as_list(text) if known.issuperset(several) else hints.nearest(text, known)
                fields.faults.add(item, message, suggestion=suggestion)
    return len(seen) == len(stages)


def _check_reach(places: list[Fields], stages: tuple[Stage, ...], *, forward_only: bool) -> None:
    known = {stage.name for stage in stages}
    if any(stage.came_from is not None and not stage.came_from & known for stage in stages):
        return  # reported already; what follows from it would be noise
    reached = _reached(stages, forward_only=forward_only)
    for fields, stage in zip(places, stages, strict=True):
        if stage.name not in reached:
            why = "`from` and `forward_only`" if forward_only else "`from`"
            message = f"no customer can ever reach `{stage.name}`: no path of {why} leads to it"
            fields.faults.add(fields.key("from"), message, text="from")


def _warn_of_cover(places: list[Fields], stages: tuple[Stage, ...]) -> None:
    """Warn of the last stage that always is open and holds: a customer is there, or further on."""
    for fields, stage, before in reversed(list(zip(places, stages, range(len(stages)), strict=True))):
        always_holds = "when" not in fields or stage.when == Constant(True, Kind.FLAG)
        if before and always_holds and stage.came_from is None and stage.re_enter_ms == 0:
            others = "the stage before it" if before == 1 else "any stage before it"
            message = f"`{stage.name}` holds for everybody, so nobody is ever in {others}; give it a `when`"
            place = fields.mapping.get("stage") or fields.mapping
            fields.faults.add(place, message, severity="warning")
            return


def _reached(stages: tuple[Stage, ...], *, forward_only: bool) -> set[str]:
    """The stages that some path leads to, beginning with no stage: that opens all without `from`."""
    places = {stage.name: place for place, stage in enumerate(stages)}
    leads_to: dict[str, list[str]] = {}
    for stage in stages:
        for source in stage.came_from or ():
            if source in places and (not forward_only or places[source] < places[stage.name]):
                leads_to.setdefault(source, []).append(stage.name)
    waiting = [stage.name for stage in stages if stage.came_from is None]
    reached = set(waiting)
    while waiting:
        for name in leads_to.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached
