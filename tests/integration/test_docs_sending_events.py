"""Every example of docs/sending-events.md does what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from services.ingest.refusal import Code
from services.ingest.settings import IngestSettings
from shared.event import decode
from shared.settings import PREFIX, Settings
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving
from tests.servers.chromium import Browser

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sending-events.md"
TIMEOUT_S = 60

_EXAMPLE = re.compile(r"^```(sh|python|js|js browser)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [(kind, text) for kind, text in _EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))]


def _name(number: int) -> str:
    return f"{EXAMPLES[number][0].replace(' ', '-')}-{number}"


class _ReadableLog(MemoryLog):
    """Also lets the importer look for what it has written."""

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[object]:  # type: ignore[override]
        return []


def _addressed(text: str, client: httpx.AsyncClient) -> str:
    address = str(client.base_url).removeprefix("http://").rstrip("/")
    return text.replace("localhost:8080", address).replace("YOUR_WRITE_KEY", "shop-key")


def _names(log: MemoryLog) -> Counter[str]:
    return Counter(decode(entry.value).name for entry in log.entries if entry.key and entry.headers and entry.value)


def _run(kind: str, text: str, folder: Path) -> None:
    if kind == "sh":
        text = text.replace("stageline ", f"{sys.executable} -m services.main ")
        command = ["bash", "-euo", "pipefail", "-c", text]
    elif kind == "python":
        command = [sys.executable, "-c", text]
    else:
        script = folder / f"example-{os.getpid()}.mjs"  # the folder of the SDKs is one for all who run tests
        script.write_text(text + "\nsetTimeout(() => process.exit(0), 300)\n")
        command = ["node", script.name]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", [n for n, (kind, _) in enumerate(EXAMPLES) if kind != "js browser"], ids=_name)
async def test_an_example_sends_its_event(number: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kind, text = EXAMPLES[number]
    folder = request.getfixturevalue("node_sdks") if kind == "js" else tmp_path
    log = _ReadableLog()

    async with serving(log) as (client, _):
        await asyncio.to_thread(_run, kind, _addressed(text, client), folder)

    assert _names(log) in (
        Counter({"Order Completed": 1}), Counter({"$identify": 1}), Counter({"Cart Viewed": 1, "$page": 1}),
    )  # fmt: skip


async def test_the_example_for_web_pages_sends_its_event(browser: Browser) -> None:
    [text] = [text for kind, text in EXAMPLES if kind == "js browser"]
    log = MemoryLog()

    async with serving(log) as (client, _):
        await browser.visit("u1", _addressed(text, client))
        left = await browser.leave("u1")

    assert (_names(log), left.failures) == (Counter({"Order Completed": 1}), [])


def test_the_page_has_an_example_of_each_kind() -> None:
    assert Counter(kind for kind, _ in EXAMPLES) == Counter({"sh": 6, "python": 2, "js": 3, "js browser": 1})


def test_the_page_names_every_code() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert [code for code in Code if f"`{code}`" not in text] == []


def test_the_page_names_every_setting_of_ingest() -> None:
    text = PAGE.read_text(encoding="utf-8")
    own = set(IngestSettings.model_fields) - set(Settings.model_fields) - {"ingest_port"}

    assert [name for name in sorted(own) if f"`{PREFIX}{name.upper()}`" not in text] == []
