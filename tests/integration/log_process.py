"""Another process on an embedded log, for the tests that kill it: `log_process.py append|read PATH TOPIC`.

It prints a line for each thing that has become true: an acknowledged offset, or the partitions gained.
"""

from __future__ import annotations

import asyncio
import sys

from shared.clock import SystemClock
from shared.log import Entry, Log
from shared.log_embedded import EmbeddedLog

GROUP = "readers"


async def append(log: Log, topic: str) -> None:
    number = 0
    while True:
        values = [b"%d" % (number + n) for n in range(5)]
        offsets = await log.append(topic, [Entry(None, value, partition=0) for value in values], timeout_s=10)
        for offset, value in zip(offsets, values, strict=True):
            print(offset, value.decode(), flush=True)
        number += len(values)


async def read(log: Log, topic: str) -> None:
    reader = log.reader(topic, group=GROUP)
    while True:
        arrival = await reader.read(records_max=100, timeout_s=1)
        if arrival.gained:
            reader.start(dict.fromkeys(arrival.gained, 0))
            print(*sorted(arrival.gained), flush=True)


async def main() -> None:
    do, path, topic = sys.argv[1:]
    log = EmbeddedLog(path, clock=SystemClock())
    await log.open()
    await {"append": append, "read": read}[do](log, topic)


if __name__ == "__main__":
    asyncio.run(main())
