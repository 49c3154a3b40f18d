"""Who may ask the notifier: the holder of the token, or without one this machine only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.notifier.api import Progress, make_app
from services.notifier.deliveries_sql import MIGRATIONS, SqlDeliveries
from shared.database import make_engine
from shared.migrate import migrate


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
