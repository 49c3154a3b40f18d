"""Batches cut by hand: the items as they are, whatever they are, in time that grows with the body alone."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.admission.cut import cut_batch, write_key_of
from services.ingest.admission.envelope import read_batch
from services.ingest.limits import BATCH_BYTES_MAX, BATCH_EVENTS_MAX
from services.ingest.refusal import Code, Rejected


def test_a_batch_cut_by_hand_gives_the_text_of_its_items() -> None:
    items = [{"a": [1, {"batch": [2]}], "b": '],"batch":[{\\"'}, [], "x", None, {"c": {}}]
    body = json.dumps({"context": {"batch": [9]}, "batch": items, "sentAt": None}).encode()

    parts = cut_batch(body)

    assert parts is not None
    assert [json.loads(part) for part in parts[1]] == items
    assert json.loads(parts[0]) == {"context": {"batch": [9]}, "batch": [], "sentAt": None}


@pytest.mark.parametrize("body", [b"", b"{}", b"[1,2]", b'{"batch":[1,2', b'{"batch":5}', b'{"x":"batch"}', b"]]]"])
def test_what_has_no_batch_is_not_cut(body: bytes) -> None:
    assert cut_batch(body) is None


def test_an_empty_batch_has_no_items() -> None:
    assert cut_batch(b'{"batch" : [ ]}') == (b'{"batch" : []}', [])


def test_a_string_that_nobody_closes_spoils_only_what_follows_it() -> None:
    assert cut_batch(b'{"batch":[{"a":1},{"b":"x},{"c":2}]}') == (
        b'{"batch":[]}', [b'{"a":1}', b'{"b":"x},{"c":2}'],
    )  # fmt: skip


_PIECES = st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b",", b" ", b"1", b'"batch":[', b"{", b'"a"', b"\n"])


@given(st.lists(_PIECES, max_size=30).map(b"".join))
def test_any_text_is_cut_as_a_reader_of_one_sign_at_a_time_cuts_it(text: bytes) -> None:
    body = b'{"batch":[' + text

    assert cut_batch(body) == _cut_slowly(body)


_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


def _cut_slowly(body: bytes) -> tuple[bytes, list[bytes]] | None:
    """The same of a body that begins with its batch, said simply; quadratic where quotes are left open."""
    depth, start = 0, 0
    opened = len(b'{"batch":[')
    items: list[bytes] = []
    for token in _TOKEN.finditer(body):
        sign, place = token[0], token.start()
        depth += (sign in (b"[", b"{")) - (sign in (b"]", b"}"))
        if depth == 2 and place == opened - 1:
            start = opened
        elif sign == b"," and depth == 2:
            items.append(body[start:place])
            start = place + 1
        elif depth == 1 and place > opened - 1:
            last = body[start:place]
            return body[:opened] + body[place:], items + ([last] if items or last.strip() else [])
    return None


def test_quotes_that_nobody_closes_are_read_once() -> None:
    body = b'{"batch":[' + b'\\"' * (BATCH_BYTES_MAX // 2 - 5)  # hours, were each of them read to the end

    assert cut_batch(body) is None


def test_a_large_batch_of_many_properties_loses_only_the_item_that_is_no_json() -> None:
    properties = b",".join(b'"property_%d": "value %d"' % (number, number) for number in range(60))
    good = b'{"type": "track", "event": "E", "userId": "u", "properties": {' + properties + b"}}"
    items = [good.replace(b'"value 3"', b"NaN"), *[good] * 2_000]

    parts = cut_batch(b'{"batch":[' + b",".join(items) + b"]}")

    assert parts == (b'{"batch":[]}', items)


def test_more_items_than_a_batch_may_have_are_refused_before_they_are_all_cut() -> None:
    with pytest.raises(Rejected) as refused:
        cut_batch(b'{"batch":[' + b"1," * BATCH_EVENTS_MAX + b"NaN]}")

    assert refused.value.code is Code.TOO_MANY_EVENTS


@pytest.mark.parametrize(
    ("body", "key"),
    [(b'{"batch":[NaN],"writeKey": "k1"}', "k1"), (b'{"batch":[NaN]}', None), (b'{"writeKey":5}', None)],
)
def test_the_write_key_is_found_in_what_is_no_json(body: bytes, key: str | None) -> None:
    assert write_key_of(body) == key


def test_a_body_that_is_no_json_is_cut_only_for_a_sender_that_is_known() -> None:
    def authorize(said: str | None) -> None:
        raise Rejected(Code.UNKNOWN_KEY, f"not {said}")

    with pytest.raises(Rejected, match="not guess"):
        read_batch(b'{"batch":[NaN],"writeKey":"guess"}', authorize)
