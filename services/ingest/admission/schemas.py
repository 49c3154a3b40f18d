"""JSON Schemas for events, where people want them: one file for each event's name, and what a violation leads to.

`Order Completed.json` is for the properties of that event; `$identify.json` and `$group.json` for traits. A name that
no file can have stands percent-encoded.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import msgspec

from services.ingest.meters import violation_count
from services.ingest.refusal import Code, Rejected
from shared.errors import Refused
from shared.event import Event

_decode = msgspec.json.Decoder().decode
# A schema that is a text would be read once more, as JSON inside of JSON.
_decode_schema = msgspec.json.Decoder(dict[str, Any] | bool).decode


class Mode(StrEnum):
    """What a violation leads to: nothing is looked at, it is counted and shown, or the event is refused."""

    OFF = "off"
    WARN = "warn"
    REJECT = "reject"


class Schemas:
    """The schemas by event name."""

    def __init__(self, validators: dict[str, jsonschema_rs.Validator]) -> None:
        self._validators = validators

    def violation(self, event: Event) -> Rejected | None:
        """What is wrong with an event by its schema: the first fault, with the path of its field."""
        validator = self._validators.get(event.name)
        if validator is None:
            return None
        place = "traits" if event.type in ("identify", "group") else "properties"
        members = getattr(event, place)
        instance: Any = {} if members is msgspec.UNSET else _decode(members)
        error = next(iter(validator.iter_errors(instance)), None)
        if error is None:
            return None
        violation_count(event.source, event.name).inc()
        return Rejected(Code.SCHEMA, error.message[:500], field=_path(place, error.instance_path))


def read_schemas(folder: Path) -> Schemas:
    """All `*.json` of a folder. Errors: Refused, naming the file that cannot be read or is no schema."""
    if not folder.is_dir():
        raise Refused(f"STAGELINE_SCHEMAS: {folder} is no folder")
    return Schemas({unquote(path.stem): _validator(path) for path in sorted(folder.glob("*.json"))})


def _validator(path: Path) -> jsonschema_rs.Validator:
    try:
        schema = _decode_schema(path.read_bytes())
        return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=_nothing_elsewhere)
    except (OSError, ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        raise Refused(f"STAGELINE_SCHEMAS: {path.name}: {error}") from error


def _nothing_elsewhere(uri: str) -> Any:
    """A schema is one file: what it takes from elsewhere could change, or be away, while events come in."""
    raise ValueError(f"{uri} is not part of the file")


def _path(place: str, steps: list[str | int]) -> str:
    return place + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
