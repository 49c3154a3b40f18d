"""A whole Stageline of several processes on one log and one database, and how to see that it is caught up."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.files import write_files
from tests.chaos.services import WRITE_KEY, Service

CATCH_UP_TIMEOUT_S = 120
PARTITIONS = 4


def plant_settings(folder: Path, *, log: str, database: str) -> dict[str, str]:
    """Settings that all processes of one plant share."""
    return write_files(folder) | {
        "STAGELINE_LOG": log,
        "STAGELINE_DATABASE": database,
        "STAGELINE_PARTITIONS": str(PARTITIONS),
        "STAGELINE_TOPIC_PREFIX": "chaos",
        "STAGELINE_WRITE_KEYS": f"chaos:{WRITE_KEY}",
        "STAGELINE_SESSION_TIMEOUT_S": "4",
        "STAGELINE_LOG_LEVEL": "info",
        # Small batches keep the stagers busy, so that most kills and pauses hit a batch under way, not a quiet moment.
        "STAGELINE_BATCH_RECORDS_MAX": "60",
    }


async def wait_until_caught_up(stager: Service, notifier: Service, *, all_services: Sequence[Service]) -> None:
    """Return when nothing is unread, due now or later, unpublished, undecided or unsent, twice in a row."""
    deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
    quiet = 0
    while quiet < 2:
        crashed = [service.name + ":\n" + service.tail() for service in all_services if service.has_crashed()]
        assert not crashed, "\n".join(crashed)
        progress = await asyncio.to_thread(_progress, stager, notifier)
        quiet = quiet + 1 if progress is not None and not any(progress.values()) else 0
        tails = "\n".join(service.tail() for service in all_services)
        assert time.monotonic() < deadline, f"never caught up: {progress}\n{tails}"
        await asyncio.sleep(0.5)


def _progress(stager: Service, notifier: Service) -> dict[str, Any] | None:
    try:
        folded = _get(stager, "/progress")
        decided = _get(notifier, "/progress")
    except (OSError, urllib.error.HTTPError):
        return None
    folded.pop("transitions")
    return {f"stager {name}": value for name, value in folded.items()} | decided


def _get(service: Service, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(service.address + path, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
