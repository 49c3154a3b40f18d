"""A batch that is no JSON, cut at its brackets: each item apart, so that a bad one does not sink its neighbours.

Pure. Promise: time in proportion to the body, whatever stands in it, and no item is opened: what is wrong inside one
stays inside it. Must not know what items mean, or who sends them.
"""

from __future__ import annotations

import re
from itertools import islice

from services.ingest.limits import BATCH_EVENTS_MAX
from services.ingest.refusal import Code, Rejected

# Repeats never give back what they have matched (`++`, `*+`): ordinary ones read a body of escaped quotes that nobody
# closes to its end from each of them, half a minute for 80 KB. What finds nothing more matches the end, else the search
# begins anew from every byte. A run of brackets is one match: 4 MiB of what SDKs send block the loop for 0.07 s, and of
# `[]`, the worst that fits, for 1.2 s.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRINGS = re.compile(rb'(?:[^"]++|' + _STRING + rb")*+", re.DOTALL)
_BRACKETS = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+([\[{]++|[\]}]++|\Z)", re.DOTALL)
_COMMA = re.compile(rb'(?:[^",]++|' + _STRING + rb")*+(,|\Z)", re.DOTALL)

_WRITE_KEY = re.compile(rb'"writeKey"\s*+:\s*+"([!-~]{1,256}?)"')
_BATCH_KEY = re.compile(rb'"batch"\s*:\s*\Z')
_BATCH_KEY_BYTES = 64  # the key and some spaces
_INSIDE = 2  # how many brackets are open between the items of a batch


def write_key_of(body: bytes) -> str | None:
    """The first write key that the body names, wherever it stands; None when it names none."""
    found = _WRITE_KEY.search(body)
    return found[1].decode() if found else None


def cut_batch(body: bytes) -> tuple[bytes, list[bytes]] | None:
    """The body with an empty batch, and the text between the commas of its batch; None when there is no such list.

    Errors: Rejected when it has more items than a batch may have.
    """
    text = _with_closed_strings(body)
    depth = 0
    opened: int | None = None
    ends: list[int] = []  # of the items: where their commas stand
    for found in _BRACKETS.finditer(text):
        run, place = found[1], found.start(1)
        if depth == _INSIDE and opened is not None and place > found.start():
            ends += _commas(text, found.start(), place)
            if len(ends) >= BATCH_EVENTS_MAX:
                raise Rejected(Code.TOO_MANY_EVENTS, f"more than {BATCH_EVENTS_MAX} events", field="batch")
        if run[:1] in (b"[", b"{"):
            if opened is None and depth == 1 and _opens_batch(text, place):
                opened = place + 1
            depth += len(run)
        elif opened is not None and depth - len(run) < _INSIDE:
            closed = place + depth - _INSIDE
            return body[:opened] + body[closed:], _items(body, opened, [*ends, closed])
        else:
            depth -= len(run)
    return None


def _with_closed_strings(body: bytes) -> bytes:
    """The body with the same brackets in the same places, where a quote that nobody closes begins no string."""
    whole = _STRINGS.match(body)
    assert whole is not None, "it matches nothing too"
    return body[: whole.end()] + body[whole.end() :].replace(b'"', b" ")


def _commas(text: bytes, start: int, end: int) -> list[int]:
    """Where commas stand between two places, save for those in strings: as many as a batch can have."""
    found = islice(_COMMA.finditer(text, start, end), BATCH_EVENTS_MAX)
    return [comma.start(1) for comma in found if comma[1]]


def _opens_batch(text: bytes, place: int) -> bool:
    """Whether the bracket at `place` is the value of the key `batch`."""
    before = text[max(0, place - _BATCH_KEY_BYTES) : place]
    return text[place : place + 1] == b"[" and _BATCH_KEY.search(before) is not None


def _items(body: bytes, start: int, ends: list[int]) -> list[bytes]:
    """The texts that end at these places; a list with nothing in it has none."""
    if len(ends) == 1 and not body[start : ends[0]].strip():
        return []
    starts = [start, *(end + 1 for end in ends[:-1])]
    return [body[first:end] for first, end in zip(starts, ends, strict=True)]
