"""The Python SDKs that people have, unchanged but for the URL: Segment's, with its retries, and CloudEvents'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent
from segment.analytics.client import Client

from shared.errors import Unavailable
from shared.event import Event, decode
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving

KEYS = "shop:shop-key,slow:slow-key rate=1"


async def sent(log: MemoryLog, calls: Callable[[Client], object], *, key: str = "shop-key") -> list[Event]:
    failed: list[object] = []

    def run(host: str) -> None:
        client = Client(key, host=host, gzip=True, on_error=lambda error, _: failed.append(error))
        calls(client)
        client.flush()
        client.join()

    async with serving(log, keys=KEYS) as (http_client, _):
        await asyncio.to_thread(run, str(http_client.base_url))
    assert failed == []
    return [decode(entry.value) for entry in log.entries]


def opened(members: object) -> Any:
    assert isinstance(members, msgspec.Raw)
    return msgspec.json.decode(members)


async def test_every_call_of_segments_sdk_arrives() -> None:
    def calls(client: Client) -> None:
        client.identify("u1", {"plan": "pro"})
        client.track("u1", "Order Completed", {"revenue": 12.5})
        client.page("u1", "Shop", "Home", {"path": "/"})
        client.screen("u1", "Shop", "Start")
        client.group("u1", "g1", {"seats": 5})
        client.alias("a1", "u1")

    events = {event.name: event for event in await sent(MemoryLog(), calls)}

    assert set(events) == {"$identify", "Order Completed", "$page", "$screen", "$group", "$alias"}
    assert opened(events["$identify"].traits) == {"plan": "pro"}
    assert opened(events["Order Completed"].properties) == {"revenue": 12.5}
    assert opened(events["$page"].properties) == {"path": "/", "name": "Home", "category": "Shop"}
    assert (events["$alias"].customer, events["$alias"].anonymous_id) == ("u1", "a1")
    assert {event.source for event in events.values()} == {"shop"}


async def test_segments_sdk_sends_again_after_503_with_the_same_ids() -> None:
    log = MemoryLog()
    log.failure, log.failures_left = Unavailable("no broker"), 1

    events = await sent(log, lambda client: client.track("u1", "Order Completed"))

    assert (len(events), log.failures_left) == (1, 0)


async def test_segments_sdk_waits_as_long_as_429_says() -> None:
    log = MemoryLog()

    def calls(client: Client) -> None:
        client.track("u1", "First")
        client.track("u1", "Second")
        client.track("u1", "Third")
        client.flush()
        client.track("u1", "Fourth")

    events = await sent(log, calls, key="slow-key")

    assert [event.name for event in events] == ["First", "Second", "Third", "Fourth"]


ATTRIBUTES = {"type": "Order Completed", "source": "/shop", "subject": "u1", "id": "e1", "time": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("write", [to_binary, to_structured])
async def test_cloudevents_of_the_python_sdk_arrive(
    write: Callable[[CloudEvent], tuple[dict[str, str], bytes]],
) -> None:
    log = MemoryLog()
    headers, body = write(CloudEvent(ATTRIBUTES, {"revenue": 12.5}))

    async with serving(log) as (client, _):
        response = await client.post("/events", content=body, headers=headers)

    [event] = [decode(entry.value) for entry in log.entries]
    assert response.status_code == 200
    assert (event.name, event.customer, event.id) == ("Order Completed", "u1", "/shop/e1")
    assert (opened(event.properties), event.occurred_at) == ({"revenue": 12.5}, "2026-01-01T00:00:00.000Z")


async def post(log: MemoryLog, events: Any, **options: Any) -> httpx.Response:
    async with serving(log, **options) as (client, _):
        headers = {"content-type": "application/cloudevents-batch+json"}
        return await client.post("/events", content=msgspec.json.encode(events), headers=headers)


async def test_a_bad_cloudevent_never_sinks_its_batch() -> None:
    log, good = MemoryLog(), {"specversion": "1.0", **ATTRIBUTES}

    response = await post(log, [good, {**good, "specversion": "0.3"}, {**good, "subject": None}, {**good, "id": "e2"}])

    assert [(item["index"], item["field"]) for item in response.json()["rejected"]] == [
        (1, "specversion"), (2, "subject"),
    ]  # fmt: skip
    assert [decode(entry.value).id for entry in log.entries] == ["/shop/e1", "/shop/e2"]


async def test_another_attribute_may_name_the_customer() -> None:
    log = MemoryLog()

    await post(log, [{"specversion": "1.0", **ATTRIBUTES, "userid": 42}], cloudevents_customer="userid")

    assert [decode(entry.value).customer for entry in log.entries] == ["42"]
