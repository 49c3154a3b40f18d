"""The part of the JSON Schema that tells how each metric is written."""

from __future__ import annotations

from typing import Any, Final

from services.stager.language.definition import MetricFunction
from services.stager.language.fields import WHOLE_MAX
from services.stager.language.metric import metric_keys
from services.stager.language.schema_words import WORDS
from services.stager.language.window import UNITS

Schema = dict[str, Any]


def metric_schema(function: MetricFunction) -> Schema:
    """The mapping of a metric with this function."""
    keys = metric_keys()[function]
    members = {key: _value(function, key) | {"description": WORDS[f"metric.{key}"]} for key in keys}
    schema: Schema = {
        "title": function,
        "type": "object",
        "properties": members,
        "required": [function, *(key for key in keys if key in _REQUIRED)],
        "additionalProperties": False,
    }
    if "calendar" in keys:
        schema |= {"dependencies": {"ago": ["within"], "back": ["calendar"]}, "allOf": _EXCLUSIVE}
    return schema


def _value(function: str, key: str) -> Schema:
    if key != function:
        return _OPTIONS[key]
    if function == "sequence":
        return {"type": "array", "items": _ref("events"), "minItems": 1}
    if function == "changed":
        return _ref("trait")
    return _ref("path") if "of" in metric_keys()[_known(function)] else _ref("events")


def _known(function: str) -> MetricFunction:
    return next(name for name in metric_keys() if name == function)


def _ref(name: str) -> Schema:
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


_REQUIRED: Final = frozenset({"of", "period", "periods"})
_EXCLUSIVE: Final = [
    {"not": {"required": ["within", "between"]}},
    {"not": {"required": ["within", "calendar"]}},
    {"not": {"required": ["between", "calendar"]}},
]
_OPTIONS: Final[dict[str, Schema]] = {
    "of": _ref("events"),
    "where": {"anyOf": [_ref("expression"), {"type": "null"}]},  # in `where`, `null` is a property's name
    "within": _ref("duration"),
    "ago": _ref("duration"),
    "between": {"type": "array", "items": _ref("time"), "minItems": 2, "maxItems": 2},
    "calendar": {"enum": list(UNITS)},
    "back": {"type": "integer", "minimum": 0, "maximum": WHOLE_MAX},
    "period": _ref("duration"),
    "periods": _ref("whole"),
    "at_least": _ref("whole"),
}
