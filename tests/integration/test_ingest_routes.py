"""Ingest's routes as Segment's and RudderStack's SDKs use them: short forms, keys in every place, browsers."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.clock import ManualClock
from shared.event import Event, decode
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_api import NOW_MS, make_client, track

PAGE = "https://shop.example"


def events(log: MemoryLog) -> list[Event]:
    return [decode(entry.value) for entry in log.entries]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def client(log: MemoryLog) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(log) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "name"),
    [("t", "Order Completed"), ("p", "$page"), ("s", "$screen"), ("i", "$identify"), ("g", "$group"), ("a", "$alias")],
)
async def test_short_forms_are_the_long_ones(client: httpx.AsyncClient, log: MemoryLog, path: str, name: str) -> None:
    item = {"event": "Order Completed", "userId": "u1", "groupId": "g1", "previousId": "a1", "messageId": "m1"}

    response = await client.post(f"/v1/{path}", json=item)

    assert response.status_code == 200
    assert [event.name for event in events(log)] == [name]


async def test_an_alias_names_the_customer_and_who_it_was_before(client: httpx.AsyncClient, log: MemoryLog) -> None:
    await client.post("/v1/alias", json={"userId": "u1", "previousId": "a1", "messageId": "m1"})

    [event] = events(log)
    assert (event.type, event.customer, event.anonymous_id) == ("alias", "u1", "a1")


@pytest.mark.parametrize("item", [{"userId": "u1"}, {"previousId": "a1"}, {"userId": "u1", "previousId": "u1"}])
async def test_an_alias_needs_two_customers(client: httpx.AsyncClient, item: dict[str, str]) -> None:
    assert (await client.post("/v1/alias", json=item)).status_code == 400


async def test_a_beacon_has_its_key_in_the_query_and_is_plain_text(client: httpx.AsyncClient, log: MemoryLog) -> None:
    client.auth = None

    response = await client.post(
        "/beacon/v1/batch?writeKey=shop-key",
        content=json.dumps({"batch": [track()]}),
        headers={"content-type": "text/plain"},
    )

    assert response.status_code == 200
    assert [event.source for event in events(log)] == ["shop"]


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "in_body", "in_query", "source"),
    [
        (basic("shop-key"), "app-key", "app-key", "shop"),
        ({}, "shop-key", "app-key", "shop"),
        ({}, None, "shop-key", "shop"),
        ({"authorization": "Bearer token"}, "shop-key", None, "shop"),
        ({"authorization": "Bearer shop-key"}, None, None, "shop"),
        (basic(""), "shop-key", None, "shop"),
    ],
)
async def test_the_key_is_looked_for_in_the_order_that_sdks_mean(
    client: httpx.AsyncClient, log: MemoryLog, headers: dict[str, str], in_body: Any, in_query: Any, source: str
) -> None:
    client.auth = None
    body = {"batch": [track()]} | ({"writeKey": in_body} if in_body else {})

    response = await client.post(
        "/v1/batch", json=body, headers=headers, params={"writeKey": in_query} if in_query else {}
    )

    assert response.status_code == 200
    assert events(log)[0].source == source


async def test_the_same_call_without_id_and_time_counts_each_time(client: httpx.AsyncClient, log: MemoryLog) -> None:
    for _ in range(2):
        await client.post("/v1/track", json=track(messageId=None))

    first, second = events(log)
    assert first.id != second.id


async def test_the_same_call_with_a_time_counts_once(client: httpx.AsyncClient, log: MemoryLog) -> None:
    for _ in range(2):
        await client.post("/v1/track", json=track(messageId=None, timestamp="2025-12-31T00:00:00Z"))

    first, second = events(log)
    assert first.id == second.id


async def test_a_preflight_gets_what_it_asks_for(client: httpx.AsyncClient) -> None:
    asked = "authorization,content-type,anonymousid,sentat"

    response = await client.options(
        "/v1/t",
        headers={"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": asked},
    )

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-headers"] == asked
    assert "POST" in response.headers["access-control-allow-methods"]


async def test_a_page_may_read_its_answer_also_a_refusal(client: httpx.AsyncClient) -> None:
    good = await client.post("/v1/t", json=track(), headers={"origin": PAGE})
    bad = await client.post("/v1/t", json={}, headers={"origin": PAGE})
    plain = await client.post("/v1/t", json=track())

    assert [answer.headers.get("access-control-allow-origin") for answer in (good, bad, plain)] == [PAGE, PAGE, None]


async def test_origins_can_be_limited(log: MemoryLog) -> None:
    async with make_client(log, origins=("https://other.example",)) as client:
        response = await client.post("/v1/t", json=track(), headers={"origin": PAGE})

    assert "access-control-allow-origin" not in response.headers


async def test_a_key_over_its_rate_gets_429_until_the_time_it_was_told(log: MemoryLog) -> None:
    clock = ManualClock(NOW_MS)
    async with make_client(log, clock=clock) as client:
        client.auth = ("slow-key", "")
        batch = {"batch": [track(messageId=str(number)) for number in range(40)]}
        answers = [await client.post("/v1/batch", json=batch) for _ in range(2)]
        wait_s = int(answers[1].headers["retry-after"])
        clock.advance(wait_s * 1000)
        answers.append(await client.post("/v1/track", json=track()))

    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].json()["code"] == "rate_limited"
    assert wait_s == 3


async def test_one_keys_rate_is_nobody_elses(log: MemoryLog) -> None:
    async with make_client(log) as client:
        slow = {"writeKey": "slow-key", "batch": [track()] * 40}
        client.auth = None
        statuses = [(await client.post("/v1/batch", json=slow)).status_code for _ in range(2)]
        other = await client.post("/v1/batch", json={"writeKey": "app-key", "batch": [track()]})

    assert (statuses, other.status_code) == ([200, 429], 200)


async def test_the_operator_sees_what_was_refused_and_why(log: MemoryLog) -> None:
    async with make_client(log, admin_token="secret") as client:
        await client.post("/v1/batch", json={"batch": [track(), track(userId=None, event="Odd One")]})
        await client.post("/v1/track", content=b"nonsense")
        client.auth = None
        answer = await client.get("/rejects", headers={"authorization": "Bearer secret"})

    whole, item = answer.json()["rejects"]
    assert (whole["code"], whole["excerpt"], whole["source"]) == ("not_json", "nonsense", "shop")
    assert (item["code"], item["field"], item["route"]) == ("missing_field", "userId", "/v1/batch")
    assert "Odd One" in item["excerpt"]


@pytest.mark.parametrize("sent_at", ["", "soon", "2026-01-01T00:00:05", 1_767_225_600, 1e300, True, {}])
async def test_a_batch_sent_by_a_broken_clock_loses_nothing_and_the_operator_sees_it(
    log: MemoryLog, sent_at: Any
) -> None:
    batch = [track(timestamp="2025-12-31T23:00:00.000Z"), track(messageId="é" * 200)]
    async with make_client(log, admin_token="secret") as client:
        response = await client.post("/v1/batch", json={"batch": batch, "sentAt": sent_at})
        client.auth = None
        answer = await client.get("/rejects", headers={"authorization": "Bearer secret"})

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [event.occurred_at for event in events(log)] == ["2025-12-31T23:00:00.000Z", "2026-01-01T00:00:00.000Z"]
    (noted,) = answer.json()["rejects"]
    assert (noted["field"], noted["source"]) == ("sentAt", "shop")
    assert noted["message"].startswith("sentAt is left out: ")


@pytest.mark.parametrize("context", [b'{"a":1e400}', b'"x"', b'{"a":"' + b"x" * 8_192 + b'"}'])
async def test_a_context_that_cannot_be_kept_refuses_its_whole_batch(client: httpx.AsyncClient, context: bytes) -> None:
    batch = json.dumps([track()]).encode()

    response = await client.post("/v1/batch", content=b'{"batch":' + batch + b',"context":' + context + b"}")

    assert (response.status_code, response.json()["field"]) == (400, "context")


async def test_rejects_are_for_the_operator_alone(log: MemoryLog) -> None:
    async with make_client(log, admin_token="secret") as client:
        assert (await client.get("/rejects")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/v1/nothing/", 404, "not_found"),
        ("GET", "/v1/batch", 405, "method_not_allowed"),
        ("GET", "/rejects", 401, "unauthorized"),
    ],
)
async def test_what_the_framework_refuses_has_the_shape_of_every_refusal(
    log: MemoryLog, method: str, path: str, status: int, code: str
) -> None:
    async with make_client(log, admin_token="secret") as client:
        response = await client.request(method, path)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert {"success", "message", "type", "title", "status", "detail"} <= set(response.json())


async def test_a_parameter_that_cannot_be_is_422_with_its_name(log: MemoryLog) -> None:
    async with make_client(log, admin_token="secret") as client:
        client.auth = None
        response = await client.get("/rejects?limit=0", headers={"authorization": "Bearer secret"})

    assert (response.status_code, response.json()["code"]) == (422, "invalid_field")
    assert response.json()["field"] == "limit"


@pytest.mark.parametrize("path", ["/v1/batch/", "/v1/b/", "/beacon/v1/batch/"])
async def test_a_slash_at_the_end_changes_nothing(client: httpx.AsyncClient, log: MemoryLog, path: str) -> None:
    response = await client.post(path, json={"batch": [track()]})

    assert (response.status_code, len(log.entries)) == (200, 1)


async def test_a_batch_without_its_list_lacks_a_field(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/batch", json={})).json()

    assert (answer["code"], answer["field"]) == ("missing_field", "batch")


async def test_results_are_counted_by_source(log: MemoryLog) -> None:
    async with make_client(log) as client:
        await client.post(
            "/v1/batch", json={"writeKey": "app-key", "batch": [track(userId=None)]}, auth=("app-key", "")
        )
        metrics = (await client.get("/metrics")).text

    assert 'stageline_ingest_events_total{result="refused",source="app"}' in metrics
