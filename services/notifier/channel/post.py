"""One POST to a stranger's server, safely: what the webhook and the Slack channel stand on.

Only https to public addresses unless allowed, judged on the resolved address when the connection is made; no redirect,
no proxy, no cookie; a bounded answer within a bounded time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.notifier.channel.channel import AT_ONCE_MAX, SEND_TIMEOUT_S, Failed, Gone, Rejected, Sent
from services.notifier.channel.public_address import AddressRefused, public_socket
from shared.clock import SECOND_MS, to_ms

if TYPE_CHECKING:
    import aiohttp  # a quarter of a second: methods import it, so that the commands which send nothing need not wait

CONNECTIONS_MAX = AT_ONCE_MAX  # over all receivers: an attempt must not wait for the end of another
RESPONSE_BYTES_MAX = 4 * 1024  # read so that the connection can be used again; a longer answer costs the connection

GONE = 410

_NO_URL = Rejected("not a URL")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said: the status, how long it asked to be left alone, the beginning of its words."""

    status: int
    retry_after_ms: int
    text: str

    @property
    def verdict(self) -> Sent | Gone | None:
        """What 2xx and 410 mean of every receiver (Standard Webhooks; of Slack: an archived channel), else None."""
        if 200 <= self.status < 300:
            return Sent(f"status {self.status}")
        return Gone("status 410: the receiver wants no more") if self.status == GONE else None


class Poster:
    """Sends POST requests. `allow_private` lets http and addresses that are not public through: for development."""

    def __init__(self, *, allow_private: bool = False, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Get ready to send."""
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, socket_factory=None if self._allow_private else public_socket
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            auto_decompress=False,  # nobody reads the answer, so nothing in it may be blown up
            trust_env=False,  # a proxy of the environment would connect where nobody judges the address
            cookie_jar=aiohttp.DummyCookieJar(),  # one receiver must not be told what another has set
        )

    async def close(self) -> None:
        """Release every connection."""
        if self._session is not None:
            await self._session.close()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, now_ms: int
    ) -> Reply | Failed | Rejected:
        """POST once. `now_ms` is what a `Retry-After` that is a date is measured from."""
        import aiohttp

        assert self._session is not None, "open the channel first"
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            return _NO_URL
        if scheme != "https" and not self._allow_private:
            return Rejected(f"{scheme} is not allowed: the target must be https")
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                words = b""
                with suppress(aiohttp.ClientError, TimeoutError, OSError):  # the status has said all that counts
                    words = await response.content.read(RESPONSE_BYTES_MAX)
                wait_ms = _retry_after_ms(response.headers.get("Retry-After"), now_ms=now_ms)
                return Reply(response.status, wait_ms, words.decode(errors="replace"))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._failure(error)

    def _failure(self, error: Exception) -> Failed | Rejected:
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
            return Rejected(str(error.os_error))
        if isinstance(error, aiohttp.InvalidURL):
            return _NO_URL
        if isinstance(error, TimeoutError):
            return Failed(f"no answer within {self._timeout_s} s", may_have_arrived=True)
        never_connected = isinstance(error, aiohttp.ClientConnectorError)
        return Failed(f"{type(error).__name__}: {error}", may_have_arrived=not never_connected)


def _retry_after_ms(text: str | None, *, now_ms: int) -> int:
    """How long `Retry-After` asks to wait: seconds or a date (RFC 9110, section 10.2.3); 0 when it says nothing."""
    if text is None:
        return 0
    if text.isascii() and text.isdigit():
        return int(text[:9]) * SECOND_MS
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: a year or an offset beyond every calendar
        return 0
    return max(0, to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now_ms)
