"""The Kafka channel: a record on the topic `messages`, keyed by customer, with CloudEvents headers.

A delivery that is sent again is appended again, with the same `ce_id`: a subscriber drops an id that it has seen.
"""

from __future__ import annotations

import msgspec

from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import SEND_TIMEOUT_S, Answer, Failed, Rejected, Sent
from services.notifier.channel.kind import ChannelContext, ChannelKind
from services.notifier.delivery.delivery import ChannelName
from services.notifier.delivery.message import Message
from shared.clock import rfc3339
from shared.errors import Malformed, Refused, Unavailable
from shared.log import Entry, Headers, Log


class KafkaChannel:
    """Appends `{"delivery", "campaign", "sent_at", "transition"}`, or the step's own `body`, to a topic."""

    def __init__(self, log: Log, topic: str, *, timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._log = log
        self._topic = topic
        self._timeout_s = timeout_s

    async def open(self) -> None:
        """Nothing to get ready: the log is open, and its topics are there."""

    async def close(self) -> None:
        """Nothing to release."""

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """Append once, and wait until every replica has it."""
        entry = Entry(message.transition.customer.encode(), _value(message, now_ms=now_ms), _headers(message, now_ms))
        try:
            [offset] = await self._log.append(self._topic, [entry], timeout_s=self._timeout_s)
        except Unavailable as error:
            return Failed(str(error), may_have_arrived=True)
        except Refused as error:  # a topic or a right that is missing can be mended
            return Failed(str(error))
        except Malformed as error:
            return Rejected(str(error))
        return Sent(f"offset {offset}")


def _value(message: Message, *, now_ms: int) -> bytes:
    own = message.parts.get("body")
    if own:
        return own.encode()
    return msgspec.json.encode(
        {
            "delivery": str(message.id),
            "campaign": message.campaign,
            "sent_at": rfc3339(now_ms),
            "transition": message.transition,
        }
    )


def _headers(message: Message, now_ms: int) -> Headers:
    return [
        ("ce_id", str(message.id).encode()),
        ("ce_source", f"/stageline/notifier/{message.campaign}".encode()),
        ("ce_type", b"stageline.message"),
        ("ce_time", rfc3339(now_ms).encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    ]


def _make(context: ChannelContext) -> KafkaChannel:
    return KafkaChannel(context.log, context.topics.messages)


KIND = ChannelKind(name=ChannelName("kafka"), make=_make, parts={"body": Markup.JSON})
