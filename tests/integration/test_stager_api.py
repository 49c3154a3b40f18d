"""The stager's routes: counts, flows and progress, for the operator alone, and 503 while the database is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.stager.http.api import make_app
from tests.fakes.faulty import Faulty
from tests.integration.stager_rig import Rig, Run, rig_of


@pytest.fixture
async def rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address, partitions=2) as rig:
        yield rig


@pytest.fixture
async def small_rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address, partitions=2) as rig:
        yield rig


@asynccontextmanager
async def asking(rig: Rig, run: Run, *, token: str = "", client: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(
        settings=rig.settings.model_copy(update={"admin_token": token}), worker=run.worker,
        store=Faulty(rig.store, rig.faults), log=rig.log, topics=rig.topics, clock=rig.clock, rules=rig.rules,
    )  # fmt: skip
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def test_customers_per_stage_stand_in_journey_order_with_those_that_have_none(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"), rig.event("cyd", "Product Viewed"), rig.event("cyd", "Product Viewed"))
    await rig.send(rig.order("bob"), partition=1)
    await rig.until_folded()
    async with asking(rig, run) as http:
        answer = (await http.get("/lifecycles")).json()

    assert {each["lifecycle"]: [(row["stage"], row["customers"]) for row in each["stages"]] for each in answer} == {
        "shop": [("visitor", 1), ("customer", 2), ("quiet", 0), ("gone", 0)],
        "curious": [("out", 0), ("in", 1)],
    }


async def test_flows_add_up_moves_of_all_partitions_with_the_mean_stay(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"))
    rig.clock.advance(1_000)
    await rig.send(rig.order("bob"), partition=1)
    rig.clock.advance(2_000)
    await rig.send(rig.event("cyd", "Product Viewed"))
    rig.clock.advance(1_000)
    await rig.send(rig.order("cyd"))
    await rig.until_folded()
    async with asking(rig, run) as http:
        answer = (await http.get("/flows")).json()

    flows = {(each["from_stage"], each["to_stage"]): each for each in answer}
    assert flows[None, "customer"]["moves"] == 2
    assert flows["visitor", "customer"] == {
        "lifecycle": "shop", "from_stage": "visitor", "to_stage": "customer", "moves": 1, "mean_stay_ms": 1_000,
    }  # fmt: skip


async def test_progress_tells_what_is_unread_overdue_and_unpublished(rig: Rig) -> None:
    gate = rig.faults.hold("append stageline.transitions")
    run = await rig.start()
    await rig.send(rig.order("ann"), rig.order("bob"))
    await gate.until_reached()
    await run.kill()
    await rig.send(rig.order("cyd"), rig.order("dan"), rig.order("eve"), partition=1)
    rig.clock.advance(5_000)
    assert await _progress(rig, run) == {"behind": 3, "overdue": 1, "unpublished": 2, "transitions": 2}

    run = await rig.start()
    await rig.until_folded()
    await rig.pass_time(0)
    assert await _progress(rig, run) == {"behind": 0, "overdue": 0, "unpublished": 0, "transitions": 10}


async def test_partitions_that_were_never_claimed_are_behind_by_all_they_hold(small_rig: Rig) -> None:
    rig = small_rig
    gate = rig.faults.hold("claim")
    run = await rig.start()
    await gate.until_reached()
    await rig.send(rig.order("ann"), rig.order("bob"), partition=1)
    assert await _progress(rig, run) == {"behind": 2, "overdue": 0, "unpublished": 0, "transitions": 0}


async def _progress(rig: Rig, run: Run) -> dict[str, Any]:
    async with asking(rig, run) as http:
        answer = (await http.get("/progress")).json()
    return {name: answer[name] for name in ("behind", "overdue", "unpublished", "transitions")}


@pytest.mark.parametrize("path", ["/lifecycles", "/flows", "/progress"])
async def test_every_query_is_for_the_operator_alone(small_rig: Rig, path: str) -> None:
    run = await small_rig.start()
    async with asking(small_rig, run, client="10.0.0.7") as http:
        assert (await http.get(path)).status_code == 403
    async with asking(small_rig, run, token="secret", client="10.0.0.7") as http:
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers={"authorization": "Bearer secret"})).status_code == 200


@pytest.mark.parametrize(
    ("path", "call"), [("/lifecycles", "stage_counts"), ("/flows", "moves"), ("/progress", "standings")]
)
async def test_without_a_database_the_answer_is_503_and_when_to_come_back(small_rig: Rig, path: str, call: str) -> None:
    run = await small_rig.start()
    small_rig.faults.fail(call)
    async with asking(small_rig, run) as http:
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert (await http.get(path)).status_code == 200


async def test_readiness_says_what_is_missing(small_rig: Rig) -> None:
    rig = small_rig
    rig.faults.fail("claim", times=100)
    run = await rig.start()
    async with asking(rig, run) as http:
        assert (await _ready(http)) == (503, "starting")
        await rig.until(lambda: rig.faults.left("claim") < 99, "tried again")
        assert (await _ready(http)) == (503, "claim does not answer")
        rig.faults.clear()
        await rig.until(lambda: run.worker.not_ready is None, "ready")
        assert (await _ready(http)) == (200, None)


async def _ready(http: httpx.AsyncClient) -> tuple[int, Any]:
    answer = await http.get("/readyz")
    return answer.status_code, answer.json()["reason"]
