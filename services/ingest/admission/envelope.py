"""A request's body taken apart: who sends it, when, and its items, each still the bytes it was.

Pure. An item that is no JSON does not sink its neighbours: the batch is then cut at its brackets instead.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from services.ingest.admission.cut import cut_batch, write_key_of
from services.ingest.admission.item import misfit
from services.ingest.admission.members import Members, checked, split
from services.ingest.admission.moment import moment_ms
from services.ingest.admission.plain import Plain, PlainBatch, read_each, read_plain
from services.ingest.limits import BATCH_EVENTS_MAX, CONTEXT_BYTES_MAX
from services.ingest.refusal import Code, Rejected

Authorize = Callable[[str | None], object]
"""Asked with the write key that a body seems to name whether to go on; raises Rejected when not."""


@dataclass(slots=True)
class Envelope:
    """What came in a body. `plain` is a batch's items, with None for those in which something stands out.

    `context` applies to each of them, which may overrule it; `fault` is what was wrong and harms none of them.
    """

    body: bytes
    write_key: str | None = None
    sent_ms: int | None = None
    context: dict[str, msgspec.Raw] = field(default_factory=dict)
    plain: list[Plain | None] = field(default_factory=list)
    texts: list[bytes] | None = None
    fault: Rejected | None = None

    @property
    def items(self) -> list[bytes]:
        """The items in the order they were sent, each still the bytes it was; of plain ones they are cut when asked."""
        if self.texts is None:
            self.texts = [bytes(part) for part in _decode_batch(self.body).batch]
        return self.texts

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.plain) or len(self.items)

    @property
    def event_bytes(self) -> int:
        """What the records made of it will hold, about: every item with the context that is copied into it."""
        context_bytes = sum(len(name) + len(bytes(part)) for name, part in self.context.items())
        return len(self.body) + self.count * context_bytes


class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    sent_at: Members = msgspec.UNSET
    context: Members = msgspec.UNSET


class _Single(msgspec.Struct, rename="camel"):
    write_key: str | None = None


_decode_batch = msgspec.json.Decoder(_Batch).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_single = msgspec.json.Decoder(_Single).decode


def read_single(body: bytes) -> Envelope:
    """The envelope of a body that is one item. Errors: Rejected when it is no JSON object."""
    body = body.removeprefix(BOM_UTF8)
    try:
        single = _decode_single(body)
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(Code.NOT_JSON, f"the body is not JSON: {error}") from error
    return Envelope(body, single.write_key, texts=[body])


def read_batch(body: bytes, authorize: Authorize = lambda _: None) -> Envelope:
    """The envelope of a batch. `authorize` is asked before a body that is no JSON is cut by hand, which may take long.

    Errors: Rejected when the envelope itself is bad; its items are not judged.
    """
    body = body.removeprefix(BOM_UTF8)
    batch, plain, texts = _opened(body, authorize)
    context = checked(batch.context, "context")
    if context is not msgspec.UNSET and len(bytes(context)) > CONTEXT_BYTES_MAX:
        raise Rejected(Code.INVALID_FIELD, f"context has more than {CONTEXT_BYTES_MAX} bytes", field="context")
    sent_ms, fault = _sent_ms(batch.sent_at)
    return Envelope(body, batch.write_key, sent_ms, split(context), plain, texts, fault)


def _sent_ms(sent_at: Members) -> tuple[int | None, Rejected | None]:
    """When the batch was sent, by the sender's clock; None where that cannot be read, and what is wrong then.

    It only corrects what the items say themselves, so that no item is the worse for it; a context is part of each item,
    and one that cannot be kept refuses them all.
    """
    try:
        text = None if sent_at is msgspec.UNSET else _decode_text(sent_at)
        return None if text is None else moment_ms(text, "sentAt"), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, Rejected(Code.INVALID_FIELD, f"sentAt is left out: {error}", field="sentAt")
    except Rejected as error:
        return None, Rejected(error.code, f"sentAt is left out: {error.message}", field=error.field)


def _opened(body: bytes, authorize: Authorize) -> tuple[_Batch | PlainBatch, list[Plain | None], list[bytes] | None]:
    """The batch, its items as far as they are plain, and what they were before if they had to be taken apart."""
    together = read_plain(body)
    if together is not None:
        return together, together.batch, None
    batch, texts = _cut(body, authorize)
    if len(texts) > BATCH_EVENTS_MAX:
        raise Rejected(Code.TOO_MANY_EVENTS, f"{len(texts)} events, more than {BATCH_EVENTS_MAX}", field="batch")
    return batch, read_each(texts), texts


def _cut(body: bytes, authorize: Authorize) -> tuple[_Batch, list[bytes]]:
    """The batch with its items apart, each the bytes it was."""
    try:
        batch = _decode_batch(body)
        return batch, [bytes(part) for part in batch.batch]
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        authorize(write_key_of(body))
        return _rescued(body, error)


def _rescued(body: bytes, error: Exception) -> tuple[_Batch, list[bytes]]:
    """The envelope without its items, and the items cut out by hand, so that only the bad ones are refused."""
    parts = cut_batch(body)
    if parts is None:
        raise Rejected(Code.NOT_JSON, f"the body is not JSON: {error}") from error
    rest, items = parts
    try:
        return _decode_batch(rest), items
    except msgspec.ValidationError as second:
        raise misfit(second) from second
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as second:
        raise Rejected(Code.NOT_JSON, f"the body is not JSON: {second}") from second
