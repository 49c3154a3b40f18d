"""The notifier's composition root: picks the adapters, starts the parts, and ends them in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

import structlog

from services.notifier import metrics
from services.notifier.campaign.campaign import Campaign
from services.notifier.channel.channel import Channel
from services.notifier.channel.kind import ChannelContext
from services.notifier.channel.registry import at_once_max, make_channels, missing_settings
from services.notifier.delivery.customers import Customers
from services.notifier.delivery.deliveries import Deliveries
from services.notifier.delivery.delivery import ChannelName
from services.notifier.file.campaigns import Rules
from services.notifier.file.load import load_campaigns, load_subscriptions
from services.notifier.http.api import Progress, make_app
from services.notifier.http.operate import make_router
from services.notifier.operate.trial import Trial
from services.notifier.plan.subscription import Subscription
from services.notifier.sending.gate import Gate
from services.notifier.sending.sender import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.store_sql.customers import SqlCustomers
from services.notifier.store_sql.deliveries import SqlDeliveries
from services.notifier.worker import Worker
from shared.clock import Clock, SystemClock
from shared.database import dispose, make_engine
from shared.errors import Refused, Unavailable
from shared.http import bind, serve_http
from shared.log import Log, first_kept
from shared.topics import Topics
from shared.waiting import until_available, wait_for

LAG_EVERY_S = 10.0  # what a metrics server asks for every 15 s or so

_log = structlog.get_logger()


async def serve(
    settings: NotifierSettings,
    stop: asyncio.Event,
    *,
    log: Log,
    clock: Clock | None = None,
    deliveries: Deliveries | None = None,
    channels: Mapping[ChannelName, Channel] | None = None,
    customers: Customers | None = None,
    rules: Rules,
    listener: socket.socket | None = None,
) -> None:
    """Read, decide and send until `stop`, then drain. `log` is open, and stays so; the rest is opened and closed here.

    What is not given is made from the settings. `rules` is how campaigns are read.
    Errors: Refused when settings, campaigns or tables are not right.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        socket_of_http = listener or bind(settings.host, settings.notifier_port)
        stack.callback(socket_of_http.close)
        campaigns, subscriptions = load_campaigns(settings, rules), load_subscriptions(settings)
        context = ChannelContext(settings, log, Topics(settings.topic_prefix, settings.partitions))
        channels = make_channels(context) if channels is None else channels
        check_settings([*campaigns, *(one.as_campaign() for one in subscriptions)], channels, settings)
        engine = make_engine(settings.database)  # the only one: its pool bounds the connections of this process
        stack.push_async_callback(dispose, engine)
        deliveries = deliveries or SqlDeliveries(engine)
        stack.push_async_callback(deliveries.close)
        customers = customers or SqlCustomers(engine)
        service = _Service(settings, log, deliveries, customers, channels, campaigns, subscriptions, clock)
        trial = Trial(
            {one.name: one for one in campaigns}, customers, channels, partitions=settings.partitions,
            links=settings.unsubscribe_links, clock=clock,
        )  # fmt: skip
        app = make_app(
            deliveries, admin_token=settings.admin_token, is_ready=service.is_ready, progress=service.progress,
            operate=make_router(deliveries, trial, clock=clock, on_enabled=service.gate.forget_disabled),
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            http_stop = asyncio.Event()
            tasks.create_task(serve_http(app, socket_of_http, http_stop))
            try:
                await service.run(stop)
            finally:
                http_stop.set()  # last: whoever watches the drain can still ask


def check_settings(
    campaigns: Sequence[Campaign], channels: Collection[ChannelName], settings: NotifierSettings
) -> None:
    """Errors: Refused when a step needs a channel or a link that these settings do not make possible."""
    steps = [step for one in campaigns for step in one.steps]
    missing = missing_settings(steps, channels)
    if not settings.unsubscribe_url and any(
        part.has_unsubscribe_link for step in steps for part in step.parts.values()
    ):
        missing.append("a template names `unsubscribe_link`: set STAGELINE_UNSUBSCRIBE_URL")
    if missing:
        raise Refused("\n".join(missing))


class _Service:
    """Worker and senders, and what they stand on."""

    def __init__(
        self,
        settings: NotifierSettings,
        log: Log,
        deliveries: Deliveries,
        customers: Customers,
        channels: Mapping[ChannelName, Channel],
        campaigns: Sequence[Campaign],
        subscriptions: Sequence[Subscription],
        clock: Clock,
    ) -> None:
        self._topics = Topics(settings.topic_prefix, settings.partitions)
        self._log = log
        self._deliveries = deliveries
        self._customers = customers
        self._channels = channels
        self._reader = log.reader(self._topics.transitions, group=f"{self._topics.prefix}-notifier")
        self._worker = Worker(
            self._reader, deliveries, campaigns, subscriptions=subscriptions, clock=clock, on_news=self._wake_senders,
            first_kept=partial(first_kept, log, self._topics.transitions),
        )  # fmt: skip
        known = [*campaigns, *(one.as_campaign() for one in subscriptions)]
        self.gate = Gate(deliveries, customers, {one.name: one for one in known}, clock=clock)
        links = settings.unsubscribe_links
        self._senders = [
            Sender(deliveries, self.gate, name, channel, links=links, clock=clock, at_once_max=at_once_max(name))
            for name, channel in channels.items()
        ]
        self._is_open = False

    def is_ready(self) -> str | None:
        """Why nothing is decided or sent just now, or None."""
        return self._worker.trouble if self._is_open else "the database or the log has not answered yet"

    async def progress(self) -> Progress:
        """How far all notifiers together are."""
        standing, ends = await self._deliveries.standing(), await self._log.ends(self._topics.transitions)
        behind = sum(max(0, end - standing.offsets.get(partition, 0)) for partition, end in ends.items())
        return Progress(behind=behind, pending=standing.pending)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Then: stop reading, finish the batch, let running sends end, record them, close.

        The reader leaves the group before the sends have ended, so that another notifier goes on at once; the
        database is closed after everything, because everything ends with a row.
        """
        await self._open(stop)
        async with AsyncExitStack() as stack:
            for channel in self._channels.values():
                await channel.open()
                stack.push_async_callback(channel.close)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_lag(stop))
                for sender in self._senders:
                    tasks.create_task(sender.run(stop))
                try:
                    await self._worker.run(stop)
                finally:
                    self._wake_senders()  # they need not wait out their poll to see the stop
                    await self._reader.close()

    def _wake_senders(self) -> None:
        for sender in self._senders:
            sender.wake()

    async def _open(self, stop: asyncio.Event) -> None:
        await until_available(self._deliveries.open, stop, what="the database")
        await until_available(self._customers.open, stop, what="the database")
        await until_available(lambda: self._log.ensure(self._topics.all()), stop, what="the log")
        self._is_open = not stop.is_set()

    async def _watch_lag(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                ends = await self._log.ends(self._topics.transitions)
            except Unavailable:
                _log.debug("lag unknown")  # the worker says loudly what is wrong
            else:
                owned = self._worker.positions()
                metrics.LAG.set(sum(max(0, ends.get(p, 0) - offset) for p, offset in owned.items()))
            await wait_for(stop, timeout_s=LAG_EVERY_S)
