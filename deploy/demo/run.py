"""`make demo`: start everything, import a year and a half of real purchases, show what happened, then one live order.

`EXIT=1` in the environment ends it by itself; the exit code is 0 only if the numbers agree with each other.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo.history import import_lines
from deploy.demo.report import Answers, contradictions, show
from deploy.demo.stack import Stack, get, post
from shared.clock import SystemClock
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from shared.transition import Transition, decode

FOLDER = Path(".demo")
CATCH_UP_TIMEOUT_S = 120
LIVE_TIMEOUT_S = 20
CHUNK_BYTES = 64 * 1024
PARTITIONS = 12


def main() -> int:
    """Run the demo; its exit code."""
    console = Console(highlight=False)
    stack = Stack(FOLDER)
    try:
        with console.status("starting ingest, stager and notifier"):
            stack.wait_until_ready()
        return _show_everything(console, stack)
    except (RuntimeError, OSError, TimeoutError) as error:
        console.print(f"[red]the demo failed:[/] {error}\n{stack.output.read_text()[-2000:]}")
        return 1
    except KeyboardInterrupt:
        console.print("\nstopping: what is accepted is folded first")
        return 0
    finally:
        stack.stop()


def _show_everything(console: Console, stack: Stack) -> int:
    lines = list(import_lines(datetime.now(UTC).date()))
    started = time.monotonic()
    _import(console, stack, lines)
    took_s = time.monotonic() - started
    answers = _ask(stack)
    show(console, answers)
    transitions = answers.progress["transitions"]
    console.print(
        f"\n{len(lines):,} events became {transitions:,} transitions in {took_s:.1f} s, HTTP to committed: "
        f"{len(lines) / took_s:,.0f} events a second in one process with SQLite"
    )
    live_is_well = _order_live(console, stack)
    found = contradictions(_ask(stack), customers=len({json.loads(line)["userId"] for line in lines}))
    for contradiction in found:
        console.print(f"[red]contradiction:[/] {contradiction}")
    if os.environ.get("EXIT"):
        console.print("the numbers agree with each other" if live_is_well and not found else "[red]the demo failed[/]")
        return 0 if live_is_well and not found and stack.stop() == 0 else 1
    console.print(
        f"\nStill serving until Ctrl-C: ingest {stack.ingest}, stager {stack.stager} (/lifecycles /flows /progress), "
        f"notifier {stack.notifier} (/deliveries)\nSend an event yourself:\n"
        f"  curl -u demo-write-key: {stack.ingest}/v1/track -d "
        '\'{"userId":"0001","event":"Order Completed","properties":{"revenue":20}}\'',
        soft_wrap=True,
    )
    return stack.wait()


def _import(console: Console, stack: Stack, lines: list[bytes]) -> None:
    """Stream the history in; wait until all is folded, everybody is in the present, and every message is decided."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sending = progress.add_task("importing over HTTP", total=len(lines))
        chunks = _chunks(lines, lambda count: progress.update(sending, completed=count))
        answer = post(stack.ingest, "/v1/import", chunks)
        if answer["accepted"] != len(lines):
            raise RuntimeError(f"{len(lines)} events were sent, the answer was {answer}")
        folding = progress.add_task("folding", total=len(lines))
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while not _is_caught_up(stack, lambda behind: progress.update(folding, completed=len(lines) - behind)):
            if time.monotonic() > deadline:
                raise TimeoutError("the services did not catch up")
            time.sleep(0.1)


def _chunks(lines: Iterable[bytes], sent: Any) -> Iterator[bytes]:
    chunk = bytearray()
    for count, line in enumerate(lines, start=1):
        chunk += line
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
            sent(count)
    yield bytes(chunk)
    sent(len(list(lines)))


def _is_caught_up(stack: Stack, folded: Any) -> bool:
    progress = get(stack.stager, "/progress")
    folded(progress["behind"])
    if progress["behind"] or progress["overdue"] or progress["unpublished"]:
        return False
    return get(stack.notifier, "/progress") == {"behind": 0, "pending": 0}


def _ask(stack: Stack) -> Answers:
    return Answers(
        lifecycles=get(stack.stager, "/lifecycles"),
        flows=get(stack.stager, "/flows"),
        progress=get(stack.stager, "/progress"),
        deliveries=get(stack.notifier, "/deliveries/summary"),
    )


def _order_live(console: Console, stack: Stack) -> bool:
    """Post one order of a customer long gone and watch the stage change arrive on the topic, as a subscriber would."""
    customer = "0001"
    console.print(f"\n[bold]Live:[/] customer {customer} orders again")
    arrived, waited_s = asyncio.run(_watch_one(stack, customer))
    if arrived is None:
        return False
    console.print(
        f"  {arrived.lifecycle}: [yellow]{arrived.from_stage}[/] -> [green]{arrived.to_stage}[/] at {arrived.at}, "
        f"on the topic {waited_s * 1000:.0f} ms after the request began"
    )
    deadline = time.monotonic() + LIVE_TIMEOUT_S
    while time.monotonic() < deadline:
        sent = [row for row in get(stack.notifier, "/deliveries?outcome=sent") if row["customer"] == customer]
        if sent:
            console.print(f"  campaign {sent[0]['campaign']}: message sent by {sent[0]['channel']}")
            return True
        time.sleep(0.05)
    return False


async def _watch_one(stack: Stack, customer: str) -> tuple[Transition | None, float]:
    topics = Topics("stageline", PARTITIONS)
    log = EmbeddedLog(str(stack.log_path), clock=SystemClock())
    await log.open()
    try:
        await log.ensure(topics.all())
        partition = log.partition_of(topics.transitions, customer.encode())
        offset = (await log.ends(topics.transitions))[partition]
        started = time.monotonic()
        order = {"userId": customer, "messageId": str(uuid.uuid4()), "event": "Order Completed"}
        body = json.dumps(order | {"properties": {"revenue": 29.9, "currency": "USD", "quantity": 2}}).encode()
        await asyncio.to_thread(post, stack.ingest, "/v1/track", body)
        while time.monotonic() - started < LIVE_TIMEOUT_S:
            for record in await log.fetch(topics.transitions, partition, offset, records_max=100):
                offset = record.offset + 1
                transition = decode(record.value)
                if transition.customer == customer and transition.lifecycle == "shop":
                    return transition, time.monotonic() - started
            await asyncio.sleep(0.005)
    finally:
        await log.close()
    return None, 0.0


if __name__ == "__main__":
    sys.exit(main())
