"""Segment's browser SDK, unchanged but for the URL, in a page of a real Chromium that comes from another origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from shared.errors import Unavailable
from shared.event import Event, decode
from shared.log import Entry
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving
from tests.servers.chromium import Browser, Left

WITHIN_S = 30
SINGLE = {"strategy": "single"}
# The third call sends the batch; on a slow machine a shorter timeout would cut it in two.
BATCHING = {"strategy": "batching", "config": {"size": 3, "timeout": 5_000}}
PATIENT = {"strategy": "batching", "config": {"size": 10, "timeout": 60_000}}
CALLS = """
analytics.identify('u1', { plan: 'pro' })
analytics.track('Order Completed', { revenue: 12.5 })
analytics.page('Home')
"""
# A call that gives up throws, so that the test sees it.
LOADED = """
import { AnalyticsBrowser } from '@segment/analytics-next'
const segment = { apiKey: '%(key)s', apiHost: '%(host)s/v1', protocol: 'http', deliveryStrategy: %(delivery)s }
const cdnSettings = { integrations: { 'Segment.io': segment } }
const [analytics] = await AnalyticsBrowser.load({ writeKey: '%(key)s', cdnSettings })
analytics.on('error', ({ reason }) => { setTimeout(() => { throw reason }) })
"""

Delivery = Mapping[str, Any]


class WatchedLog(MemoryLog):
    """Tells the test when something was appended."""

    def __init__(self) -> None:
        super().__init__()
        self.appended = asyncio.Event()

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        self.appended.set()
        return offsets


@dataclass(frozen=True)
class Shop:
    """A shop whose pages send to one ingest, in this way."""

    browser: Browser
    host: str
    log: WatchedLog
    delivery: Delivery
    key: str
    customer: str = field(default_factory=lambda: uuid4().hex)

    async def visit(self, calls: str) -> None:
        """Open a page that makes these calls."""
        values = {"key": self.key, "host": self.host, "delivery": json.dumps(self.delivery)}
        await self.browser.visit(self.customer, LOADED % values + calls)

    async def leave(self) -> Left:
        """Go to another page."""
        return await self.browser.leave(self.customer)

    async def arrived(self, count: int) -> dict[str, Event]:
        """The events by name, once there are so many; none came twice."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.log.entries) < count:
                self.log.appended.clear()
                await self.log.appended.wait()
        events = [decode(entry.value or b"") for entry in self.log.entries]
        assert len({event.id for event in events}) == len(events)
        return {event.name: event for event in events}


@asynccontextmanager
async def shop_of(browser: Browser, log: WatchedLog, delivery: Delivery, key: str = "shop-key") -> AsyncIterator[Shop]:
    async with serving(log, keys="shop:shop-key,slow:slow-key rate=1") as (client, _):
        host = str(client.base_url).removeprefix("http://").rstrip("/")
        yield Shop(browser, host, log, delivery, key)


async def visited(browser: Browser, delivery: Delivery, log: WatchedLog | None = None) -> tuple[dict[str, Event], Left]:
    """What has arrived of a page's three calls, and what the page has asked for that."""
    async with shop_of(browser, log or WatchedLog(), delivery) as shop:
        await shop.visit(CALLS)
        return await shop.arrived(3), await shop.leave()


def opened(members: object) -> object:
    assert isinstance(members, msgspec.Raw)
    return msgspec.json.decode(members)


@pytest.mark.parametrize("delivery", [SINGLE, BATCHING], ids=["single", "batching"])
async def test_every_call_of_a_page_arrives(browser: Browser, delivery: Delivery) -> None:
    events, left = await visited(browser, delivery)

    assert set(events) == {"$identify", "Order Completed", "$page"}
    assert {event.customer for event in events.values()} == {"u1"}
    assert opened(events["$identify"].traits) == {"plan": "pro"}
    assert opened(events["Order Completed"].properties) == {"revenue": 12.5}
    assert left.failures == []


async def test_calls_go_alone_or_together_as_plain_text(browser: Browser) -> None:
    _, single = await visited(browser, SINGLE)
    _, batching = await visited(browser, BATCHING)

    assert sorted(request.path for request in single.sent) == ["/v1/i", "/v1/p", "/v1/t"]
    assert [request.path for request in batching.sent] == ["/v1/b"]
    assert {request.headers["Content-Type"] for request in [*single.sent, *batching.sent]} == {"text/plain"}


async def test_the_browser_asks_whether_it_may_send(browser: Browser) -> None:
    _, left = await visited(browser, BATCHING)

    asked = {request.method: request for request in left.requests}
    assert {method: request.status for method, request in asked.items()} == {"OPTIONS": 204, "POST": 200}
    assert asked["OPTIONS"].headers["Access-Control-Request-Headers"] == "authorization"


@pytest.mark.parametrize("delivery", [SINGLE, BATCHING], ids=["single", "batching"])
async def test_a_page_sends_again_after_503(browser: Browser, delivery: Delivery) -> None:
    log = WatchedLog()
    log.failure, log.failures_left = Unavailable("no broker"), 1

    _, left = await visited(browser, delivery, log)

    assert [request.status for request in left.sent].count(503) == 1
    assert [request.headers["X-Retry-Count"] for request in left.sent if "X-Retry-Count" in request.headers] == ["1"]
    assert left.failures == []


async def test_a_page_that_sends_in_batches_waits_as_long_as_429_says(browser: Browser) -> None:
    fours = {"strategy": "batching", "config": {"size": 4, "timeout": 10}}
    async with shop_of(browser, WatchedLog(), fours, "slow-key") as shop:
        await shop.visit("for (let n = 1; n <= 5; n++) analytics.track(`Event ${n}`)")
        await shop.arrived(5)
        left = await shop.leave()

    _, refused, taken = left.sent
    assert (refused.status, taken.status, left.failures) == (429, 200, [])
    assert taken.sent_s - refused.answered_s >= 2  # four events at one a second, of which two are free


async def test_a_page_that_sends_one_by_one_waits_after_429(browser: Browser) -> None:
    async with shop_of(browser, WatchedLog(), SINGLE, "slow-key") as shop:
        await shop.visit("for (let n = 1; n <= 4; n++) analytics.track(`Event ${n}`)")
        await shop.arrived(4)
        left = await shop.leave()

    assert {request.status for request in left.sent} == {200, 429}
    assert left.failures == []


async def test_what_a_page_holds_is_sent_when_it_is_left(browser: Browser) -> None:
    async with shop_of(browser, WatchedLog(), PATIENT) as shop:
        await shop.visit("await analytics.track('Cart Viewed')\nawait analytics.track('Order Completed')")
        held = list(shop.log.entries)
        await shop.leave()
        events = await shop.arrived(2)

    assert (held, set(events)) == ([], {"Cart Viewed", "Order Completed"})


async def test_what_a_page_could_not_send_the_next_page_sends(browser: Browser) -> None:
    log = WatchedLog()
    log.failure = Unavailable("no broker")
    async with shop_of(browser, log, SINGLE) as shop:
        await shop.visit("analytics.track('Order Completed')")
        await asyncio.wait_for(log.asked.wait(), WITHIN_S)
        await shop.leave()
        log.failure = None
        await shop.visit("")
        events = await shop.arrived(1)
        await shop.leave()

    assert set(events) == {"Order Completed"}
