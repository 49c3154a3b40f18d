"""`stageline deliveries` on real tables."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from services.notifier.commands.deliveries import app
from services.notifier.delivery.delivery import Outcome
from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from shared.clock import SystemClock
from shared.database import make_engine
from shared.errors import Refused
from shared.migrate import migrate
from tests.builders_notifier import a_decision
from tests.contract.delivering import keep, result, take


async def _one_dead(address: str) -> UUID:
    engine = make_engine(address)
    await migrate(engine, MIGRATIONS)
    deliveries = SqlDeliveries(engine)
    await keep(deliveries, a_decision())
    (taken,) = await take(deliveries)
    died_ms = SystemClock().now_ms() - 1
    await deliveries.record([result(taken, Outcome.DEAD, reason="status 410", finished_ms=died_ms)])
    await deliveries.close()
    return taken.id


@pytest.fixture
def dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """The id of the only delivery: a dead letter of `win-back`."""
    address = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    monkeypatch.setenv("STAGELINE_DATABASE", address)
    return asyncio.run(_one_dead(address))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_dead_letters_are_listed_with_their_reason(dead: UUID) -> None:
    listed = run("list", "--outcome", "dead", "--customer", "ann")
    assert str(dead) in listed
    assert "status 410" in listed
    assert run("list", "--campaign", "another") == ""


def test_the_dead_letters_of_a_campaign_are_sent_again(dead: UUID) -> None:
    assert run("redrive", "--campaign", "win-back") == "1 sent again\n"
    assert run("redrive", "--campaign", "win-back") == "0 sent again\n"
    assert "pending" in run("list")


def test_one_delivery_is_sent_again_and_then_cancelled(dead: UUID) -> None:
    assert run("redrive", str(dead)) == "1 sent again\n"
    assert run("cancel", str(dead)) == "1 cancelled\n"
    assert "cancelled by an operator" in run("list")


def test_nothing_is_sent_again_without_saying_which(dead: UUID) -> None:
    with pytest.raises(Refused, match="--campaign NAME"):
        run("redrive")
