"""Pages in a real Chromium, driven by a Node script.

Skipped by name at home where there is no Chromium, failing under CI.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.servers.node import SOURCE

SCRIPT = "browser.mjs"
START_TIMEOUT_S = 60  # of the browser, on a busy machine
ANSWER_TIMEOUT_S = 60
END_TIMEOUT_S = 20
LINE_BYTES_MAX = 4 * 1024 * 1024  # what one page has asked, headers and all


class Request(msgspec.Struct, frozen=True):
    """A request of a page to ingest. Units: `sent_s` and `answered_s` by the browser's own clock.

    Without an answer, status and `answered_s` are None.
    """

    method: str
    path: str
    sent_s: float
    headers: Mapping[str, str] = {}
    status: int | None = None
    answered_s: float | None = None


class Left(msgspec.Struct, frozen=True):
    """What a page had asked of ingest until it was left, each answered or failed, and what its script has thrown."""

    requests: Sequence[Request]
    failures: Sequence[str]

    @property
    def sent(self) -> Sequence[Request]:
        """The requests without their preflights, in order."""
        return [request for request in self.requests if request.method != "OPTIONS"]


class Browser:
    """One Chromium with an empty folder of its own; a shop's pages are served from an origin that is not ingest's."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def visit(self, customer: str, script: str) -> None:
        """Open a page of the shop and run this module in it; the SDK can be imported by its name.

        Who comes again, by the name of `customer`, brings along what the last page has stored.
        """
        await self._ask({"visit": {"customer": customer, "script": script}})

    async def leave(self, customer: str) -> Left:
        """Follow a link to another page of the shop, once nothing that the page has asked is still open."""
        return msgspec.json.decode(await self._ask({"leave": customer}), type=Left)

    async def answer(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> bytes:
        """The next line of the script."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self._process.stdout.readline()
        assert line, "the script has ended: its complaint stands above"
        return line

    async def _ask(self, question: object) -> bytes:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await self.answer()


def need_chromium() -> str:
    """The program; skips the test when there is none, under CI that is a failure."""
    program = shutil.which("chromium")
    if program is None and os.environ.get("CI"):
        pytest.fail("CI must run the tests of the browser SDK: chromium is not installed")
    if program is None:
        pytest.skip("needs Chromium: chromium is not installed")
    return program


@pytest.fixture(scope="module")
async def browser(node_sdks: Path) -> AsyncIterator[Browser]:
    """Started once for the tests of a module: that takes a second or two."""
    program = need_chromium()
    shutil.copy(SOURCE / SCRIPT, node_sdks / SCRIPT)
    process = await asyncio.create_subprocess_exec(
        "node", SCRIPT, program, cwd=node_sdks, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES_MAX
    )
    try:
        browser = Browser(process)
        await browser.answer(timeout_s=START_TIMEOUT_S)
        yield browser
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    """Without input the script closes the browser and ends by itself; killed, it might leave the browser behind."""
    try:
        await asyncio.wait_for(process.communicate(b""), END_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.communicate()
