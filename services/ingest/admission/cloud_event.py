"""CloudEvents 1.0 over HTTP become events or refusals: binary, structured and batched.

Pure. `type` is the event's name, `data` its properties, `subject` (or a configured attribute) the customer; `source`
and `id` together identify it. What is wrong is named as CloudEvents name it. Source: CloudEvents 1.0.2, HTTP protocol
binding 3.1 to 3.3; JSON format.
"""

from __future__ import annotations

import base64
import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import unquote_to_bytes

import msgspec

from services.ingest.admission.admit import Admission, Intake, event_of, judged
from services.ingest.admission.cut import cut_batch
from services.ingest.admission.item import Item, misfit
from services.ingest.admission.members import Members
from services.ingest.limits import BATCH_EVENTS_MAX, EVENT_BYTES_MAX
from services.ingest.refusal import Code, Rejected
from shared.event import IDENTIFIER_BYTES_MAX, Event

_BATCH_TYPE = "application/cloudevents-batch"
_STRUCTURED_TYPE = "application/cloudevents"
_HEADER_PREFIX = "ce-"
_TEXTS = ("specversion", "id", "source", "type", "time", "data_base64")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPED = re.compile(r"\\(.)")
_BEFORE_LIST = b'{"batch":'

_THEIR_NAMES = {"event": "type", "messageId": "id", "timestamp": "time", "properties": "data"}
_FIRST_WORD = re.compile(r"\A\w+")

_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_data = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
_decode_text = msgspec.json.Decoder(str | int | None).decode
_decode_simple = msgspec.json.Decoder(str | int | bool | None).decode


def is_batch(content_type: str) -> bool:
    """Whether the body is a list of events."""
    return content_type.strip().lower().startswith(_BATCH_TYPE)


def is_structured(content_type: str) -> bool:
    """Whether the body is one event with its attributes."""
    return content_type.strip().lower().startswith(_STRUCTURED_TYPE) and not is_batch(content_type)


def read_list(body: bytes) -> list[bytes]:
    """The events of a batch, each as its bytes, also those that are no JSON. Errors: Rejected."""
    body = body.removeprefix(BOM_UTF8)
    try:
        events = [bytes(part) for part in _decode_batch(body)]
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        events = _rescued(body, error)
    if len(events) > BATCH_EVENTS_MAX:
        raise Rejected(Code.TOO_MANY_EVENTS, f"{len(events)} events, more than {BATCH_EVENTS_MAX}")
    return events


def _rescued(body: bytes, error: Exception) -> list[bytes]:
    """The events cut out by hand as those of a Segment batch are, so that only the bad ones are refused."""
    parts = cut_batch(_BEFORE_LIST + body + b"}")
    if parts is not None:
        rest, events = parts
        if rest.removeprefix(_BEFORE_LIST).split() in ([b"[]}"], [b"[]", b"}"]):
            return events
    raise Rejected(Code.NOT_JSON, f"the body is not JSON: {error}") from error


def admit_list(texts: Sequence[bytes], intake: Intake, *, customer: str) -> Admission:
    """Judge every event of a batch on its own."""
    return judged(texts, lambda _, text: admit_structured(text, intake, customer=customer))


def admit_structured(text: bytes, intake: Intake, *, customer: str) -> Event:
    """The event of one in JSON format. Errors: Rejected, naming the attribute."""
    with _in_their_words(customer):
        return event_of(_read_structured(text, customer=customer), intake)


def admit_binary(headers: Mapping[str, str], body: bytes, intake: Intake, *, customer: str) -> Event:
    """The event of one whose attributes are headers. Errors: Rejected, naming the attribute."""
    with _in_their_words(customer):
        return event_of(_read_binary(headers, body, customer=customer), intake)


@contextmanager
def _in_their_words(customer: str) -> Generator[None]:
    """Whoever sent `subject` is not told of a `userId`."""
    names = {**_THEIR_NAMES, "userId": customer}

    def theirs(text: str) -> str:
        return _FIRST_WORD.sub(lambda word: names.get(word[0], word[0]), text, count=1)

    try:
        yield
    except Rejected as error:
        if error.field is None:
            raise
        raise Rejected(error.code, theirs(error.message), field=theirs(error.field)) from error


