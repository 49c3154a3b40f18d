"""Ingest over HTTP, in process: what callers get, and what stands in the log when they get it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.ingest.access.control import AccessControl
from services.ingest.access.keys import parse_write_keys
from services.ingest.delivery import Delivery
from services.ingest.http.api import make_app
from services.ingest.http.handlers import Ingest
from services.ingest.imports.ledger import Ledger
from services.ingest.request.capacity import Capacity
from shared.clock import ManualClock
from shared.errors import Malformed, Refused, Unavailable
from shared.event import Event, decode
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
AUTH = ("shop-key", "")


KEYS = "shop:shop-key,app:app-key,slow:slow-key rate=10"


def make_client(
    log: MemoryLog, *, bytes_max: int = 32 * 1024 * 1024, requests_max: int = 8, **beside: Any
) -> httpx.AsyncClient:
    clock = beside.pop("clock", None) or ManualClock(NOW_MS)
    topics = Topics("t", len(log.partitions))
    ingest = Ingest(
        access=AccessControl(parse_write_keys(KEYS), clock=clock),
        delivery=Delivery(log, topics, timeout_s=0.05),
        ledger=Ledger(log, topics, timeout_s=0.05),
        capacity=Capacity(bytes_max=bytes_max, requests_max=requests_max),
        clock=clock,
        stop=asyncio.Event(),
        **beside,
    )
    transport = httpx.ASGITransport(make_app(ingest, lambda: None))
    return httpx.AsyncClient(transport=transport, base_url="http://ingest", auth=AUTH)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def client(log: MemoryLog) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(log) as client:
        yield client


def track(**beside: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1", **beside}


def events(log: MemoryLog) -> list[Event]:
    return [decode(entry.value) for entry in log.entries]


async def test_an_acknowledged_track_stands_in_the_log(client: httpx.AsyncClient, log: MemoryLog) -> None:
    response = await client.post("/v1/track", json=track(properties={"revenue": 12.5}))

    assert (response.status_code, response.json()) == (200, {"success": True})
    [entry] = log.entries
    assert entry.key == b"u1"
    assert json.loads(entry.value or b"") == {
        "type": "track", "id": "m1", "customer": "u1", "name": "Order Completed", "source": "shop",
        "occurred_at": "2026-01-01T00:00:00.000Z", "properties": {"revenue": 12.5},
    }  # fmt: skip


async def test_a_record_carries_cloudevents_headers_and_the_trace(client: httpx.AsyncClient, log: MemoryLog) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await client.post("/v1/track", json=track(), headers={"traceparent": trace})

    assert dict(log.entries[0].headers) == {
        "ce_specversion": b"1.0", "ce_id": b"m1", "ce_type": b"stageline.track", "ce_source": b"/sources/shop",
        "ce_time": b"2026-01-01T00:00:00.000Z", "content-type": b"application/json", "traceparent": trace.encode(),
    }  # fmt: skip


async def test_a_batch_is_one_append(client: httpx.AsyncClient, log: MemoryLog) -> None:
    batch = [track(messageId=f"m{number}", userId=f"u{number}") for number in range(50)]

    response = await client.post("/v1/batch", json={"batch": batch})

    assert response.status_code == 200
    assert log.calls == [50]


async def test_a_bad_item_never_sinks_its_neighbours(client: httpx.AsyncClient, log: MemoryLog) -> None:
    batch = [track(messageId="a"), track(userId=None), track(messageId="b")]

    response = await client.post("/v1/batch", json={"batch": batch})

    assert response.status_code == 200
    assert response.json()["success"] is True
    assert [(item["index"], item["code"], item["field"]) for item in response.json()["rejected"]] == [
        (1, "missing_field", "userId")
    ]
    assert [event.id for event in events(log)] == ["a", "b"]


@pytest.mark.parametrize("bad", [b'{"x":"\\ud800"}', b"[" * 5000 + b"]" * 5000, b'{"x":NaN}', b'{"x":"\xff"}'])
async def test_an_item_that_is_no_json_never_sinks_its_neighbours(
    client: httpx.AsyncClient, log: MemoryLog, bad: bytes
) -> None:
    items = [json.dumps(track(messageId="a")).encode(), bad, json.dumps(track(messageId="b")).encode()]

    response = await client.post("/v1/batch", content=b'{"batch":[' + b",".join(items) + b'],"sentAt":null}')

    assert response.status_code == 200
    assert [item["index"] for item in response.json()["rejected"]] == [1]
    assert [event.id for event in events(log)] == ["a", "b"]


async def test_a_batch_of_bad_items_is_400_with_code_and_message(client: httpx.AsyncClient, log: MemoryLog) -> None:
    response = await client.post("/v1/batch", json={"batch": [track(timestamp="2026-01-01T00:00:00")]})

    answer = response.json()
    assert response.status_code == answer["status"] == 400
    assert (answer["code"], answer["field"]) == ("invalid_field", "batch[0].timestamp")
    assert answer["message"]
    assert answer["detail"] == answer["message"]
    assert log.entries == []


async def test_a_batch_without_items_list_is_400(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", json={"batch": 5})

    assert (response.status_code, response.json()["field"]) == (400, "batch")


async def test_more_than_2500_items_are_413(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", json={"batch": [1] * 2501})

    assert (response.status_code, response.json()["code"]) == (413, "too_many_events")


async def test_an_unknown_key_is_401(client: httpx.AsyncClient, log: MemoryLog) -> None:
    response = await client.post("/v1/track", json=track(), auth=("nobody", ""))

    assert (response.status_code, response.json()["code"]) == (401, "unknown_key")
    assert response.headers["www-authenticate"].startswith("Basic")
    assert log.entries == []


async def test_the_key_may_stand_in_the_body(client: httpx.AsyncClient, log: MemoryLog) -> None:
    client.auth = None

    response = await client.post("/v1/batch", json={"writeKey": "app-key", "batch": [track()]})

    assert response.status_code == 200
    assert events(log)[0].source == "app"


async def test_no_key_at_all_is_401(client: httpx.AsyncClient) -> None:
    client.auth = None

    assert (await client.post("/v1/track", json=track())).status_code == 401


async def test_gzip_is_known_by_its_magic_whatever_the_headers(client: httpx.AsyncClient, log: MemoryLog) -> None:
    body = gzip.compress(json.dumps({"batch": [track()]}).encode())

    response = await client.post(
        "/v1/batch", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert response.status_code == 200
    assert len(log.entries) == 1


async def test_a_gzip_bomb_is_413(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", content=gzip.compress(b" " * 20_000_000))

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_a_broken_gzip_is_400(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", content=gzip.compress(b'{"batch":[]}')[:-4])

    assert (response.status_code, response.json()["code"]) == (400, "broken_gzip")


async def test_a_large_single_event_is_413(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/track", json=track(properties={"x": "y" * 40_000}))

    assert response.status_code == 413


async def test_a_log_that_does_not_answer_is_503_within_the_bound(client: httpx.AsyncClient, log: MemoryLog) -> None:
    log.silent = True

    async with asyncio.timeout(5):
        response = await client.post("/v1/track", json=track())

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("failure", [Unavailable("no broker"), Refused("no right to"), Malformed("too large")])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import"])
async def test_a_log_that_fails_is_503(
    client: httpx.AsyncClient, log: MemoryLog, failure: Exception, path: str
) -> None:
    log.failure = failure

    answer = await client.post(path, json={"batch": [track()]} if path == "/v1/batch" else track())

    assert (answer.status_code, answer.json()["message"]) == (503, str(failure))
    assert int(answer.headers["retry-after"]) > 0


async def test_beyond_the_bound_of_waiting_requests_the_answer_is_503_at_once(log: MemoryLog) -> None:
    log.silent = True
    async with make_client(log, requests_max=1) as client, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.post("/v1/track", json=track()))
        await log.asked.wait()

        response = await client.post("/v1/track", json=track())

        assert response.status_code == 503
        assert not waiting.done()


async def test_beyond_the_bound_of_waiting_bytes_the_answer_is_503(log: MemoryLog) -> None:
    async with make_client(log, bytes_max=1000) as client:
        large = await client.post("/v1/track", json=track(properties={"x": "y" * 2000}))
        small = await client.post("/v1/track", json=track())

    assert (large.status_code, small.status_code) == (503, 200)


async def test_the_api_describes_itself(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]

    kinds = ["track", "page", "screen", "identify", "group", "alias", "batch", "import", *"tpsigab"]
    assert set(paths) == {f"/v1/{name}" for name in kinds} | {"/beacon/v1/batch", "/events", "/rejects"}


async def test_accepted_events_are_counted_by_source(client: httpx.AsyncClient) -> None:
    await client.post("/v1/track", json=track())

    assert 'stageline_ingest_events_total{result="accepted",source="shop"}' in (await client.get("/metrics")).text
