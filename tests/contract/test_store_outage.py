"""The promises of `services/stager/store.py` about a database that is away, and about two processes on one file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.stager.store import Claim, PartitionBatch, Position, Store
from services.stager.store_sql.postgres import StorePostgres
from shared.clock import ManualClock
from shared.database import make_engine
from shared.errors import FenceLost, Refused, Unavailable
from tests.builders.batch import batch, profile
from tests.servers.fixtures_stager import make_store
from tests.servers.postgres import PostgresServer, free_port

ROOT = Path(__file__).parents[2]
WAIT_S = 20


@pytest.fixture
async def postgres_store(postgres_server: PostgresServer, postgres_stager_address: str) -> AsyncIterator[Store]:
    if not postgres_server.can_stop:
        pytest.skip("STAGELINE_TEST_POSTGRES names a server that is not ours to stop")
    store = make_store(postgres_stager_address)
    await store.open()
    yield store
    postgres_server.start()  # also when the test has failed while it was away
    await store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_store_works_again_after_its_server_was_restarted(
    postgres_server: PostgresServer, postgres_store: Store, mode: str
) -> None:
    claim = (await postgres_store.claim([0]))[0]
    await asyncio.to_thread(postgres_server.restart, mode)  # meanwhile the loop hears that the connection is gone

    await postgres_store.save([batch(claim, profiles=[profile("ann")])])

    assert (await postgres_store.load({0: ["ann"]})).keys() == {"ann"}


@pytest.mark.postgres
async def test_every_call_fails_as_unavailable_while_the_server_is_away(
    postgres_server: PostgresServer, postgres_store: Store
) -> None:
    claim = (await postgres_store.claim([0]))[0]
    await asyncio.to_thread(postgres_server.stop, "immediate")
    for call in (
        postgres_store.save([batch(claim)]),
        postgres_store.claim([0]),
        postgres_store.load({0: ["ann"]}),
        postgres_store.due(0, until_ms=1, historical=True, limit=1),
        postgres_store.prove({0: 1}),
        postgres_store.open(),
    ):
        with pytest.raises(Unavailable):
            await call
    await asyncio.to_thread(postgres_server.start)

    assert await postgres_store.prove({0: 1}) == {0}


@pytest.mark.postgres
async def test_a_save_cut_by_a_killed_server_writes_nothing(
    postgres_server: PostgresServer, postgres_store: Store, postgres_stager_address: str
) -> None:
    claim = (await postgres_store.claim([0]))[0]
    async with _saving_held(postgres_store, claim, postgres_stager_address) as saving:
        await asyncio.to_thread(postgres_server.kill)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(saving, WAIT_S)
    await asyncio.to_thread(postgres_server.start)

    assert await postgres_store.load({0: ["ann"]}) == {}
    assert (await postgres_store.claim([0]))[0].position.offset == 0


@pytest.mark.postgres
async def test_a_server_that_says_nothing_is_unavailable_within_the_bound(
    postgres_store: Store, postgres_stager_address: str
) -> None:
    claim = (await postgres_store.claim([0]))[0]
    hasty = StorePostgres(make_engine(postgres_stager_address), ManualClock(), timeout_s=0.3)
    holder = await asyncpg.connect(postgres_stager_address.replace("+asyncpg", ""))
    await holder.execute("BEGIN; LOCK TABLE positions")

    with pytest.raises(Unavailable):
        await asyncio.wait_for(hasty.save([batch(claim, profiles=[profile("ann")])]), WAIT_S)

    await holder.close()
    assert await postgres_store.load({0: ["ann"]}) == {}
    await hasty.save([batch(claim, profiles=[profile("ann")])])
    await hasty.close()


@pytest.mark.postgres
async def test_a_save_that_waits_while_another_claims_writes_nothing(
    postgres_store: Store, postgres_stager_address: str
) -> None:
    claims = await postgres_store.claim([0, 1])
    other = await asyncpg.connect(postgres_stager_address.replace("+asyncpg", ""))
    await other.execute("BEGIN; UPDATE positions SET epoch = epoch + 1 WHERE partition = 1")
    parts = [batch(claims[0], profiles=[profile("ann")]), batch(claims[1], partition=1, profiles=[profile("bob")])]
    saving = asyncio.ensure_future(postgres_store.save(parts))
    await asyncio.wait_for(_until_somebody_waits(other), WAIT_S)

    await other.execute("COMMIT")

    with pytest.raises(FenceLost, match=r"\[1\]"):
        await asyncio.wait_for(saving, WAIT_S)
    await other.close()
    assert await postgres_store.load({0: ["ann"], 1: ["bob"]}) == {}
    assert (await postgres_store.claim([0]))[0].position.offset == 0


@pytest.mark.postgres
async def test_a_cancelled_save_leaves_nothing_behind(postgres_store: Store, postgres_stager_address: str) -> None:
    claim = (await postgres_store.claim([0]))[0]
    async with _saving_held(postgres_store, claim, postgres_stager_address) as saving:
        saving.cancel()
        await asyncio.wait([saving], timeout=WAIT_S)

    assert saving.cancelled()
    assert await postgres_store.load({0: ["ann"]}) == {}
    assert (await postgres_store.claim([0]))[0].position.offset == 0


@asynccontextmanager
async def _saving_held(store: Store, claim: Claim, address: str) -> AsyncIterator[asyncio.Future[int]]:
    """A save that has passed its fence and waits in the midst of writing, because somebody holds a table."""
    holder = await asyncpg.connect(address.replace("+asyncpg", ""))
    try:
        await holder.execute("BEGIN; LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        saving = asyncio.ensure_future(store.save([batch(claim, profiles=[profile("ann")])]))
        await asyncio.wait_for(_until_somebody_waits(holder), WAIT_S)
        yield saving
    finally:
        holder.terminate()


async def _until_somebody_waits(connection: asyncpg.Connection[Any]) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await connection.fetchval(waits):  # noqa: ASYNC110 - no signal
        await asyncio.sleep(0.01)


async def test_nobody_listening_is_unavailable() -> None:
    store = make_store(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(Unavailable):
        await store.open()
    await store.close()


@pytest.mark.postgres
async def test_a_database_that_does_not_exist_is_refused(postgres_server: PostgresServer) -> None:
    store = make_store(postgres_server.dsn("no_such_database").replace("postgresql:", "postgresql+asyncpg:"))
    with pytest.raises(Refused):
        await store.open()
    await store.close()


@pytest.mark.postgres
async def test_a_postgres_without_tables_is_refused(postgres_address: str) -> None:
    store = make_store(postgres_address)
    with pytest.raises(Refused, match="stageline migrate"):
        await store.open()
    await store.close()


async def test_a_file_without_tables_is_refused(tmp_path: Path) -> None:
    store = make_store(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Refused, match="stageline migrate"):
        await store.open()
    await store.close()


async def test_a_folder_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    store = make_store(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'stager.db'}")
    with pytest.raises(Unavailable):
        await store.open()
    await store.close()


OTHER_PROCESS = """
import asyncio, sys
from services.stager.store import PartitionBatch, Position
from tests.builders.batch import profile
from tests.servers.fixtures_stager import make_store

async def save_all(address):
    store = make_store(address)
    await store.open()
    claim = (await store.claim([1]))[1]
    for offset in range(50):
        rows = [profile(f"other-{offset}")]
        await store.save([PartitionBatch(1, claim.epoch, offset, Position(offset=offset + 1), profiles=rows)])
    await store.close()

asyncio.run(save_all(sys.argv[1]))
"""


async def test_two_processes_share_one_file(sqlite_stager_address: str) -> None:
    store = make_store(sqlite_stager_address)
    await store.open()
    claim = (await store.claim([0]))[0]
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER_PROCESS, sqlite_stager_address, cwd=ROOT)
    for offset in range(50):
        rows = [profile(f"mine-{offset}")]
        await store.save([PartitionBatch(0, claim.epoch, offset, Position(offset=offset + 1), profiles=rows)])
    assert await asyncio.wait_for(other.wait(), WAIT_S) == 0

    kept = await store.load({each: [f"{who}-{n}" for n in range(50)] for each, who in enumerate(("mine", "other"))})
    assert len(kept) == 100
    with pytest.raises(FenceLost):
        await store.save([PartitionBatch(1, 0, 50, Position(offset=51))])
    await store.close()
