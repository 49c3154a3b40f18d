"""The composition root: a stager on a log and a database, its routes, its end, and what it refuses to begin with."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from services.stager.main import load_lifecycles, serve
from services.stager.settings import StagerSettings
from shared.errors import Refused
from tests.integration.stager_rig import Rig, rig_of
from tests.servers.kafka import free_ports


@pytest.fixture
async def rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address) as rig:
        yield rig


@pytest.fixture
def spared() -> Iterator[None]:
    """A served stager tunes the collector of its process, which is ours here."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


async def test_a_stager_folds_answers_and_drains(rig: Rig, spared: None) -> None:
    [port] = free_ports(1)
    settings, stop = rig.settings.model_copy(update={"stager_port": port}), asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, log=rig.log, clock=rig.clock))
        await rig.send(rig.order("ann"))
        await rig.until_folded()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await rig.until(lambda: _is_ready(http), "ready")
            lifecycles = (await http.get("/lifecycles")).json()
        stop.set()

    assert {each["lifecycle"]: [row["stage"] for row in each["stages"]] for each in lifecycles} == {
        "shop": ["visitor", "customer", "quiet", "gone"],
        "curious": ["out", "in"],
    }
    assert await rig.check() == 1


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


async def test_missing_tables_are_refused_with_what_to_do(rig: Rig, tmp_path: Path, spared: None) -> None:
    address = f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    settings = rig.settings.model_copy(update={"database": address, "stager_port": 0})
    with pytest.raises(ExceptionGroup, match=r".") as caught:
        await serve(settings, asyncio.Event(), log=rig.log, clock=rig.clock)
    assert caught.group_contains(Refused, match="run `stageline migrate` first")


def test_lifecycles_with_errors_are_refused_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("lifecycle: a\nstages:\n  - stage: x\n    whem: 1\n")
    (tmp_path / "b.yaml").write_text("lifecycle: b\nstagez: []\n")
    with pytest.raises(Refused, match=r"(?s)a\.yaml.*whem.*b\.yaml.*stagez"):
        load_lifecycles(StagerSettings(lifecycles=str(tmp_path)))


def test_a_folder_without_lifecycles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no lifecycle in"):
        load_lifecycles(StagerSettings(lifecycles=str(tmp_path)))
