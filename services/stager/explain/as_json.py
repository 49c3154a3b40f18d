"""An explanation as JSON for programs: times RFC 3339, durations in milliseconds, nulls written."""

from __future__ import annotations

from typing import Any

import msgspec

from services.stager.explain.explanation import (
    Block,
    Clause,
    Evidence,
    Explanation,
    Foreseen,
    LifecycleView,
    StageView,
    Value,
)
from shared.clock import rfc3339


def encode(explanation: Explanation) -> bytes:
    """One JSON object: `customer`, `at`, and `lifecycles` by name, the current stage's and all others' conditions."""
    return msgspec.json.encode(as_members(explanation))


def as_members(explanation: Explanation) -> dict[str, Any]:
    """The same before it is encoded."""
    return {
        "customer": explanation.customer,
        "at": rfc3339(explanation.at_ms),
        "lifecycles": {view.name: _lifecycle(view) for view in explanation.lifecycles},
    }


def _lifecycle(view: LifecycleView) -> dict[str, Any]:
    return {
        "segment": view.segment,
        "version": view.version,
        "stage": view.stage,
        "since": _time(view.since_ms),
        "entry": view.entry,
        "next_move": foreseen_members(view.next_move),
        "next_linger": foreseen_members(view.next_linger),
        "foreseen_whole": view.is_foreseen_whole,
        "pending": view.is_pending,
        "stages": [_stage(stage) for stage in view.stages],
    }


def foreseen_members(foreseen: Foreseen | None) -> dict[str, Any] | None:
    """What comes by itself, or null."""
    if foreseen is None:
        return None
    return {
        "change": foreseen.change,
        "to": foreseen.to_stage,
        "at": rfc3339(foreseen.at_ms),
        "nth": foreseen.nth,
        "then": foreseen.then,
    }


def _stage(stage: StageView) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "place": stage.place,
        "holds": stage.holds,
        "because": stage.because,
        "open": not stage.blocks,
        "when": _clause(stage.when),
        "until": _clause(stage.until),
        "blocked_by": [_block(block) for block in stage.blocks],
        "kept_by": None if stage.kept_by is None else _block(stage.kept_by),
    }


def _block(block: Block) -> dict[str, Any]:
    return {"option": block.option, "text": block.text, "until": _time(block.until_ms)}


def _clause(clause: Clause | None) -> dict[str, Any] | None:
    if clause is None:
        return None
    members: dict[str, Any] = {"text": clause.text, "holds": clause.holds, "turns": _time(clause.turns_ms)}
    if clause.joined is None:
        return members | {"values": [_value(value) for value in clause.values]}
    return members | {"joined": clause.joined, "parts": [_clause(part) for part in clause.parts]}


def _value(value: Value) -> dict[str, Any]:
    members: dict[str, Any] = {"text": value.text, "kind": value.kind, "value": value.value}
    if value.note:
        members["note"] = value.note
    if value.evidence is not None:
        members["evidence"] = _evidence(value.evidence)
    return members


def _evidence(evidence: Evidence) -> dict[str, Any]:
    events = [
        {"id": event.id, "name": event.name, "occurred_at": rfc3339(event.occurred_ms)} for event in evidence.events
    ]
    return {"count": evidence.count, "events": events}


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
