"""Bodies in pieces: gzip by its magic, bounded steps, lines."""

from __future__ import annotations

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.lines import BEGINNING_BYTES, Lines, TooLong
from services.ingest.limits import CHUNK_BYTES_MAX, EVENT_BYTES_MAX
from services.ingest.request.body import GZIP_MEMBER_BYTES_MIN, GZIP_SMALL_MEMBERS_MAX, BrokenOff, Unpacker


def unpacked(*chunks: bytes) -> bytes:
    unpacker = Unpacker()
    return b"".join(piece for chunk in chunks for piece in unpacker.feed(chunk)) + unpacker.end()


@given(st.binary(max_size=2000), st.integers(1, 50), st.booleans())
def test_a_body_unpacks_to_itself_however_it_is_cut(content: bytes, size: int, is_packed: bool) -> None:
    content = b"x" + content  # what begins like gzip is gzip
    body = gzip.compress(content, mtime=0) if is_packed else content

    assert unpacked(*(body[place : place + size] for place in range(0, len(body), size))) == content


def test_a_large_gzip_comes_in_bounded_pieces_and_whole() -> None:
    content = os.urandom(300_000) + bytes(3_000_000)

    pieces = list(Unpacker().feed(gzip.compress(content, mtime=0)))

    assert max(map(len, pieces)) <= CHUNK_BYTES_MAX
    assert b"".join(pieces) == content


def test_gzip_members_that_bring_something_are_taken_whatever_their_number() -> None:
    member = gzip.compress(b"x" * GZIP_MEMBER_BYTES_MIN, mtime=0)

    unpacker = Unpacker()
    size = sum(len(piece) for _ in range(2 * GZIP_SMALL_MEMBERS_MAX) for piece in unpacker.feed(member))

    assert size == 2 * GZIP_SMALL_MEMBERS_MAX * GZIP_MEMBER_BYTES_MIN


def test_gzip_members_of_next_to_nothing_without_end_are_refused() -> None:
    with pytest.raises(BrokenOff):
        unpacked(gzip.compress(b"", mtime=0) * (GZIP_SMALL_MEMBERS_MAX + 1))


@pytest.mark.parametrize(
    "body", [b"\x1f\x8bnonsense", gzip.compress(b"x" * 100, mtime=0)[:-1], gzip.compress(b"x", mtime=0) + b"tail"]
)
def test_a_broken_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenOff):
        unpacked(body)


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line.endswith(b"\r"))),
    st.integers(1, 9),
)
def test_lines_come_out_as_they_went_in_however_they_are_cut(content: list[bytes], size: int) -> None:
    body = b"".join(line + b"\n" for line in content)
    lines = Lines()

    out = [line for place in range(0, len(body), size) for line in lines.feed(body[place : place + size])]

    assert out + list(lines.end()) == content


def test_a_line_of_exactly_an_events_size_is_taken_and_a_longer_one_is_not() -> None:
    most = b"x" * EVENT_BYTES_MAX

    lines = list(Lines().feed(most + b"\r\n" + most + b"xx\n" + b"y\n"))

    assert lines == [most, TooLong(most[:BEGINNING_BYTES]), b"y"]
