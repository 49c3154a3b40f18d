"""The routes about one customer, over a store that holds a few."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.stager.fold.instants import instant_of
from services.stager.fold.rules import compile_rules
from services.stager.http.api import make_app
from services.stager.language.file import load_text
from services.stager.settings import StagerSettings
from services.stager.simulate.simulation import Simulation, read_lines
from services.stager.store import Kept
from shared.clock import ManualClock
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog

SHOP = """
lifecycle: shop
metrics:
  orders: {count: Order Completed}
  last_order: {last: Order Completed}
stages:
  - stage: visitor
  - stage: active
    when: orders >= 1 and traits.plan != "x"
    linger: 7d
  - stage: silent
    when: since(last_order) >= 90d
---
segment: pro
when: traits.plan == "pro"
linger: {after: 1h, every: 1h, times: forever}
"""
LINES = (
    {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}, "timestamp": "2026-01-01T00:00:00Z"},
    {"userId": "ann", "event": "Order Completed", "timestamp": "2026-01-01T00:00:00Z"},
    {"userId": "shops/7", "event": "Order Completed", "timestamp": "2026-01-01T00:00:00Z"},
)
NOW = instant_of("2026-01-03") or 0


class FewCustomers:
    """Stored profiles; asked for in the right partition only."""

    def __init__(self, kept: Mapping[str, bytes], log: MemoryLog) -> None:
        self._kept, self._log = kept, log

    async def load(self, customers: Mapping[int, Sequence[str]]) -> dict[str, Kept]:
        return {
            name: Kept(self._kept[name], None, False)
            for partition, names in customers.items()
            for name in names
            if name in self._kept and partition == self._log.partition_of("", name.encode())
        }


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    rules = compile_rules(load_text(SHOP, file="shop.yaml").lifecycles)
    simulation = Simulation(rules)
    for line in read_lines([json.dumps(line).encode() for line in LINES], lambda *_: None):
        simulation.take(line)
    log = MemoryLog()
    kept = {name: profile.encode() for name, profile in simulation.profiles.items()}
    any_: Any = SimpleNamespace(not_ready=None)
    store: Any = FewCustomers(kept, log)
    app = make_app(
        settings=StagerSettings(admin_token="secret", lifecycles="."),
        worker=any_,
        store=store,
        log=log,
        topics=Topics("stageline", 3),
        clock=ManualClock(NOW),
        rules=rules,
    )
    headers = {"authorization": "Bearer secret"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://stager", headers=headers
    ) as found:
        yield found


async def test_a_customer_is_shown_with_stages_metrics_traits_and_what_comes_next(client: httpx.AsyncClient) -> None:
    found = (await client.get("/customers/ann")).json()
    shop = found["lifecycles"]["shop"]

    assert (found["customer"], found["at"], found["traits"]) == ("ann", "2026-01-03T00:00:00.000Z", {"plan": "pro"})
    assert (shop["stage"], shop["since"], shop["stay_ms"]) == ("active", "2026-01-01T00:00:00.000Z", 172_800_000)
    assert shop["metrics"] == {"orders": 1, "last_order": "2026-01-01T00:00:00.000Z"}
    assert shop["next_move"]["to"] == "silent"
    assert shop["next_linger"]["at"] == "2026-01-08T00:00:00.000Z"
    assert found["lifecycles"]["pro"]["stage"] == "in"


async def test_the_explanation_is_the_one_of_now_or_of_a_time_to_come(client: httpx.AsyncClient) -> None:
    now = (await client.get("/customers/ann/explain")).json()
    later = (await client.get("/customers/ann/explain", params={"at": "2026-04-01"})).json()

    assert now["lifecycles"]["shop"]["stage"] == "active"
    assert later["lifecycles"]["shop"]["stage"] == "silent"


async def test_the_explanation_can_be_read_as_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/customers/ann/explain", params={"format": "text"})

    assert "shop: active since 2026-01-01" in answer.text


@pytest.mark.parametrize("written", ["shops/7", "shops%2F7"])
async def test_a_customer_whose_id_holds_a_slash_is_found(client: httpx.AsyncClient, written: str) -> None:
    found = (await client.get(f"/customers/{written}")).json()
    why = (await client.get(f"/customers/{written}/explain")).json()

    assert found["customer"] == why["customer"] == "shops/7"


async def test_an_instant_so_far_ahead_that_too_much_happens_until_then_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/customers/ann/explain", params={"at": "9000-01-01"})

    assert answer.status_code == 400
    assert "ask for an earlier time" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/customers/bob", 404),
        ("/customers/bob/explain", 404),
        ("/customers/a%00b", 404),
        (f"/customers/{'x' * 600}", 404),
        ("/customers/ann/explain?at=2025-01-01", 400),
        ("/customers/ann/explain?at=soon", 400),
        ("/customers/ann/explain?format=xml", 422),
        ("/docs", 404),
        ("/redoc", 404),
    ],
)
async def test_what_cannot_be_answered_says_so(client: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(path)).status_code == status


@pytest.mark.parametrize("path", ["/customers/ann", "/customers/ann/explain"])
async def test_only_the_admin_may_ask(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"authorization": "Bearer wrong"})).status_code == 401
