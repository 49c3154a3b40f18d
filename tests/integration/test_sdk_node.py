"""The SDKs of npm that people have, unchanged but for the URL, in Node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY

from shared.errors import Unavailable
from shared.event import Event, decode
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving
from tests.servers.node import run_script

KEYS = "shop:shop-key,slow:slow-key rate=1"


async def events_of(place: Path, script: str, log: MemoryLog, *more: str, key: str = "shop-key") -> dict[str, Event]:
    async with serving(log, keys=KEYS) as (client, _):
        host = str(client.base_url).rstrip("/")
        printed = await asyncio.to_thread(run_script, place, script, host, key, *more)
    events = [decode(entry.value) for entry in log.entries]
    assert len({event.id for event in events}) == len(events), printed
    return {event.name: event for event in events}


def opened(members: object) -> object:
    assert isinstance(members, msgspec.Raw)
    return msgspec.json.decode(members)


def refusals() -> float:
    labels = {"route": "/v1/batch", "status": "429"}
    return REGISTRY.get_sample_value("stageline_ingest_requests_total", labels) or 0


@pytest.mark.parametrize("script", ["segment.mjs", "rudderstack.mjs"])
async def test_every_call_of_an_sdk_arrives(node_sdks: Path, script: str) -> None:
    events = await events_of(node_sdks, script, MemoryLog())

    assert set(events) == {"$identify", "Order Completed", "$page", "$screen", "$group", "$alias"}
    assert {event.customer for event in events.values()} == {"u1"}
    assert opened(events["Order Completed"].properties) == {"revenue": 12.5}
    assert opened(events["$identify"].traits) == {"plan": "pro"}
    assert opened(events["$page"].properties) == {"path": "/", "name": "Home"}
    assert (opened(events["$group"].traits), events["$group"].group) == ({"seats": 5}, "g1")
    assert events["$alias"].anonymous_id == "a1"


@pytest.mark.parametrize("script", ["segment.mjs", "rudderstack.mjs"])
async def test_an_sdk_sends_again_after_503(node_sdks: Path, script: str) -> None:
    log = MemoryLog()
    log.failure, log.failures_left = Unavailable("no broker"), 1

    assert len(await events_of(node_sdks, script, log)) == 6
    assert log.failures_left == 0


@pytest.mark.parametrize("script", ["segment_rate.mjs", "rudderstack_rate.mjs"])
async def test_an_sdk_waits_as_long_as_429_says(node_sdks: Path, script: str) -> None:
    refused = refusals()

    events = await events_of(node_sdks, script, MemoryLog(), key="slow-key")

    assert set(events) == {f"Event {number}" for number in range(1, 6)}
    assert refusals() - refused == 1  # who comes back sooner is refused again


async def test_cloudevents_arrive_in_binary_and_structured_mode(node_sdks: Path) -> None:
    log = MemoryLog()

    await events_of(node_sdks, "cloudevents.mjs", log)

    events = [decode(entry.value) for entry in log.entries]
    assert [(event.name, event.customer, opened(event.properties)) for event in events] == [
        ("Order Completed", "Zoë", {"revenue": 12.5})
    ] * 2
