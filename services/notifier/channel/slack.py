"""The Slack channel: one line of text to an incoming webhook (api.slack.com/messaging/webhooks).

Slack knows no idempotency key, so a crash between its answer and our row can show a line twice; the id goes along in
a header for those who speak Slack's format and do look.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field

from services.notifier.campaign.fields import read_url, url_complaint
from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import SEND_TIMEOUT_S, Answer, Failed, Rejected
from services.notifier.channel.kind import ChannelContext, ChannelKind
from services.notifier.channel.post import Poster, Reply
from services.notifier.delivery.delivery import ChannelName
from services.notifier.delivery.message import Message
from shared.document.nodes import Faults, Node
from shared.errors import Refused
from shared.settings import PREFIX, Settings, read_settings

TEXT_CHARACTERS_MAX = 40_000  # Slack cuts a longer text
# What Slack says about a payload that no later attempt can make right ("Handling errors").
_HOPELESS = frozenset({"invalid_payload", "no_text", "too_many_attachments", "user_not_found"})


def _https(text: str) -> str:
    if text and url_complaint(text):
        raise Refused(f"{PREFIX}SLACK_URL: expected an https address")  # no ValueError: it would show the secret
    return text


class SlackSettings(Settings):
    """What the Slack channel needs."""

    slack_url: Annotated[str, AfterValidator(_https)] = Field(
        "", repr=False, description="Slack's incoming webhook, for steps that name no `url`; whoever knows it can post."
    )


class SlackChannel:
    """POSTs `{"text"}`. `url` is for messages without a target of their own."""

    def __init__(self, url: str = "", *, allow_private: bool = False, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._url = url
        self._poster = Poster(allow_private=allow_private, timeout_s=timeout_s)

    async def open(self) -> None:
        """Get ready to send."""
        await self._poster.open()

    async def close(self) -> None:
        """Release every connection."""
        await self._poster.close()

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """POST once."""
        url = message.target or self._url
        if not url:
            return Rejected(f"no place to send to: give the step a `url`, or set {PREFIX}SLACK_URL")
        body = msgspec.json.encode({"text": message.parts["text"][:TEXT_CHARACTERS_MAX]})
        headers = {"content-type": "application/json", "webhook-id": str(message.id)}
        reply = await self._poster.post(url, body, headers, now_ms=now_ms)
        return _answer(reply) if isinstance(reply, Reply) else reply


def _answer(reply: Reply) -> Answer:
    if reply.verdict is not None:
        return reply.verdict
    if reply.text.strip() in _HOPELESS:
        return Rejected(f"status {reply.status}: {reply.text.strip()}")
    return Failed(f"status {reply.status}", reply.retry_after_ms)


def _read_target(node: Node | None, faults: Faults) -> str | None:
    return "" if node is None else read_url(node, faults, of="`url`")


def _make(context: ChannelContext) -> SlackChannel:
    return SlackChannel(read_settings(SlackSettings).slack_url, allow_private=context.settings.webhook_allow_private)


KIND = ChannelKind(
    name=ChannelName("slack"),
    make=_make,
    parts={"text": Markup.SLACK},
    required=(("text",),),
    target_key="url",
    read_target=_read_target,
)
