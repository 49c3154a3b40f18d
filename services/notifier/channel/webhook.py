"""The webhook channel: a signed POST as Standard Webhooks describes it (standardwebhooks.com, specification 1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from standardwebhooks import Webhook

from services.notifier.campaign.fields import read_url
from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import SEND_TIMEOUT_S, Answer, Failed
from services.notifier.channel.kind import ChannelContext, ChannelKind
from services.notifier.channel.post import Poster, Reply
from services.notifier.delivery.delivery import ChannelName
from services.notifier.delivery.message import Message
from shared.clock import SECOND_MS
from shared.document.nodes import Faults, Node


class WebhookChannel:
    """POSTs `{"type": "customer.stage_changed", "timestamp", "data": transition}`, or the step's own `body`.

    `secrets` sign in order (the newest first while a receiver changes over). `allow_private` lets http and addresses
    that are not public through: for development.
    """

    def __init__(
        self, secrets: Sequence[str], *, allow_private: bool = False, timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        self._signers = [Webhook(secret) for secret in secrets]
        self._poster = Poster(allow_private=allow_private, timeout_s=timeout_s)

    async def open(self) -> None:
        """Get ready to send."""
        await self._poster.open()

    async def close(self) -> None:
        """Release every connection."""
        await self._poster.close()

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """POST once. Redirects are failures: a signed message goes where the campaign says, nowhere else."""
        body = _body(message)
        headers = self._headers(message, body, now_ms=now_ms)
        reply = await self._poster.post(message.target, body.encode(), headers, now_ms=now_ms)
        return _answer(reply) if isinstance(reply, Reply) else reply

    def _headers(self, message: Message, body: str, *, now_ms: int) -> dict[str, str]:
        attempted = datetime.fromtimestamp(now_ms // SECOND_MS, UTC)
        return {
            "content-type": "application/json",
            "user-agent": "Stageline",
            "webhook-id": str(message.id),
            "webhook-timestamp": str(now_ms // SECOND_MS),
            "webhook-signature": " ".join(
                signer.sign(msg_id=str(message.id), timestamp=attempted, data=body) for signer in self._signers
            ),
        }


def _body(message: Message) -> str:
    data = message.transition
    own = message.parts.get("body")
    return own or msgspec.json.encode({"type": "customer.stage_changed", "timestamp": data.at, "data": data}).decode()


def _answer(reply: Reply) -> Answer:
    # Everything else may be mended at the other end (a wrong path or key too), so Standard Webhooks retries it.
    return reply.verdict or Failed(f"status {reply.status}", reply.retry_after_ms)


def _read_target(node: Node | None, faults: Faults) -> str | None:
    return read_url(node, faults, of="`url`")


def _make(context: ChannelContext) -> WebhookChannel | None:
    secrets = context.settings.webhook_secrets
    return WebhookChannel(secrets, allow_private=context.settings.webhook_allow_private) if secrets else None


KIND = ChannelKind(
    name=ChannelName("webhook"),
    make=_make,
    needs="STAGELINE_WEBHOOK_SECRET",
    parts={"body": Markup.JSON},
    target_key="url",
    needs_target=True,
    read_target=_read_target,
)
