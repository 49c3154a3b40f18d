"""HTTP/1.1 with limits that uvicorn's protocol lacks: on the time and size of a request's head, on the bytes outside
bodies, and on the requests that one connection may queue.

A caller beyond a bound is told so, unless an earlier request of the connection still waits for its answer, and the
connection ends. An `Upgrade` is not taken up (RFC 9110 7.8), a CONNECT is refused, and trailers are dropped (RFC 9110
6.5.1): they could name another sender than the head did. Source: RFC 9110 15.5.9 (408), 15.6.2 (501) and RFC 6585 5
(431).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.problem import whole_answer

HEAD_BYTES_MAX = 64 * 1024  # twice what browsers and proxies send at most
HEAD_TIMEOUT_S = 10.0  # for the first head of a connection; between requests uvicorn has its own bound
LINGER_S = 1.0  # what is still on its way is dropped so long, for the caller to read why
QUEUED_MAX = 100  # pipelined requests that wait for earlier ones, 2 KB each; load generators queue 16, SDKs none

_BAD = whole_answer(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1")
_NO_TUNNEL = whole_answer(HTTPStatus.NOT_IMPLEMENTED, "CONNECT is for proxies")
_TOO_LARGE = whole_answer(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request has more than {HEAD_BYTES_MAX} bytes besides its body"
)
_TOO_SLOW = whole_answer(HTTPStatus.REQUEST_TIMEOUT, f"the head of the request took more than {HEAD_TIMEOUT_S:.0f} s")


class _Ended(Exception):
    """Nothing of this connection is read any more: raised in a callback, it stops the parser before it goes on."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with these bounds."""

    _head_bytes = 0  # of the fields of this head
    _bare_bytes = 0  # since the last piece of a body, or the end of a request
    _is_in_head = True
    _is_over = False  # nothing that comes now is read
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more, and forget what was queued: it holds this connection, and the other way round."""
        self._head_came()
        super().connection_lost(exc)
        if self.pipeline:
            self.pipeline.clear()
            self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds."""
        if self._is_over:
            return
        self._unset_keepalive_if_required()
        self._bare_bytes += len(data)
        self._parse(data)
        if self._bare_bytes > HEAD_BYTES_MAX:
            self._end(_TOO_LARGE)
        elif self._deadline is None and self._is_idle():
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._end, _TOO_SLOW)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            ended = error.__context__
            self._end(ended.answer if isinstance(ended, _Ended) else _BAD)

    def _parse_without_upgrade(self, rest: bytes) -> None:
        """Parse this head once more without its `Upgrade`, for which the parser has left the body aside."""
        kept = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._parse(b"".join([line, *kept, b"\r\n"]) + rest)

    def on_message_begin(self) -> None:
        """A head begins."""
        if len(self.pipeline) >= QUEUED_MAX:
            raise _Ended(_TOO_LARGE)
        super().on_message_begin()
        self._head_bytes = 0
        if self._deadline is None:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer."""
        if self._is_in_head:
            self._count(len(name) + len(value) + len(b": \r\n"))
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        if self.parser.get_method() == b"CONNECT":  # the parser would take all that follows for the tunnel's
            raise _Ended(_NO_TUNNEL)
        if self._is_to_upgrade():
            return
        super().on_headers_complete()  # raises when the target is no address: then it is still a head
        self._head_came()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._bare_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole: what comes next is another head."""
        if self._is_to_upgrade():
            return
        super().on_message_complete()
        self._is_in_head, self._bare_bytes = True, 0

    def _is_to_upgrade(self) -> bool:
        """Whether the parser believes that another protocol follows."""
        return self.parser.should_upgrade()

    def _is_idle(self) -> bool:
        """Whether nothing is under way: what came is no head, and uvicorn has forgotten its own bound because of it."""
        return not self._is_over and (self.cycle is None or self.cycle.response_complete)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            raise _Ended(_TOO_LARGE)

    def _expect_head(self) -> None:
        self._is_in_head = True
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._end, _TOO_SLOW)

    def _head_came(self) -> None:
        self._is_in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self, answer: bytes) -> None:
        """Read nothing more, and end the connection: with this answer, or after those that are still to come."""
        if self._is_over or self.transport.is_closing():
            return
        self._is_over = True
        is_in_head, cycle = self._is_in_head, self.cycle
        self._head_came()
        if is_in_head and cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False  # the newest in the queue: its answer is the last one
            return
        if is_in_head or not (cycle.response_started or self.pipeline):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True  # what the application still answers has nowhere to go
                cycle.message_event.set()
            self.transport.write(answer)
            # Closed with something unread, the connection is reset, and the caller may never see its answer.
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._deadline = self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()
