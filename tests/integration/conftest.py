"""What several of these tests stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.log_embedded import EmbeddedLog


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """An embedded log of the test's own, open."""
    log = EmbeddedLog(tmp_path / "log.db", clock=SystemClock())
    await log.open()
    yield log
    await log.close()
