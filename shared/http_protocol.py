"""HTTP/1.1 with bounds that uvicorn's protocol lacks: how long a request's head may take and how large it may be.

Source: RFC 9110 15.5.9 (408) and RFC 6585 5 (431). A caller beyond the bounds is told so, and the connection ends.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024  # twice what browsers and proxies send at most; one read of a socket is never larger
HEAD_TIMEOUT_S = 10.0  # for the first head of a connection; between requests uvicorn has its own bound

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with bounds on a request's head."""

    _head_bytes = 0
    _is_in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of a head."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole: what comes next is another head."""
        super().on_message_complete()
        self._is_in_head, self._head_bytes = True, 0

    def _expect_head(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._end, _TOO_SLOW)

    def _head_came(self) -> None:
        self._is_in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self, answer: bytes) -> None:
        self._head_came()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
