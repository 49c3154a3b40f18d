"""An explanation as text for people: the stages from the current one on, a mark before each clause, values below it."""

from __future__ import annotations

from collections.abc import Container, Iterator

from services.stager.explain.explanation import Clause, Evidence, Explanation, Foreseen, LifecycleView, StageView, Value
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, rfc3339

_HOLDS, _FAILS = "[x]", "[ ]"


def render(explanation: Explanation) -> str:
    """All lifecycles of an explanation, ending with a line end."""
    lines = [f"{explanation.customer} at {rfc3339(explanation.at_ms)}"]
    for lifecycle in explanation.lifecycles:
        lines += ["", *render_lifecycle(lifecycle, explanation.at_ms)]
    return "\n".join(lines) + "\n"


def render_lifecycle(view: LifecycleView, at_ms: int, *, only: Container[str] | None = None) -> list[str]:
    """The lines of one lifecycle or segment: the current stage and those that `only` names; None: those after the
    current one, and the one to which time alone will move the customer.
    """
    lines = [_where(view, at_ms), *(f"  {line}" for line in _what_comes(view, at_ms))]
    if view.is_pending:
        lines.append("  The definition has changed since the last event; the next event applies it.")
    told: set[str] = set()
    for stage in view.stages:
        if stage.place == "current" or view.segment or (_matters(stage, view) if only is None else stage.name in only):
            lines += [f"  {line}" for line in _stage(stage, told)]
    return lines


def _matters(stage: StageView, view: LifecycleView) -> bool:
    return stage.place == "further" or (view.next_move is not None and stage.name == view.next_move.to_stage)


def say_span(length_ms: int) -> str:
    """A duration in at most two units, rounded down: `93d 15h`, `4m 2s`, `120ms`."""
    if abs(length_ms) < SECOND_MS:
        return f"{length_ms}ms"
    units = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"))
    rest, parts = abs(length_ms), []
    for unit_ms, unit in units:
        amount, rest = divmod(rest, unit_ms)
        parts.append(f"{amount}{unit}" if amount else "")
    first = next(place for place, part in enumerate(parts) if part)
    return ("-" if length_ms < 0 else "") + " ".join(filter(None, parts[first : first + 2]))


def _where(view: LifecycleView, at_ms: int) -> str:
    if view.stage is None or view.since_ms is None:
        return f"{view.name}: in no stage"
    visit = f", visit {view.entry}" if view.entry > 1 else ""
    return f"{view.name}: {view.stage} since {rfc3339(view.since_ms)} ({say_span(at_ms - view.since_ms)}{visit})"


def _what_comes(view: LifecycleView, at_ms: int) -> Iterator[str]:
    if view.next_linger is not None:
        yield f"If nothing happens: lingers {_when(view.next_linger, at_ms)} (number {view.next_linger.nth})"
    if view.next_move is not None:
        targets = ", then ".join(stage or "no stage" for stage in (view.next_move.to_stage, *view.next_move.then))
        yield f"If nothing happens: moves to {targets} {_when(view.next_move, at_ms)}"
    elif view.is_foreseen_whole:
        yield "If nothing happens: no move"
    else:
        yield "If nothing happens: no move within the time that was looked at"


def _when(foreseen: Foreseen, at_ms: int) -> str:
    return f"at {rfc3339(foreseen.at_ms)} (in {say_span(foreseen.at_ms - at_ms)})"


def _stage(stage: StageView, told: set[str]) -> Iterator[str]:
    """The lines of a stage; `told` are the values whose events have been named already: once is enough."""
    yield f"{'=>' if stage.place == 'current' else '  '} {stage.name}: {_verdict(stage)}"
    for label, clause in (("when", stage.when), ("until", stage.until)):
        if clause is not None and (label == "when" or stage.place == "current"):  # `until` is for those who are in
            yield f"     {label}:"
            yield from (f"       {line}" for line in _clause(clause, told))
    for block in stage.blocks:
        end = "" if block.until_ms is None else f", until {rfc3339(block.until_ms)}"
        yield f"     closed by {block.option}: {block.text}{end}"


def _verdict(stage: StageView) -> str:
    """Whether it holds, and why."""
    reason = {
        "always": "holds (it has no condition)",
        "when": "holds",
        "until": "still holds (its `until` has not come true)",
        None: "does not hold",
    }[stage.because]
    if stage.place == "current":
        if stage.kept_by is not None:
            end = "" if stage.kept_by.until_ms is None else f" until {rfc3339(stage.kept_by.until_ms)}"
            return f"no longer holds; kept by `{stage.kept_by.option}`{end}"
        is_held = stage.because == "when" and stage.until is not None and stage.until.holds
        return f"{reason} (its `until` is true, but anyone who meets `when` stays)" if is_held else reason
    return f"{reason}, but is closed" if stage.holds and stage.blocks else reason


def _clause(clause: Clause, told: set[str]) -> Iterator[str]:
    mark = _HOLDS if clause.holds else _FAILS
    turns = "true until" if clause.holds else "becomes true"
    turn = "" if clause.turns_ms is None else f"   ({turns} {rfc3339(clause.turns_ms)})"
    if clause.joined is None:
        yield f"{mark} {clause.text}{turn}"
        yield from (f"      {line}" for value in clause.values for line in _value(value, told))
        return
    words = {"and": "all of:", "or": "any of:", "not": "not:"}
    yield f"{mark} {words[clause.joined]}{turn}"
    for part in clause.parts:
        yield from (f"    {line}" for line in _clause(part, told))


def _value(value: Value, told: set[str]) -> Iterator[str]:
    note = f" ({value.note})" if value.note else ""
    yield f"{value.text} is {_shown(value)}{note}"
    if value.evidence is not None and value.evidence.events and value.text not in told:
        told.add(value.text)
        yield f"  from {_events(value.evidence)}"


def _shown(value: Value) -> str:
    if value.value is None:
        return "missing"
    if value.kind == "duration":
        return say_span(value.value)
    if isinstance(value.value, str) and value.kind != "time":
        return f'"{value.value}"'
    return str(value.value).lower() if isinstance(value.value, bool) else _plain(value.value)


def _plain(value: object) -> str:
    return bytes(value).decode() if isinstance(value, memoryview | bytes) else str(value)


def _events(evidence: Evidence) -> str:
    said = [f"{event.name} {rfc3339(event.occurred_ms)} (id {event.id})" for event in evidence.events]
    more = evidence.count - len(said)
    return ", ".join(said) + (f", and {more} before" if more else "")
