"""Sends what is due: takes deliveries with a lease, has the gate judge them, hands each to its channel, records.

A delivery whose result could not be recorded is due again when its lease ends, with the same id: the receiver may see
it twice, and never not at all. Whether it may be sent is asked right before (`gate.py`), each time anew.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence

import structlog

from services.notifier import metrics
from services.notifier.channel.channel import AT_ONCE_MAX, Answer, Channel, Failed, Gone, NoAddress, Rejected, Sent
from services.notifier.delivery.deliveries import Deliveries
from services.notifier.delivery.delivery import ChannelName, Delivery, Outcome, Result, followers_of
from services.notifier.delivery.message import Message
from services.notifier.plan.contract import Hold
from services.notifier.sending.compose import compose
from services.notifier.sending.endpoints import Endpoints
from services.notifier.sending.gate import Cleared, Gate, withheld
from services.notifier.sending.retry import ATTEMPTS_MAX, next_attempt_ms
from services.notifier.sending.shares import share_out
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.clock import SECOND_MS, Clock
from shared.database import storable
from shared.errors import Unavailable
from shared.waiting import wait_for

# Longer than one attempt and the recording of it, a pause of the process included: a delivery must not be taken by a
# second sender while the first is still at it.
LEASE_MS = 60 * SECOND_MS
POLL_S = 1.0  # retries, leases and circuits that have ended are noticed within this
UNJUDGED_MS = 10 * SECOND_MS  # what could not be judged is taken again after this: others have their turn first
RECORD_TRIES_MAX = 5  # 1 + 2 + 4 + 8 s: then the lease is nearly over, and the delivery will come back by itself
DRAIN_S = 10.0  # what is under way gets this long when stopping; Kubernetes kills after 30
REASON_LENGTH_MAX = 500  # a receiver's words are kept for people, not for ever

_log = structlog.get_logger()


class Sender:
    """Sends the deliveries of one channel, up to `at_once_max` at once, so that a slow one costs the others nothing."""

    def __init__(
        self,
        deliveries: Deliveries,
        gate: Gate,
        name: ChannelName,
        channel: Channel,
        *,
        links: UnsubscribeLinks,
        clock: Clock,
        at_once_max: int = AT_ONCE_MAX,
    ) -> None:
        self._at_once_max = at_once_max
        self._links = links
        self._deliveries = deliveries
        self._gate = gate
        self._name = name
        self._channel = channel
        self._clock = clock
        self._endpoints = Endpoints()
        self._turn = 0
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._results: asyncio.Queue[Result | None] = asyncio.Queue(maxsize=AT_ONCE_MAX)

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
                self._woken.clear()  # before looking: news that arrives meanwhile sets it again
                taken = await self._send_due(tasks, stop)
                if not taken and not stop.is_set():
                    await wait_for(self._woken, timeout_s=POLL_S)
            await self._finish_running()
            await self._results.put(None)

    async def _send_due(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> int:
        """Begin to send what is due and may go out; how many were taken."""
        if len(self._running) >= self._at_once_max:
            return 0
        taken: Sequence[Delivery] = ()
        try:
            taken = await self._deliveries.take(self._name, self._share, now_ms=self._clock.now_ms(), lease_ms=LEASE_MS)
            passage = await self._gate.admit(taken) if taken else None
        except Unavailable as error:
            metrics.OUTAGES.labels("taking").inc()
            _log.warning("cannot take deliveries now", channel=self._name, reason=str(error), retry_s=POLL_S)
            await self._give_back(taken)
            await wait_for(stop, timeout_s=POLL_S)
            return 0
        if passage is None:
            return 0
        for cleared in passage.cleared:
            self._begin(tasks, cleared)
        for result in passage.results:
            await self._results.put(result)
        return len(taken)

    async def _give_back(self, taken: Sequence[Delivery]) -> None:
        """What could not be judged was no attempt: an outage of the tables must not use them up."""
        now_ms = self._clock.now_ms()
        hold = Hold(now_ms + UNJUDGED_MS, "not judged yet: a table that is needed does not answer")
        for delivery in taken:
            await self._results.put(withheld(delivery, hold, now_ms=now_ms))

    def _share(self, lanes: Sequence[str]) -> Mapping[str, int]:
        self._turn += 1
        now_ms = self._clock.now_ms()
        metrics.CIRCUITS_OPEN.labels(self._name).set(self._endpoints.open_count(now_ms=now_ms))
        return share_out(
            lanes,
            free=self._at_once_max - len(self._running),
            turn=self._turn,
            room=lambda endpoint: self._endpoints.room(endpoint, now_ms=now_ms),
            priority=self._gate.priority,
        )

    def _begin(self, tasks: asyncio.TaskGroup, cleared: Cleared) -> None:
        self._endpoints.begin(cleared.delivery.endpoint)
        task = tasks.create_task(self._attempt(cleared))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _attempt(self, cleared: Cleared) -> None:
        delivery = cleared.delivery
        try:
            answer = await self._send(cleared)
        except BaseException:
            self._endpoints.abandon(delivery.endpoint)
            raise
        now_ms = self._clock.now_ms()
        match answer:
            case Failed(_, retry_after_ms, _):
                self._endpoints.fail(delivery.endpoint, now_ms=now_ms, retry_after_ms=retry_after_ms)
            case Sent() | Gone():
                self._endpoints.succeed(delivery.endpoint)
            case Rejected() | NoAddress():  # nobody was asked
                self._endpoints.abandon(delivery.endpoint)
        self._woken.set()  # there is room again
        result = result_of(delivery, answer, now_ms=now_ms, chance=random.random(), note=cleared.note)
        metrics.ATTEMPTS.labels(self._name, result.outcome).inc()
        await self._results.put(result)

    async def _send(self, cleared: Cleared) -> Answer:
        try:
            return await self._ask(cleared)
        except Exception:
            # Not only in the outermost loop: from there it would end the attempts beside this one, which have perhaps
            # arrived and would be sent again, and the next process would meet the same message.
            _log.exception("an attempt met a fault of ours", channel=self._name, delivery=str(cleared.delivery.id))
            return Failed("a fault of ours: the notifier's log says which", may_have_arrived=True)

    async def _ask(self, cleared: Cleared) -> Answer:
        delivery = cleared.delivery
        if delivery.attempt > ATTEMPTS_MAX:
            return Rejected(f"given up: the last of {ATTEMPTS_MAX} attempts left no result")
        step = cleared.campaign.steps[delivery.step - 1]
        message = compose(delivery, step, traits=cleared.customer.traits, links=self._links)
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
                if any(result.gone for result in results):
                    self._gate.forget_disabled()
                if any(result.outcome in (Outcome.DEAD, Outcome.NO_ADDRESS) and result.followers for result in results):
                    self._woken.set()  # a fallback step is due now, perhaps by this very channel
                return


def result_of(delivery: Delivery, answer: Answer, *, now_ms: int, chance: float, note: str = "") -> Result:
    """What an attempt came to, and when to try again. `chance` is a random number in [0, 1)."""
    due_ms, gone, keeps_place = None, None, delivery.may_have_arrived
    match answer:
        case Sent():
            outcome, keeps_place = Outcome.SENT, False
        case Rejected():
            outcome = Outcome.DEAD
        case Gone():
            outcome, gone = Outcome.DEAD, delivery.target or None
        case NoAddress():
            outcome = Outcome.NO_ADDRESS
        case Failed(_, retry_after_ms, may_have_arrived):
            keeps_place = keeps_place or may_have_arrived
            due_ms = next_attempt_ms(delivery.attempt, now_ms=now_ms, chance=chance, retry_after_ms=retry_after_ms)
            outcome = Outcome.DEAD if due_ms is None else Outcome.FAILED
    return Result(
        id=delivery.id,
        take=delivery.take,
        outcome=outcome,
        reason=storable(answer.reason + note)[:REASON_LENGTH_MAX],
        finished_ms=now_ms,
        due_ms=due_ms,
        is_attempt=True,
        followers=followers_of(delivery),
        gone=gone,
        keeps_place=keeps_place,
    )
