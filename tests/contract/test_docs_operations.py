"""The statements of docs/operations.md, on both databases, as an operator would type them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.main import migrate_tables
from services.stager.store import Store
from shared.database import make_engine, writing
from tests.builders.batch import batch, transition
from tests.house.pages import ROOT

PAGE = ROOT / "docs" / "operations.md"
VALUES = {"before_ms": 1 << 60, "first_offset": 7, "partition": 0}


def statements() -> list[str]:
    """Every statement of the page's SQL, in order."""
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [part.strip() for block in blocks for part in block.split(";") if part.strip()]


async def run(engine: AsyncEngine, statement: str) -> None:
    wanted: dict[str, Any] = {name: VALUES[name] for name in re.findall(r"(?<!:):(\w+)", statement)}
    async with writing(engine) as connection:
        await connection.execute(text(statement), wanted)


async def test_every_statement_runs(stager_address: str) -> None:
    await migrate_tables(stager_address)
    engine = make_engine(stager_address)
    for statement in statements():
        await run(engine, statement)
    await engine.dispose()

    assert len(statements()) == 5


async def test_what_is_deleted_is_published(store: Store, stager_address: str) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, seq=3, transitions=[transition(seq) for seq in (1, 2, 3)])])
    await store.mark_published({0: 2}, {0: claim.epoch})
    engine = make_engine(stager_address)
    (delete,) = (each for each in statements() if each.startswith("DELETE FROM transitions"))
    await run(engine, delete)
    await engine.dispose()

    assert [row.seq for row in await store.transitions_after(0, seq=0, limit=9)] == [3]


async def test_a_partition_goes_on_from_the_position_that_an_operator_sets(store: Store, stager_address: str) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim)])
    engine = make_engine(stager_address)
    (move,) = (each for each in statements() if each.startswith("UPDATE positions"))
    await run(engine, move)
    await engine.dispose()

    assert (await store.claim([0]))[0].position.offset == 7
