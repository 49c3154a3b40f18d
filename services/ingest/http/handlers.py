"""What happens to a request: whose it is, what is in it, which of it is admitted, and the log's word for it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import msgspec
from fastapi import Request, Response

from services.ingest.access.control import AccessControl
from services.ingest.access.keys import WriteKey, basic_user, bearer_token
from services.ingest.admission import cloud_event
from services.ingest.admission.admit import Admission, Check, Intake, Kind, admit_batch, admit_item
from services.ingest.admission.envelope import read_batch, read_single
from services.ingest.admission.schemas import Mode, Schemas
from services.ingest.delivery import Delivery
from services.ingest.http import answers
from services.ingest.http.rejects import Reject, Rejects, excerpt_of
from services.ingest.imports.history import IMPORT_BYTES_HELD, Import
from services.ingest.imports.ledger import Ledger, import_id
from services.ingest.imports.resumption import Resumption
from services.ingest.limits import BATCH_BYTES_MAX, EVENT_BYTES_MAX, REJECTS_NOTED_MAX
from services.ingest.meters import event_count
from services.ingest.refusal import Code, Refusal, Rejected
from services.ingest.request.body import Stopping, read_body
from services.ingest.request.capacity import Capacity, Slot
from shared.clock import Clock, rfc3339
from shared.errors import StagelineError
from shared.event import Event

_PROCESS = secrets.token_hex(8)
_requests = count()


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the routes work with. `customer_attribute` is what names the customer in a CloudEvent."""

    access: AccessControl
    delivery: Delivery
    ledger: Ledger
    capacity: Capacity
    clock: Clock
    stop: asyncio.Event
    rejects: Rejects = field(default_factory=Rejects)
    schemas: Schemas | None = None
    schema_mode: Mode = Mode.OFF
    origins: Sequence[str] = ("*",)
    customer_attribute: str = "subject"
    admin_token: str = ""

    def note(self, caller: Caller, error: Rejected, *, text: bytes | None = None) -> None:
        """Keep a refusal where the operator looks, if it is among the first of its request; `text` is the item it is
        about, else the whole body.
        """
        if caller.noted >= REJECTS_NOTED_MAX:
            return
        caller.noted += 1
        excerpt = excerpt_of(caller.body if text is None else text)
        received_at = rfc3339(self.clock.now_ms())
        self.rejects.add(
            Reject(received_at, caller.source, caller.route, error.code, error.message, error.field, excerpt)
        )

    def check(self, caller: Caller) -> Check | None:
        """What every admitted event has to pass beside; None when there is nothing."""
        schemas = self.schemas
        if schemas is None or self.schema_mode is Mode.OFF:
            return None

        def check(event: Event) -> None:
            violation = schemas.violation(event)
            if violation is None:
                return
            if self.schema_mode is Mode.REJECT:
                raise violation
            self.note(caller, violation, text=msgspec.json.encode(event))

        return check


@dataclass(slots=True)
class Caller:
    """One request under way, and what is known of it so far."""

    request: Request
    slot: Slot
    route: str
    source: str | None = None
    body: bytes = b""
    noted: int = 0


Taker = Callable[[Ingest, Caller], Awaitable[Response]]


async def take_single(kind: Kind, ingest: Ingest, caller: Caller) -> Response:
    """One event, whose kind the route says."""
    early = _early_key(ingest, caller)
    caller.body = await read_body(caller.request.receive, bytes_max=EVENT_BYTES_MAX, slot=caller.slot)
    envelope = read_single(caller.body)
    key = early or _key(ingest, caller, envelope.write_key)
    _charge(ingest, key, 1)
    intake = Intake(
        key.source, ingest.clock.now_ms(), kind=kind, salt=_salt(), check=ingest.check(caller)
    )  # fmt: skip
    return await _take_one(ingest, caller, lambda: admit_item(envelope.items[0], intake))


async def _take_one(ingest: Ingest, caller: Caller, judge: Callable[[], Event]) -> Response:
    assert caller.source is not None
    try:
        event = judge()
    except Rejected:
        event_count(caller.source, "refused").inc()
        raise
    await _deliver(ingest, caller, [event])
    return answers.success()


async def take_batch(ingest: Ingest, caller: Caller) -> Response:
    """Many events; a bad one never sinks its neighbours."""
    early = _early_key(ingest, caller)
    caller.body = await read_body(caller.request.receive, bytes_max=BATCH_BYTES_MAX, slot=caller.slot)
    return await _take_many(ingest, caller, _judged_batch(ingest, caller, early))


def _judged_batch(ingest: Ingest, caller: Caller, early: WriteKey | None) -> Admission:
    envelope = read_batch(caller.body, lambda said: early or _key(ingest, caller, said))
    key = early or _key(ingest, caller, envelope.write_key)
    _charge(ingest, key, envelope.count)
    caller.slot.take(envelope.event_bytes)
    intake = Intake(
        key.source, ingest.clock.now_ms(), sent_ms=envelope.sent_ms, context=envelope.context, salt=_salt(),
        check=ingest.check(caller),
    )  # fmt: skip
    admission = admit_batch(envelope, intake)
    if envelope.fault is not None:
        ingest.note(caller, envelope.fault)
    _note_all(ingest, caller, admission.refusals, lambda index: envelope.items[index])
    return admission


def _note_all(ingest: Ingest, caller: Caller, refusals: Sequence[Refusal], text_of: Callable[[int], bytes]) -> None:
    assert caller.source is not None
    if refusals:
        event_count(caller.source, "refused").inc(len(refusals))
    for refusal in refusals:
        ingest.note(caller, _as_rejected(refusal), text=text_of(refusal.index))


