"""Ingest put together: settings, log and clock in, an HTTP service out, and how it drains."""

from __future__ import annotations

import asyncio
import socket

import structlog

from services.ingest.access.control import AccessControl
from services.ingest.admission.schemas import read_schemas
from services.ingest.delivery import Delivery
from services.ingest.http.api import make_app
from services.ingest.http.handlers import Ingest
from services.ingest.imports.ledger import Ledger
from services.ingest.request.capacity import Capacity
from services.ingest.settings import IngestSettings
from shared.clock import Clock, SystemClock
from shared.collector import tune_collector
from shared.http import bind, serve_http
from shared.log import Log
from shared.topics import Topics
from shared.waiting import until_available


async def serve(
    settings: IngestSettings,
    stop: asyncio.Event,
    *,
    log: Log,
    clock: Clock | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve until `stop`, on an open log that stays the caller's to close.

    Draining, in this order: `/readyz` turns 503 for a while, so that nobody sends more; imports stop at once and
    say how far they got; nothing new is accepted and requests under way are answered, each after the log's
    acknowledgement; then this returns, and only then may the log be closed.

    Errors: Refused when no write key is set, the address is taken or the topics differ; Unavailable.
    """
    settings.require_keys()
    # Before the log is waited for: a taken address is a wrong setting.
    with listener or bind(settings.host, settings.ingest_port) as listening:
        await _serve_on(listening, settings, stop, log=log, clock=clock or SystemClock())


async def _serve_on(
    listener: socket.socket, settings: IngestSettings, stop: asyncio.Event, *, log: Log, clock: Clock
) -> None:
    topics = Topics(settings.topic_prefix, settings.partitions)
    await until_available(lambda: log.ensure(topics.all()), stop, what="the log")
    access = AccessControl(settings.write_keys, clock=clock, rate=settings.rate_events_s)
    ingest = Ingest(
        access=access,
        delivery=Delivery(log, topics, timeout_s=settings.append_timeout_s),
        ledger=Ledger(log, topics, timeout_s=settings.append_timeout_s),
        capacity=Capacity(bytes_max=settings.waiting_bytes, requests_max=settings.waiting_requests),
        clock=clock,
        stop=stop,
        schemas=read_schemas(settings.schemas) if settings.schemas else None,
        schema_mode=settings.schema_mode,
        origins=settings.cors_origins,
        customer_attribute=settings.cloudevents_customer,
        admin_token=settings.admin_token,
    )
    app = make_app(ingest, lambda: "draining" if stop.is_set() else None)
    structlog.get_logger().info("ingest listens", address=listener.getsockname())
    tune_collector()
    async with asyncio.TaskGroup() as tasks:
        if settings.write_keys_file is not None:
            tasks.create_task(access.watch(settings.write_keys_file, stop))
        await serve_http(app, listener, stop, listen_on_s=settings.drain_listen_s)
