"""Who may ask the notifier: the holder of the token, or without one this machine only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.notifier.http.api import NAME_LENGTH_MAX, Progress, make_app
from services.notifier.http.operate import make_router
from services.notifier.operate.trial import Trial
from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.clock import ManualClock
from shared.database import make_engine
from shared.migrate import migrate
from tests.builders_notifier import NOW_MS


@pytest.fixture
async def deliveries(tmp_path: Path) -> AsyncIterator[SqlDeliveries]:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await migrate(engine, MIGRATIONS)
    deliveries = SqlDeliveries(engine)
    yield deliveries
    await deliveries.close()


async def no_progress() -> Progress:
    return Progress(behind=0, pending=0)


async def status(
    deliveries: SqlDeliveries, *, token: str = "", client: str = "127.0.0.1", host: str = "localhost", **headers: str
) -> int:
    app = make_app(deliveries, admin_token=token, is_ready=lambda: None, progress=no_progress)
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as asking:
        return (await asking.get("/deliveries/summary", headers=headers)).status_code


async def test_without_a_token_this_machine_may_ask(deliveries: SqlDeliveries) -> None:
    assert await status(deliveries) == 200


async def test_without_a_token_other_machines_may_not_ask(deliveries: SqlDeliveries) -> None:
    assert await status(deliveries, client="10.0.0.7") == 403


async def test_without_a_token_a_web_page_under_a_name_of_its_own_may_not_ask(deliveries: SqlDeliveries) -> None:
    assert await status(deliveries, host="rebound.example") == 403


async def test_with_a_token_only_its_holder_may_ask(deliveries: SqlDeliveries) -> None:
    assert await status(deliveries, token="secret") == 401
    assert await status(deliveries, token="secret", authorization="Bearer wrong") == 401
    assert await status(deliveries, token="secret", authorization="Basic secret") == 401
    assert await status(deliveries, token="secret", authorization="Bearer secret", client="10.0.0.7") == 200


@pytest.mark.parametrize("name", ["\0", "ann\0", "x" * (NAME_LENGTH_MAX + 1)])
async def test_a_name_that_no_database_holds_is_a_wrong_question(deliveries: SqlDeliveries, name: str) -> None:
    nobody: Any = None
    trial = Trial({}, nobody, {}, partitions=1, links=UnsubscribeLinks(), clock=ManualClock(NOW_MS))
    routes = make_router(deliveries, trial, clock=ManualClock(NOW_MS), on_enabled=lambda: None)
    app = make_app(deliveries, admin_token="", is_ready=lambda: None, progress=no_progress, operate=routes)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        answers = [
            await asking.get("/deliveries", params={"customer": name}),
            await asking.get("/deliveries", params={"campaign": name}),
            await asking.post("/deliveries/redrive", json={"campaign": name}),
            await asking.post("/targets/enable", json={"target": name}),
            await asking.post("/campaigns/win-back/test", json={"customer": name}),
            await asking.post(f"/campaigns/{quote(name)}/test", json={"customer": "ann"}),
        ]
    assert [answer.status_code for answer in answers] == [422] * 6
