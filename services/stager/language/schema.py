"""A JSON Schema of lifecycle files, so that an editor completes and checks them while they are written.

Made from the same tables that `check` reads with; it says all that a schema can say. What needs more (names, types in
expressions, paths between stages) is left to `check`: the schema is never stricter.
"""

from __future__ import annotations

from typing import Any, Final

from services.stager.language.fields import METRIC_NAME, NAME, WHOLE_MAX
from services.stager.language.grammar import EXPRESSION_CHARACTERS_MAX
from services.stager.language.lifecycle import LIFECYCLE_KEYS, SEGMENT_KEYS
from services.stager.language.metric import METRICS_MAX, metric_keys
from services.stager.language.schema_metric import metric_schema
from services.stager.language.schema_words import WORDS
from services.stager.language.stage import STAGE_KEYS
from shared.event import RESERVED_NAMES

Schema = dict[str, Any]

_DURATION: Final = r"^(?=.*[1-9])(?:[0-9]+(?:_[0-9]+)*(?:ms|[smhdw]))+$"
_EXPRESSION: Final = rf"^\s*\S(?:[\s\S]{{0,{EXPRESSION_CHARACTERS_MAX - 2}}}\S)?\s*$"  # blanks around it do not count
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK: Final = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-5][0-9])?"
_RESERVED: Final = "|".join(sorted(name.removeprefix("$") for name in RESERVED_NAMES.values()))


def file_schema() -> Schema:
    """The schema of one document of a file (draft 7, what editors know best)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Stageline lifecycles and segments",
        "description": "One document a lifecycle or segment; campaigns and stories may stand in the same file.",
        "anyOf": [
            _ref("lifecycle"),
            _ref("segment"),
            _other("campaign", "on", "send"),
            _other("subscription", "send"),
            _other("story", "steps"),
        ],
        "definitions": {
            "lifecycle": _mapping("lifecycle", LIFECYCLE_KEYS, required=["lifecycle", "stages"]),
            "segment": _mapping("segment", SEGMENT_KEYS, required=["segment", "when"]),
            "stage_item": _mapping("stage", STAGE_KEYS, required=["stage"]) | {"dependencies": {"until": ["when"]}},
            "metric": {"anyOf": [metric_schema(function) for function in metric_keys()]},
            **_parts(),
        },
    }


def _mapping(title: str, keys: tuple[str, ...], *, required: list[str]) -> Schema:
    members = {key: _VALUES[key] | {"description": WORDS[key]} for key in keys}
    return {
        "title": title,
        "type": "object",
        "properties": members,
        "required": required,
        "additionalProperties": False,
    }


def _other(kind: str, *members: str) -> Schema:
    """A document of which no more is said here than that it is nothing else; a story may name its lifecycle."""
    others = {"lifecycle", "segment", "campaign", "subscription", "stages"} - {
        kind,
        "lifecycle" if kind == "story" else "",
    }
    return {
        "title": kind,
        "type": "object",
        "required": [kind, *members],
        "not": {"anyOf": [{"required": [other]} for other in sorted(others)]},
    }


def _parts() -> Schema:
    """What the mappings are made of."""
    return {
        "name": _text(f"^{NAME.pattern}$"),
        "expression": {"type": ["string", "boolean"], "pattern": _EXPRESSION},
        "duration": _text(_DURATION),
        "time": _text(f"^{_DAY}(?:{_CLOCK})?$"),
        "event": _text(rf"^(?!\*$)(?!\$(?!(?:{_RESERVED})$))[\s\S]*\S"),
        "events": {"anyOf": [{"const": "*"}, _ref("event"), _list(_ref("event"))]},
        "path": _text(r"^(?=[\s\S]*\S)[^.]+(?:\.[^.]+)*$"),
        "trait": _text(r"^traits(?:\.[^.]+)+$"),
        "text": _text(r"\S"),
        "scalar": {"type": ["string", "number", "boolean", "null"]},
        "whole": {"type": "integer", "minimum": 1, "maximum": WHOLE_MAX},
    }


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _ref(name: str) -> Schema:
    # In draft 7 what stands beside a $ref is not read: the description would be lost.
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


_LINGER: Final[Schema] = {
    "anyOf": [
        _ref("duration"),
        _list(_ref("duration")) | {"maxItems": WHOLE_MAX},
        {
            "type": "object",
            "properties": {
                "after": _ref("duration") | {"description": WORDS["linger.after"]},
                "every": _ref("duration") | {"description": WORDS["linger.every"]},
                "times": {"anyOf": [_ref("whole"), {"const": "forever"}], "description": WORDS["linger.times"]},
            },
            "required": ["after"],
            "additionalProperties": False,
        },
    ]
}
_RE_ENTER: Final[Schema] = {
    "anyOf": [
        {"enum": ["always", "never"]},
        {
            "type": "object",
            "properties": {"after": _ref("duration")},
            "required": ["after"],
            "additionalProperties": False,
        },
    ]
}
_VALUES: Final[dict[str, Schema]] = {
    "lifecycle": _ref("name"),
    "segment": _ref("name"),
    "stage": _ref("name"),
    "metrics": {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{METRIC_NAME.pattern}$"},
        "additionalProperties": _ref("metric"),
        "maxProperties": METRICS_MAX,
    },
    "stages": _list(_ref("stage_item")),
    "forward_only": {"type": "boolean"},
    "zone": _ref("text"),
    "carry": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "description": _ref("scalar"),
    "when": _ref("expression"),
    "until": _ref("expression"),
    "from": {"anyOf": [_ref("text"), _list(_ref("text"))]},
    "re_enter": _RE_ENTER,
    "min_stay": _ref("duration"),
    "linger": _LINGER,
}
