"""The HTTP border: who asks, what arrives, and the answer; a 2xx goes out only after the log's acknowledgement.

Every event route reads the raw request: SDKs lie about content types, and typed decoding is several times faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import msgspec
from fastapi import FastAPI, Request, Response

from services.ingest import answers
from services.ingest.admit import KINDS, Intake, Kind, admit, admit_item, admit_read
from services.ingest.body import read_body
from services.ingest.delivery import Delivery
from services.ingest.envelope import read_batch, read_single
from services.ingest.history import IMPORT_BYTES_HELD, Import
from services.ingest.keys import WriteKeys, basic_user
from services.ingest.limits import BATCH_BYTES_MAX, EVENT_BYTES_MAX
from services.ingest.meters import event_count, request_count
from services.ingest.refusal import Code, Rejected
from services.ingest.room import Room, Seat
from shared.clock import Clock
from shared.errors import Unavailable
from shared.http import Readiness, add_operator_routes

Taker = Callable[[Request, Seat], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the routes work with."""

    keys: WriteKeys
    delivery: Delivery
    room: Room
    clock: Clock
    stop: asyncio.Event


def make_app(ingest: Ingest, is_ready: Readiness) -> FastAPI:
    """The application. Documentation pages are off: they would load scripts from elsewhere."""
    app = FastAPI(title="Stageline ingest", docs_url=None, redoc_url=None)
    add_operator_routes(app, is_ready)
    for kind in KINDS.values():
        _add(app, ingest, f"/v1/{kind}", partial(_take_single, ingest, kind), f"One {kind} event.")
    _add(app, ingest, "/v1/batch", partial(_take_batch, ingest), "Up to 2,500 events; each is judged on its own.")
    _add(app, ingest, "/v1/import", partial(_take_import, ingest), "History as NDJSON, streamed, of any length.")
    return app


def _add(app: FastAPI, ingest: Ingest, path: str, taker: Taker, summary: str) -> None:
    async def route(request: Request) -> Response:
        response = await _answer(ingest, request, taker)
        request_count(path, response.status_code).inc()
        return response

    app.add_api_route(
        path, route, methods=["POST"], summary=summary, response_model=None, name=path.rpartition("/")[2],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    )  # fmt: skip


async def _answer(ingest: Ingest, request: Request, taker: Taker) -> Response:
    """The one place where named failures become answers."""
    try:
        with ingest.room.seat() as seat:
            return await taker(request, seat)
    except Rejected as error:
        return answers.rejection(error)
    except Unavailable as error:
        return answers.unavailable(error)


async def _take_single(ingest: Ingest, kind: Kind, request: Request, seat: Seat) -> Response:
    early = _source_before_body(ingest, request)
    body = await read_body(request.receive, bytes_max=EVENT_BYTES_MAX, seat=seat)
    envelope = read_single(body)
    source = early or _source(ingest, envelope.write_key)
    try:
        event = admit_item(envelope.items[0], Intake(source, ingest.clock.now_ms(), kind=kind))
    except Rejected:
        event_count(source, "refused").inc()
        raise
    await ingest.delivery.deliver([event], source=source, traceparent=request.headers.get("traceparent"))
    return answers.success()


async def _take_batch(ingest: Ingest, request: Request, seat: Seat) -> Response:
    early = _source_before_body(ingest, request)
    envelope = read_batch(await read_body(request.receive, bytes_max=BATCH_BYTES_MAX, seat=seat))
    source = early or _source(ingest, envelope.write_key)
    seat.take(envelope.event_bytes)
    intake = Intake(source, ingest.clock.now_ms(), sent_ms=envelope.sent_ms, context=envelope.context)
    admission = admit_read(envelope.read, intake) if envelope.read else admit(envelope.items, intake)
    if admission.refusals:
        event_count(source, "refused").inc(len(admission.refusals))
    traceparent = request.headers.get("traceparent")
    await ingest.delivery.deliver(admission.events, source=source, traceparent=traceparent)
    return answers.batch_answer(accepted=len(admission.events), refusals=admission.refusals)


async def _take_import(ingest: Ingest, request: Request, seat: Seat) -> Response:
    source = _source_before_body(ingest, request) or _source(ingest, None)
    is_last = _is_last(request.query_params.get("end"))
    seat.take(IMPORT_BYTES_HELD)
    traceparent = request.headers.get("traceparent")
    work = Import(ingest.delivery, source=source, clock=ingest.clock, traceparent=traceparent)
    try:
        await work.run(request.receive, ingest.stop, is_last=is_last)
    except Rejected as error:
        return answers.rejection(error, beside=msgspec.to_builtins(work.progress))
    except Unavailable as error:
        return answers.unavailable(error, beside=msgspec.to_builtins(work.progress))
    return answers.import_answer(work.progress)


def _is_last(said: str | None) -> bool:
    if said in (None, "", "true", "1"):
        return True
    if said in ("false", "0"):
        return False
    raise Rejected(Code.INVALID_FIELD, "end must be true or false", field="end")


def _source_before_body(ingest: Ingest, request: Request) -> str | None:
    """The source by Basic user, else by the query; None when neither is there and the body has to say.

    Errors: Rejected when a key is there but unknown: such a caller's body is not worth reading.
    """
    key = basic_user(request.headers.get("authorization")) or request.query_params.get("writeKey")
    return _source(ingest, key) if key else None


def _source(ingest: Ingest, key: str | None) -> str:
    source = ingest.keys.source_of(key) if key else None
    if source is None:
        raise Rejected(Code.UNKNOWN_KEY, "the write key is unknown" if key else "a write key is needed")
    return source
