"""A process that is a member of a group, run by tests to be killed: one JSON line of partitions for each read with
news.

Arguments: bootstrap, topic, group. What it gains it starts at offset 0.
"""

from __future__ import annotations

import asyncio
import json
import sys

from shared.log_kafka import KafkaLog

SESSION_TIMEOUT_S = 6.0  # the least that a broker accepts by default


async def main(bootstrap: str, topic: str, group: str) -> None:
    reader = KafkaLog(bootstrap, session_timeout_s=SESSION_TIMEOUT_S).reader(topic, group=group)
    while True:
        arrival = await reader.read(records_max=100, timeout_s=0.2)
        reader.start(dict.fromkeys(arrival.gained, 0))
        if arrival.lost or arrival.gained or arrival.records:
            news = {"lost": arrival.lost, "gained": arrival.gained, "delivered": arrival.records}
            print(json.dumps({name: sorted(partitions) for name, partitions in news.items()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