def _read_structured(text: bytes, *, customer: str) -> Item:
    text = text.removeprefix(BOM_UTF8)
    if len(text) > EVENT_BYTES_MAX:
        raise Rejected(Code.EVENT_TOO_LARGE, f"the event has {len(text)} bytes, more than {EVENT_BYTES_MAX}")
    try:
        text.decode()
        members = _decode_members(text)
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(Code.NOT_JSON, f"not JSON: {error}") from error
    except RecursionError as error:
        raise Rejected(Code.TOO_DEEP, "nested too deep") from error
    data: Members = members.pop("data", msgspec.UNSET)
    attributes = {name: _attribute(name, raw, customer=customer) for name, raw in members.items()}
    encoded = attributes.get("data_base64")
    if encoded is not None:
        data = _data(_unpacked(encoded))
    return _item(attributes, data, customer=customer)


def _read_binary(headers: Mapping[str, str], body: bytes, *, customer: str) -> Item:
    attributes: dict[str, str | None] = {
        _bare(name): _from_header(name, text)
        for name, text in headers.items()
        if name.lower().startswith(_HEADER_PREFIX)
    }
    return _item(attributes, _data(body), customer=customer)


def _from_header(name: str, text: str) -> str:
    """What a header says, of which each character stands for one byte. Source: HTTP protocol binding 1.0.2, 3.1.3.2.

    What should have been percent-encoded and is not is taken as it was meant: JavaScript's own SDK leaves percent signs
    alone, and other letters to Node, which writes them in Latin-1 where they fit, as most others do in UTF-8.
    """
    if _QUOTED.fullmatch(text):  # as senders of CloudEvents 1.0.0 wrote spaces
        text = _ESCAPED.sub(r"\1", text[1:-1])
    with suppress(UnicodeDecodeError):
        text = text.encode("latin-1").decode()
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise Rejected(Code.INVALID_FIELD, f"{name} is not percent-encoded UTF-8", field=_bare(name)) from error


def _bare(header: str) -> str:
    return header[len(_HEADER_PREFIX) :].lower()


def _data(content: bytes) -> Members:
    """The data that stands for itself, as a body or in base64; nothing and null are none."""
    content = content.removeprefix(BOM_UTF8).strip()
    if len(content) > EVENT_BYTES_MAX:
        raise Rejected(Code.EVENT_TOO_LARGE, f"the event has {len(content)} bytes, more than {EVENT_BYTES_MAX}")
    if not content:
        return msgspec.UNSET
    try:
        content.decode()
        _decode_data(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(Code.INVALID_FIELD, f"data must be a JSON object: {error}", field="data") from error
    return msgspec.Raw(content)


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error only where the text is ASCII
        raise Rejected(Code.INVALID_FIELD, f"data_base64: {error}", field="data_base64") from error


def _attribute(name: str, raw: msgspec.Raw, *, customer: str) -> str | None:
    """An attribute as text. Numbers are read as their digits; only extensions may be true or false."""
    decode = _decode_text if name in _TEXTS or name == customer else _decode_simple
    try:
        value = decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Rejected(Code.INVALID_FIELD, f"{name} must be text", field=name) from error
    return value if value is None or isinstance(value, str) else str(value)


def _item(attributes: Mapping[str, str | None], data: Members, *, customer: str) -> Item:
    for name in ("specversion", "id", "source", "type", customer):
        if not attributes.get(name):
            raise Rejected(Code.MISSING_FIELD, f"{name} is missing", field=name)
    if attributes["specversion"] != "1.0":
        raise Rejected(Code.INVALID_FIELD, "specversion must be 1.0", field="specversion")
    return Item(
        type="track", event=attributes["type"], user_id=attributes[customer],
        message_id=_identity(str(attributes["source"]), str(attributes["id"])),
        timestamp=attributes.get("time"), properties=data,
    )  # fmt: skip


def _identity(source: str, id_: str) -> str:
    """One text for each pair, since its last slash is never the id's own; a hash where that would be too long."""
    identity = f"{source}/{id_.replace('%', '%25').replace('/', '%2F')}"
    if len(identity.encode()) > IDENTIFIER_BYTES_MAX or "\0" in identity:
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    return identity
