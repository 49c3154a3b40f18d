"""The stager's composition root: picks the adapters, starts the worker and the HTTP routes, drains both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from services.stager.fold.rules import compile_rules
from services.stager.http.api import make_app
from services.stager.language.definition import Lifecycle
from services.stager.language.file import load_paths
from services.stager.settings import StagerSettings
from services.stager.store import Store
from services.stager.store_sql.postgres import StorePostgres
from services.stager.store_sql.sqlite import StoreSqlite
from services.stager.worker.worker import Worker
from shared.clock import Clock
from shared.collector import tune_collector
from shared.database import make_engine
from shared.errors import Refused
from shared.http import bind, serve_http
from shared.log import Log
from shared.topics import Topics
from shared.waiting import until_available


async def serve(settings: StagerSettings, stop: asyncio.Event, *, log: Log, clock: Clock) -> None:
    """Run the stager on an opened log until `stop`. The log must outlive it.

    Errors: Refused when the lifecycles have errors or the tables are missing; nothing is touched before.
    """
    lifecycles = load_lifecycles(settings)
    topics = Topics(settings.topic_prefix, settings.partitions)
    rules = compile_rules(lifecycles)
    async with _listener(settings) as listener, _made_store(settings, clock) as store:
        worker = Worker(
            log=log, store=store, topics=topics, rules=rules,
            segments=frozenset(lifecycle.name for lifecycle in lifecycles if lifecycle.segment),
            settings=settings, clock=clock,
        )  # fmt: skip
        app = make_app(settings=settings, worker=worker, store=store, log=log, topics=topics, clock=clock, rules=rules)
        tune_collector()
        async with asyncio.TaskGroup() as tasks:
            http_stop = asyncio.Event()
            tasks.create_task(serve_http(app, listener, http_stop))
            try:
                await until_available(lambda: log.ensure(topics.all()), stop, what="the log")
                await until_available(store.open, stop, what="the database")
                await worker.run(stop)
            finally:
                http_stop.set()  # last: whoever watches the drain can still ask


def load_lifecycles(settings: StagerSettings) -> Sequence[Lifecycle]:
    """The lifecycles of the settings. Errors: Refused with every fault of every file, or when there is none at all."""
    loaded = load_paths(settings.lifecycles)
    errors = [fault for fault in loaded.faults if fault.severity == "error"]
    if errors:
        raise Refused("the lifecycles have errors\n" + "\n".join(fault.render() for fault in errors))
    if not loaded.lifecycles:
        raise Refused(f"STAGELINE_LIFECYCLES: no lifecycle in {', '.join(map(str, settings.lifecycles))}")
    return loaded.lifecycles


@asynccontextmanager
async def _listener(settings: StagerSettings) -> AsyncGenerator[socket.socket, None]:
    """Bound before anything is touched, and closed also when nothing was ever served on it."""
    with bind(settings.host, settings.stager_port) as listener:
        yield listener


@asynccontextmanager
async def _made_store(settings: StagerSettings, clock: Clock) -> AsyncGenerator[Store, None]:
    """The store that the database address names, not yet open, and closed in the end."""
    engine = make_engine(settings.database)
    store: Store = (StoreSqlite if settings.database.startswith("sqlite") else StorePostgres)(engine, clock)
    try:
        yield store
    finally:
        await store.close()
