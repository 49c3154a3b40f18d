"""Schemas by event name: what passes, what is said of what does not, and what a violation leads to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.ingest.admission.schemas import Schemas, read_schemas
from shared.errors import Refused
from shared.event import Event

ORDER = {
    "type": "object",
    "required": ["revenue"],
    "properties": {
        "revenue": {"type": "number"},
        "items": {"type": "array", "items": {"properties": {"sku": {"type": "string"}}}},
    },
}


@pytest.fixture
def schemas(tmp_path: Path) -> Schemas:
    (tmp_path / "Order Completed.json").write_text(json.dumps(ORDER))
    (tmp_path / "$identify.json").write_text(json.dumps({"properties": {"plan": {"enum": ["free", "pro"]}}}))
    (tmp_path / "a%2Fb.json").write_text(json.dumps({"required": ["x"]}))
    return read_schemas(tmp_path)


def order(properties: Any, **beside: Any) -> Event:
    raw = msgspec.UNSET if properties is None else msgspec.Raw(json.dumps(properties).encode())
    return Event(**{"type": "track", "name": "Order Completed", "properties": raw, "source": "shop", **beside})


@pytest.mark.parametrize("properties", [{"revenue": 1}, {"revenue": 1, "items": [{"sku": "a"}]}])
def test_what_fits_passes(schemas: Schemas, properties: Any) -> None:
    assert schemas.violation(order(properties)) is None


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        (None, "properties"),
        ({}, "properties"),
        ({"revenue": "1"}, "properties.revenue"),
        ({"revenue": 1, "items": [{"sku": "a"}, {"sku": 2}]}, "properties.items[1].sku"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field(schemas: Schemas, properties: Any, field: str) -> None:
    violation = schemas.violation(order(properties))

    assert violation is not None
    assert (violation.code, violation.field) == ("schema", field)


def test_traits_have_the_schema_of_their_kind(schemas: Schemas) -> None:
    event = Event(type="identify", name="$identify", traits=msgspec.Raw(b'{"plan":"gold"}'), source="shop")

    violation = schemas.violation(event)

    assert violation is not None
    assert violation.field == "traits.plan"


def test_a_name_that_no_file_can_have_stands_percent_encoded(schemas: Schemas) -> None:
    assert schemas.violation(order({}, name="a/b")) is not None


def test_an_event_without_a_schema_passes(schemas: Schemas) -> None:
    assert schemas.violation(order({}, name="Another")) is None


_NO_SCHEMAS = [
    b"{", b'{"type": "nothing"}', b'{"$ref": "https://elsewhere.example/schema.json"}', b'{"title": "caf\xe9"}',
    b'{"not":' * 500 + b"{}" + b"}" * 500, b'{"not":' * 3_000 + b"{}" + b"}" * 3_000, b'"{}"', b"5",
]  # fmt: skip


@pytest.mark.parametrize("text", _NO_SCHEMAS, ids=lambda text: ascii(text[:20]))
def test_a_file_that_is_no_schema_is_refused_by_name(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "Broken.json").write_bytes(text)

    with pytest.raises(Refused, match=r"Broken\.json"):
        read_schemas(tmp_path)