async def _take_many(ingest: Ingest, caller: Caller, admission: Admission) -> Response:
    accepted, refusals = len(admission.events), admission.refusals
    delivering = _deliver(ingest, caller, admission.events)
    del admission
    await delivering
    return answers.batch_answer(accepted=accepted, refusals=refusals)


def _as_rejected(refusal: Refusal) -> Rejected:
    return Rejected(refusal.code, refusal.message, field=refusal.field)


async def take_cloud_events(ingest: Ingest, caller: Caller) -> Response:
    """CloudEvents, in the mode that the content type says."""
    headers = caller.request.headers
    content_type = headers.get("content-type", "")
    key = _early_key(ingest, caller) or _key(ingest, caller, None)
    bytes_max = BATCH_BYTES_MAX if cloud_event.is_batch(content_type) else EVENT_BYTES_MAX
    body = caller.body = await read_body(caller.request.receive, bytes_max=bytes_max, slot=caller.slot)
    intake = Intake(key.source, ingest.clock.now_ms(), check=ingest.check(caller))
    customer = ingest.customer_attribute
    if cloud_event.is_batch(content_type):
        texts = cloud_event.read_list(body)
        _charge(ingest, key, len(texts))
        caller.slot.take(len(body))
        admission = cloud_event.admit_list(texts, intake, customer=customer)
        _note_all(ingest, caller, admission.refusals, texts.__getitem__)
        return await _take_many(ingest, caller, admission)
    _charge(ingest, key, 1)
    if cloud_event.is_structured(content_type):
        return await _take_one(ingest, caller, lambda: cloud_event.admit_structured(body, intake, customer=customer))
    return await _take_one(ingest, caller, lambda: cloud_event.admit_binary(headers, body, intake, customer=customer))


async def take_import(ingest: Ingest, caller: Caller) -> Response:
    """History, streamed; with an Idempotency-Key it may be sent again, and what is there already is passed over."""
    key = _early_key(ingest, caller) or _key(ingest, caller, None)
    is_last = _is_last(caller.request.query_params.get("end"))
    caller.slot.take_import(IMPORT_BYTES_HELD, source=key.source)
    idempotency_key = caller.request.headers.get("idempotency-key")
    if idempotency_key is None:
        return await _run_import(ingest, caller, key, is_last=is_last, resumption=None)
    name = import_id(key.source, idempotency_key)
    with ingest.ledger.only(name):
        resumption = Resumption(name, ingest.ledger, await ingest.ledger.begin(name))
        return await _run_import(ingest, caller, key, is_last=is_last, resumption=resumption)


async def _run_import(
    ingest: Ingest, caller: Caller, key: WriteKey, *, is_last: bool, resumption: Resumption | None
) -> Response:
    work = Import(
        ingest.delivery, source=key.source, clock=ingest.clock, resumption=resumption,
        traceparent=caller.request.headers.get("traceparent"),
        first_line=_first_line(caller.request.query_params.get("line")), check=ingest.check(caller),
        pause_s=lambda: ingest.access.pause_s(key), note=lambda error, text: ingest.note(caller, error, text=text),
    )  # fmt: skip
    try:
        await work.run(caller.request.receive, ingest.stop, is_last=is_last)
    except Rejected as error:
        ingest.note(caller, error)
        return answers.rejection(error, beside=msgspec.structs.asdict(work.progress))
    except StagelineError as error:
        response = answers.unavailable(error, beside=msgspec.structs.asdict(work.progress))
        if isinstance(error, Stopping):  # who is told to end does not wait for what is still being sent
            response.headers["Connection"] = "close"
        return response
    return answers.import_answer(work.progress)


def _first_line(said: str | None) -> int:
    """The number of the first line that is sent: 1 unless `?line=` says so."""
    if said is None:
        return 1
    if said.isascii() and said.isdecimal() and 1 <= len(said) <= 15 and int(said):
        return int(said)
    raise Rejected(Code.INVALID_FIELD, "line must be a line's number, from 1", field="line")


def _is_last(said: str | None) -> bool:
    if said in (None, "", "true", "1"):
        return True
    if said in ("false", "0"):
        return False
    raise Rejected(Code.INVALID_FIELD, "end must be true or false", field="end")


def _deliver(ingest: Ingest, caller: Caller, events: Sequence[Event]) -> Awaitable[None]:
    assert caller.source is not None
    traceparent = caller.request.headers.get("traceparent")
    return ingest.delivery.deliver(events, source=caller.source, traceparent=traceparent)


def _charge(ingest: Ingest, key: WriteKey, events: int) -> None:
    try:
        ingest.access.charge(key, events)
    except Rejected:
        event_count(key.source, "limited").inc(events)
        raise


def _salt() -> str:
    return f"{_PROCESS}/{next(_requests)}"


def _early_key(ingest: Ingest, caller: Caller) -> WriteKey | None:
    """The key by Basic user, which counts before all others; None when there is none.

    Errors: Rejected when it is there but unknown: such a caller's body is not worth reading.
    """
    user = basic_user(caller.request.headers.get("authorization"))
    return _known(ingest, caller, user) if user else None


def _key(ingest: Ingest, caller: Caller, in_body: str | None) -> WriteKey:
    """The key by body, else by query, else as a Bearer token: beside a `writeKey`, that one is Segment's OAuth."""
    request = caller.request
    text = in_body or request.query_params.get("writeKey") or bearer_token(request.headers.get("authorization"))
    return _known(ingest, caller, text)


def _known(ingest: Ingest, caller: Caller, text: str | None) -> WriteKey:
    key = ingest.access.find(text)
    caller.source = key.source
    return key
