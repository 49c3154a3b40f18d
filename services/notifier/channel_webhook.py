"""The webhook channel: a signed POST as Standard Webhooks describes it (standardwebhooks.com, specification 1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
from standardwebhooks import Webhook

from services.notifier.channel import SEND_TIMEOUT_S, Answer, Failed, Gone, Rejected, Sent
from services.notifier.delivery import Delivery
from services.notifier.public_address import AddressRefused, public_socket
from shared.clock import SECOND_MS, to_ms

CONNECTIONS_MAX = 200  # over all receivers: as many as the sender runs attempts at once
RESPONSE_BYTES_MAX = 4 * 1024  # read so that the connection can be used again; a longer answer costs the connection
STATUS_GONE = 410


class WebhookChannel:
    """POSTs `{"type": "customer.stage_changed", "timestamp", "data": transition}` to the delivery's target.

    `secrets` sign in order (the newest first while a receiver changes over). `allow_private` lets http and addresses
    that are not public through: for development.
    """

    def __init__(
        self, secrets: Sequence[str], *, allow_private: bool = False, timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        self._timeout_s = timeout_s
        self._signers = [Webhook(secret) for secret in secrets]
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Get ready to send."""
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

    async def send(self, delivery: Delivery, *, now_ms: int) -> Answer:
        """POST once. Redirects are failures: a signed message goes where the campaign says, nowhere else."""
        assert self._session is not None, "open the channel first"
        scheme = urlsplit(delivery.target).scheme
        if scheme != "https" and not self._allow_private:
            return Rejected(f"{scheme} is not allowed: the target must be https")
        body = _body(delivery)
        headers = self._headers(delivery, body, now_ms=now_ms)
        try:
            async with self._session.post(
                delivery.target, data=body.encode(), headers=headers, allow_redirects=False
            ) as response:
                with suppress(aiohttp.ClientError, TimeoutError, OSError):  # the status has said all that counts
                    await response.content.read(RESPONSE_BYTES_MAX)
                return _answer(response.status, response.headers.get("Retry-After"), now_ms=now_ms)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._failure(error)

    def _failure(self, error: Exception) -> Answer:
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
            return Rejected(str(error.os_error))
        if isinstance(error, aiohttp.InvalidURL):
            return Rejected(f"not a URL: {error}")
        if isinstance(error, TimeoutError):
            return Failed(f"no answer within {self._timeout_s} s")
        return Failed(f"{type(error).__name__}: {error}")

    def _headers(self, delivery: Delivery, body: str, *, now_ms: int) -> dict[str, str]:
        attempted = datetime.fromtimestamp(now_ms // SECOND_MS, UTC)
        return {
            "content-type": "application/json",
            "user-agent": "Stageline",
            "webhook-id": str(delivery.id),
            "webhook-timestamp": str(now_ms // SECOND_MS),
            "webhook-signature": " ".join(
                signer.sign(msg_id=str(delivery.id), timestamp=attempted, data=body) for signer in self._signers
            ),
        }


def _body(delivery: Delivery) -> str:
    data = delivery.transition
    return msgspec.json.encode({"type": "customer.stage_changed", "timestamp": data.at, "data": data}).decode()


def _answer(status: int, retry_after: str | None, *, now_ms: int) -> Answer:
    if 200 <= status < 300:
        return Sent(f"status {status}")
    if status == STATUS_GONE:
        return Gone("status 410: the receiver wants no more")
    # Everything else may be mended at the other end (a wrong path or key too), so Standard Webhooks retries it.
    return Failed(f"status {status}", _retry_after_ms(retry_after, now_ms=now_ms))


def _retry_after_ms(text: str | None, *, now_ms: int) -> int:
    """How long `Retry-After` asks to wait: seconds or a date (RFC 9110, section 10.2.3); 0 when it says nothing."""
    if text is None:
        return 0
    if text.isascii() and text.isdigit():
        return int(text[:9]) * SECOND_MS
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0
    return max(0, to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now_ms)
