"""`stageline import`: 0 for a file that is in the log whole, and for nothing less."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.ingest.imports import command
from services.ingest.imports.command import Destination, run_import
from services.ingest.request import body
from shared.clock import SystemClock
from shared.errors import Refused, Unavailable
from shared.log import Entry
from shared.log_embedded import EmbeddedLog
from tests.integration.test_ingest_resume import each_once, ids, lines
from tests.integration.test_ingest_serve import EVENTS, serving
from tests.servers.kafka import free_ports
from tests.servers.proxy import Fault, Proxy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.ndjson"


async def imported(file: Path, content: bytes, url: object, *, key: str = "shop-key", name: str = "") -> int:
    """The exit code of the command for a file with this content."""

    def run() -> int:
        file.write_bytes(content)
        return run_import(file, Destination(str(url), key), name=name, pause_s=0.01)

    return await asyncio.to_thread(run)


class _Flaky(EmbeddedLog):
    """Does not answer the second append of events, although it has taken it."""

    calls = 0

    async def append(self, topic: str, entries: list[Entry], *, timeout_s: float) -> list[int]:  # type: ignore[override]
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        self.calls += topic == EVENTS
        if topic == EVENTS and self.calls == 2:
            raise Unavailable("no answer")
        return offsets


async def test_the_command_goes_on_by_itself_after_a_break(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = lines(0, 3000)
    log = _Flaky(tmp_path / "log.db", clock=SystemClock())
    await log.open()
    async with serving(log) as (client, _):
        code = await imported(file, content, client.base_url)
        found = await ids(log)
    await log.close()

    assert (code, found) == (0, each_once(3000))
    assert "1000 accepted, 2000 there before, 0 refused" in capsys.readouterr().out


async def test_the_command_names_refused_lines(
    log: EmbeddedLog, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = lines(0, 1) + json.dumps({"event": "e"}).encode() + b"\n"
    async with serving(log) as (client, _):
        code = await imported(file, content, client.base_url)

    assert code == 1
    assert "line 2: " in capsys.readouterr().err


async def test_the_command_names_refused_lines_again_and_says_how_many_more_there_are(
    log: EmbeddedLog, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = lines(0, 1) + b"{}\n" * 5002
    async with serving(log) as (client, _):
        codes = [await imported(file, content, client.base_url) for _ in range(2)]

    written = capsys.readouterr().err
    assert codes == [1, 1]
    assert written.count("line 5001: ") == written.count("and 2 more refused lines behind these") == 2


async def test_a_file_of_which_a_line_was_mended_and_others_appended_adds_just_these(
    log: EmbeddedLog, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(log) as (client, _):
        await imported(file, lines(0, 2) + b"{}\n" + lines(3, 5), client.base_url)
        code = await imported(file, lines(0, 7), client.base_url)
        found = await ids(log)

    assert (code, found) == (0, each_once(7) | Counter(end=6))
    assert "3 accepted, 4 there before, 0 refused" in capsys.readouterr().out


async def test_another_file_of_the_same_name_is_refused_until_it_gets_a_name_of_its_own(
    log: EmbeddedLog, file: Path
) -> None:
    async with serving(log) as (client, _):
        await imported(file, lines(0, 5), client.base_url)
        with pytest.raises(Refused, match="--name"):
            await imported(file, lines(5, 9), client.base_url)
        code = await imported(file, lines(5, 9), client.base_url, name="Bestellungen für März")
        found = await ids(log)

    assert (code, found) == (0, each_once(9) | Counter(end=6))


async def test_the_same_file_packed_is_the_same_import(log: EmbeddedLog, file: Path) -> None:
    async with serving(log) as (client, _):
        await imported(file, lines(0, 5), client.base_url)
        await imported(file.with_name(f"{file.name}.gz"), gzip.compress(lines(0, 5)), client.base_url)
        found = await ids(log)

    assert found == each_once(5)


async def test_the_command_says_that_a_key_is_unknown(log: EmbeddedLog, file: Path) -> None:
    content = lines(0, 1)
    async with serving(log) as (client, _):
        with pytest.raises(Refused, match="unknown_key"):
            await imported(file, content, client.base_url, key="nobody")


async def test_a_gzip_that_ends_early_is_refused_with_how_far_it_came(log: EmbeddedLog, file: Path) -> None:
    content = gzip.compress(lines(0, 5000))[:-1000]
    async with serving(log) as (client, _):
        with pytest.raises(Refused, match=r"broken_gzip: the gzip body ends early \(up to line [0-9]+"):
            await imported(file, content, client.base_url)


async def test_bytes_behind_a_gzip_are_refused(log: EmbeddedLog, file: Path) -> None:
    content = gzip.compress(lines(0, 5)) + bytes(512)
    async with serving(log) as (client, _):
        with pytest.raises(Refused, match="broken_gzip"):
            await imported(file, content, client.base_url)


async def test_the_command_goes_on_after_it_was_silent_for_too_long(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "CHUNK_TIMEOUT_S", 0.3)
    content = lines(0, 40_000)
    log = _Telling(tmp_path / "log.db", clock=SystemClock())
    await log.open()
    async with serving(log) as (client, _), _proxied(client.base_url.port) as proxy, asyncio.TaskGroup() as tasks:
        command = tasks.create_task(imported(file, content, f"http://127.0.0.1:{proxy.port}"))
        await log.has_events.wait()
        proxy.suffer(Fault.BLACK_HOLE)
        await log.has_note.wait()
        monkeypatch.setattr(body, "CHUNK_TIMEOUT_S", 30)
        proxy.suffer(Fault.NONE)
    found = await ids(log)
    await log.close()

    assert (command.result(), found) == (0, each_once(40_000))


class _Telling(EmbeddedLog):
    """Tells when it has events of an import, and when how far it came is noted."""

    def __init__(self, path: Path, *, clock: SystemClock) -> None:
        super().__init__(path, clock=clock)
        self.has_events, self.has_note = asyncio.Event(), asyncio.Event()

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        if topic == EVENTS:
            self.has_events.set()
        elif self.has_events.is_set():
            self.has_note.set()
        return offsets


@asynccontextmanager
async def _proxied(port: int | None) -> AsyncIterator[Proxy]:
    assert port is not None
    [own] = free_ports(1)
    proxy = Proxy(port=own, target_port=port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


async def test_the_command_waits_for_a_server_that_reads_at_its_keys_rate(
    log: EmbeddedLog, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "CONNECT_TIMEOUT_S", 0.3)
    content = lines(0, 3000)
    async with serving(log, keys="shop:shop-key rate=1000") as (client, _):
        code = await imported(file, content, client.base_url)

    assert code == 0
    assert "3000 accepted, 0 there before, 0 refused" in capsys.readouterr().out


async def test_an_import_that_still_runs_is_waited_for_and_no_failure(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RUNNING_PAUSE_S_MAX", 0.01)
    running = (409, {"code": "import_running", "message": "another request is sending this import"})
    content = lines(0, 3)
    async with _scripted([*[running] * 12, (200, _progress(accepted=3))]) as url:
        assert await imported(file, content, url) == 0


@pytest.mark.parametrize("status", [200, 400])
async def test_only_an_answer_about_the_whole_file_is_success(file: Path, status: int) -> None:
    content = lines(0, 3)
    async with _scripted([(status, {**_progress(accepted=2), "ended": False})]) as url:
        with pytest.raises(Refused):
            await imported(file, content, url)


async def test_an_answer_that_comes_early_is_heard(file: Path) -> None:
    content = lines(0, 100_000)
    async with _scripted([(400, {"code": "broken_gzip", "message": "no gzip"})], reads_all=False) as url:
        with pytest.raises(Refused, match="no gzip"):
            await imported(file, content, url)


def _progress(*, accepted: int) -> dict[str, object]:
    return {"accepted": accepted, "repeated": 0, "refused": 0, "rejected": [], "ended": True}


@asynccontextmanager
async def _scripted(answers: Sequence[tuple[int, dict[str, object]]], *, reads_all: bool = True) -> AsyncIterator[str]:
    """A server that gives these answers, one a request, after all of it or after its first bytes."""
    left = iter(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n0\r\n\r\n" if reads_all else b"\r\n\r\n")
        status, content = next(left)
        text = json.dumps(content).encode()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))
        await reader.read()  # a caller that is still sending would lose the answer to a reset
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
