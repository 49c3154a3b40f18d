"""Sends what is due: takes deliveries with a lease, hands each to its channel, records what came of it.

A delivery whose result could not be recorded is due again when its lease ends, with the same id: the receiver may see
it twice, and never not at all. What must be known at the moment of sending (is the customer still in that visit, may
we write at this hour) will be asked in `_attempt`, before the channel is.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence

import structlog

from services.notifier import metrics
from services.notifier.channel import Answer, Channel, Failed, Gone, NoAddress, Rejected, Sent
from services.notifier.compose import compose
from services.notifier.deliveries import Deliveries
from services.notifier.delivery import ChannelName, Delivery, Outcome, Result
from services.notifier.message import Message
from services.notifier.retry import ATTEMPTS_MAX, next_attempt_ms
from services.notifier.step import Step
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.clock import SECOND_MS, Clock
from shared.errors import Unavailable
from shared.waiting import wait_for

RUNNING_MAX = 200  # attempts at once: enough to hide slow receivers, few enough for one process's sockets
TAKEN_MIN = 20  # so many slots must be free before more is taken: one transaction for each delivery would be slow
# Longer than one attempt and the recording of it, a pause of the process included: a delivery must not be taken by a
# second sender while the first is still at it.
LEASE_MS = 60 * SECOND_MS
POLL_S = 1.0  # retries and leases that have ended are noticed within this
RECORD_TRIES_MAX = 5  # 1 + 2 + 4 + 8 s: then the lease is nearly over, and the delivery will come back by itself
DRAIN_S = 10.0  # what is under way gets this long when stopping; Kubernetes kills after 30
REASON_LENGTH_MAX = 500  # a receiver's words are kept for people, not for ever

_log = structlog.get_logger()


class Sender:
    """Sends the deliveries of one channel, so that a slow one costs the others nothing."""

    def __init__(
        self,
        deliveries: Deliveries,
        name: ChannelName,
        channel: Channel,
        *,
        steps: Mapping[str, Sequence[Step]],
        links: UnsubscribeLinks,
        clock: Clock,
    ) -> None:
        self._steps = steps
        self._links = links
        self._deliveries = deliveries
        self._name = name
        self._channel = channel
        self._clock = clock
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._results: asyncio.Queue[Result | None] = asyncio.Queue(maxsize=RUNNING_MAX)

    def wake(self) -> None:
        """There is something new to send, or `stop` is set: do not wait for the next poll."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then drain.

        The order of the drain: nothing more is taken; what is under way may finish within DRAIN_S; what has not by then
        is abandoned (its lease will end); the last results are recorded.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._record_results())
            while not stop.is_set():
                taken = await self._take(stop)
                for delivery in taken:
                    task = tasks.create_task(self._attempt(delivery))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                await self._wait(stop, is_busy=bool(taken))
            await self._finish_running()
            await self._results.put(None)

    async def _take(self, stop: asyncio.Event) -> list[Delivery]:
        free = RUNNING_MAX - len(self._running)
        if free < TAKEN_MIN:
            return []
        self._woken.clear()  # before looking: news that arrives meanwhile sets it again
        try:
            return await self._deliveries.take([self._name], now_ms=self._clock.now_ms(), lease_ms=LEASE_MS, limit=free)
        except Unavailable as error:
            metrics.OUTAGES.labels("taking").inc()
            _log.warning("cannot take deliveries now", channel=self._name, reason=str(error), retry_s=POLL_S)
            await wait_for(stop, timeout_s=POLL_S)
            return []

    async def _wait(self, stop: asyncio.Event, *, is_busy: bool) -> None:
        """Until slots are free and there may be something to take, or the poll is due, or `stop`."""
        if len(self._running) > RUNNING_MAX - TAKEN_MIN:
            await asyncio.wait(self._running, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        elif not is_busy and not stop.is_set():
            await wait_for(self._woken, timeout_s=POLL_S)

    async def _attempt(self, delivery: Delivery) -> None:
        answer = await self._send(delivery)
        result = result_of(delivery, answer, now_ms=self._clock.now_ms(), chance=random.random())
        metrics.ATTEMPTS.labels(self._name, result.outcome).inc()
        await self._results.put(result)

    async def _send(self, delivery: Delivery) -> Answer:
        if delivery.attempt > ATTEMPTS_MAX:
            return Rejected(f"given up: the last of {ATTEMPTS_MAX} attempts left no result")
        steps = self._steps.get(delivery.campaign, ())
        if not 1 <= delivery.step <= len(steps):
            return Rejected("the campaign has no such step any more")
        message = compose(delivery, steps[delivery.step - 1], traits={}, links=self._links)
        if not isinstance(message, Message):
            return message
        began = time.perf_counter()
        answer = await self._channel.send(message, now_ms=self._clock.now_ms())
        metrics.SEND_SECONDS.labels(self._name).observe(time.perf_counter() - began)
        return answer

    async def _finish_running(self) -> None:
        if self._running:
            _, unfinished = await asyncio.wait(self._running, timeout=DRAIN_S)
            for task in unfinished:
                task.cancel()
            if unfinished:
                _log.warning("abandoned", channel=self._name, deliveries=len(unfinished))

    async def _record_results(self) -> None:
        """Everything that has finished meanwhile goes into one transaction, until the None that ends the queue."""
        is_last = False
        while not is_last:
            results = [await self._results.get()]
            while not self._results.empty():
                results.append(self._results.get_nowait())
            is_last = None in results
            await self._record([result for result in results if result is not None])

    async def _record(self, results: list[Result]) -> None:
        for again in range(RECORD_TRIES_MAX if results else 0):
            try:
                await self._deliveries.record(results)
            except Unavailable as error:
                metrics.OUTAGES.labels("recording").inc()
                _log.warning("cannot record results now", channel=self._name, reason=str(error), results=len(results))
                if again < RECORD_TRIES_MAX - 1:
                    await asyncio.sleep(2**again)
            else:
                return


def result_of(delivery: Delivery, answer: Answer, *, now_ms: int, chance: float) -> Result:
    """What an attempt came to, and when to try again. `chance` is a random number in [0, 1)."""
    match answer:
        case Sent(reason):
            outcome, due_ms = Outcome.SENT, None
        case Rejected(reason) | Gone(reason) | NoAddress(reason):
            outcome, due_ms = Outcome.DEAD, None
        case Failed(reason, retry_after_ms):
            due_ms = next_attempt_ms(delivery.attempt, now_ms=now_ms, chance=chance, retry_after_ms=retry_after_ms)
            outcome = Outcome.DEAD if due_ms is None else Outcome.FAILED
    return Result(
        id=delivery.id,
        attempt=delivery.attempt,
        outcome=outcome,
        reason=reason.replace("\0", "")[:REASON_LENGTH_MAX],
        finished_ms=now_ms,
        due_ms=due_ms,
    )
