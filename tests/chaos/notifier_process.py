"""A notifier whose clock runs fast, so that leases and retries of minutes pass in seconds: ARGS are `began speed`."""

from __future__ import annotations

import asyncio
import sys
import time

from services.file_commands import campaign_rules
from services.notifier.main import serve
from services.notifier.settings import NotifierSettings
from shared.log_embedded import EmbeddedLog
from shared.run import run
from shared.settings import read_settings
from shared.telemetry import configure_logging


class FastClock:
    """Time since `began_s` (of the machine's clock), `speed` times as fast; every process sees the same."""

    def __init__(self, *, began_s: float, speed: float) -> None:
        self._began_s, self._speed = began_s, speed

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int((self._began_s + (time.time() - self._began_s) * self._speed) * 1_000)


def main() -> None:
    """Serve until told to stop."""
    clock = FastClock(began_s=float(sys.argv[1]), speed=float(sys.argv[2]))
    settings = read_settings(NotifierSettings)
    configure_logging("warning")

    async def served(stop: asyncio.Event) -> None:
        log = EmbeddedLog(settings.log.removeprefix("embedded:"), clock=clock, session_timeout_s=4)
        await log.open()
        try:
            await serve(settings, stop, log=log, clock=clock, rules=campaign_rules(()))
        finally:
            await log.close()

    sys.exit(run(served))


if __name__ == "__main__":
    main()
