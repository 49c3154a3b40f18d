"""Whatever bytes come: an answer of the documented kind, no crash, and a good neighbour is kept.

A few seconds each; `STAGELINE_FUZZ_EXAMPLES` asks for more.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from typing import Any

import httpx
import msgspec
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.event import decode
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_api import make_client

EXAMPLES = int(os.environ.get("STAGELINE_FUZZ_EXAMPLES", "100"))
BOUNDED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
GOOD = b'{"type":"track","event":"Good","userId":"neighbour","messageId":"good"}'

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.just(2**63) | st.just(10**400) | st.text(max_size=20)
    | st.floats() | st.sampled_from(["\0", "$page", "2026-01-01T00:00:00Z", "x" * 600])
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
_FIELDS = st.sampled_from(
    ["type", "event", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "properties",
     "traits", "context", "groupId", "previousId", "name", "category", "integrations"],
)  # fmt: skip
_ITEMS = st.dictionaries(_FIELDS, _VALUES, max_size=8).map(lambda item: json.dumps(item).encode())
_RAW = st.binary(max_size=60) | st.sampled_from(
    [b'{"a":1,"a":2}', b'{"userId":"\\ud800"}', b'{"x":1e999}',
     b"[" * 2000 + b"]" * 2000, b'{"x":NaN}', b'{"x":"\xff"}',
     b'{"userId":"u\\u0000"}', b'{"x":' + b"9" * 5000 + b"}"],
)  # fmt: skip


def _balanced(item: bytes) -> bool:
    """Whether an item cannot reach into its neighbours: brackets and quotes that nobody closes can."""
    try:
        return isinstance(msgspec.json.decode(item), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def post(path: str, body: bytes, **headers: str) -> tuple[httpx.Response, MemoryLog]:
    async def run() -> tuple[httpx.Response, MemoryLog]:
        log = MemoryLog()
        async with make_client(log) as client:
            return await client.post(path, content=body, headers=headers), log

    return asyncio.run(run())


@BOUNDED
@given(st.lists(_ITEMS | _RAW.filter(_balanced), max_size=5))
def test_a_good_item_is_kept_whatever_stands_beside_it(items: list[bytes]) -> None:
    response, log = post("/v1/batch", b'{"batch":[' + b",".join([*items, GOOD]) + b"]}")

    assert response.status_code == 200
    kept = [decode(entry.value) for entry in log.entries]
    assert "neighbour" in [event.customer for event in kept]
    refused = response.json().get("rejected", [])
    assert len(kept) + len(refused) == len(items) + 1


@BOUNDED
@given(
    _RAW | _ITEMS | st.binary(max_size=200), st.booleans(), st.sampled_from(["/v1/batch", "/v1/track", "/v1/import"])
)
def test_any_bytes_get_an_answer_of_the_documented_kind(body: bytes, is_packed: bool, path: str) -> None:
    response, log = post(path, gzip.compress(body) if is_packed else body)

    assert response.status_code in (200, 400, 413)
    answer: dict[str, Any] = response.json()
    assert answer["success"] is (response.status_code == 200)
    assert answer["success"] or (answer["code"] and answer["message"])
    assert all(decode(entry.value) for entry in log.entries)


@BOUNDED
@given(
    _RAW | _ITEMS,
    st.sampled_from(["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"]),
)
def test_any_cloudevent_gets_an_answer_of_the_documented_kind(body: bytes, content_type: str) -> None:
    response, _ = post("/events", body, **{"content-type": content_type, "ce-id": "1"})

    assert response.status_code in (200, 400, 413)


def test_the_described_routes_hold_against_what_schemathesis_makes_up() -> None:
    async def description() -> dict[str, Any]:
        async with make_client(MemoryLog()) as client:
            found: dict[str, Any] = (await client.get("/openapi.json")).json()
            return found

    schema = schemathesis.openapi.from_dict(asyncio.run(description()))
    for operation in (result.ok() for result in schema.get_all_operations()):
        _attack(operation)


def _attack(operation: Any) -> None:
    @settings(BOUNDED, max_examples=10)
    @given(operation.as_strategy())
    def attack(case: Any) -> None:
        body = b"" if isinstance(case.body, schemathesis.core.NotSet) else json.dumps(case.body).encode()
        if case.method == "POST":
            assert post(case.path, body)[0].status_code in (200, 400, 413)

    attack()
