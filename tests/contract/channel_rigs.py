"""A rig for each channel: the channel, and somebody at the other end who can be broken and mended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from services.notifier.channel.channel import Channel
from services.notifier.channel.console import ConsoleChannel
from services.notifier.channel.email import EmailChannel, MailServer
from services.notifier.channel.kafka import KafkaChannel
from services.notifier.channel.slack import SlackChannel
from services.notifier.channel.webhook import WebhookChannel
from services.notifier.delivery.message import Message
from shared.errors import Malformed, Refused, Unavailable
from shared.log import Entry
from tests.builders_notifier import a_message
from tests.fakes.log_memory import MemoryLog
from tests.receiver import SECRET, Receiver
from tests.smtp_sink import SmtpSink


@dataclass
class ChannelRig:
    """`arrived` is what came through at the other end: the delivery ids, in order. `fail_once` breaks one attempt, each
    of `hostile` in a way that nobody who keeps to the rules would choose.
    """

    channel: Channel
    message: Message
    arrived: Callable[[], list[str]]
    fail_once: Callable[[], object]
    hostile: Sequence[Callable[[], object]] = ()


@asynccontextmanager
async def console() -> AsyncIterator[ChannelRig]:
    lines: list[str] = []
    breakages: list[OSError] = []

    def write(line: str) -> None:
        if breakages:
            raise breakages.pop()
        lines.append(line)

    yield ChannelRig(
        ConsoleChannel(write),
        a_message("console"),
        lambda: [json.loads(line)["delivery"] for line in lines],
        lambda: breakages.append(OSError("no space left")),
    )


def hostile_answers(receiver: Receiver) -> list[Callable[[], object]]:
    """Times that no calendar holds, and a text in no encoding."""
    waits = (
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2027 00:00:00 +9999999999999999", "9" * 5_000,
        "Mon, 01 Jan 2027 00:00:00 +9999", "-1", "soon", "",
    )  # fmt: skip
    receiver.body = b"\xff\x00\xe4" * 5_000
    return [partial(receiver.answers.append, (503, {"Retry-After": wait})) for wait in waits]


@asynccontextmanager
async def webhook() -> AsyncIterator[ChannelRig]:
    async with Receiver() as receiver:
        yield ChannelRig(
            WebhookChannel([SECRET], allow_private=True),
            a_message("webhook", target=receiver.url),
            lambda: [post.id for post in receiver.posts if post.status < 300],
            lambda: receiver.answers.append((500, {})),
            hostile_answers(receiver),
        )


@asynccontextmanager
async def slack() -> AsyncIterator[ChannelRig]:
    async with Receiver() as receiver:
        yield ChannelRig(
            SlackChannel(receiver.url, allow_private=True),
            a_message("slack", parts={"text": "Ann is at risk"}),
            lambda: [post.id for post in receiver.posts if post.status < 300],
            lambda: receiver.answers.append((500, {})),
            hostile_answers(receiver),
        )


@asynccontextmanager
async def email() -> AsyncIterator[ChannelRig]:
    async with SmtpSink() as sink:
        server = MailServer(host="127.0.0.1", port=sink.port, tls="none")
        yield ChannelRig(
            EmailChannel(server, sender="Shop <hello@shop.example>"),
            a_message("email", target="ann@example.com", parts={"subject": "Hello", "text": "Hello, Ann"}),
            lambda: [mail["Message-ID"].removeprefix("<").partition("@")[0] for mail in sink.mails],
            lambda: sink.answers.append("451 come back later"),
            [
                lambda: sink.recipients.append("550 Empfänger unbekannt".encode("latin-1")),
                lambda: sink.recipients.append(b"450 \x00\xff"),
                lambda: sink.answers.append("554 Schädling".encode("latin-1")),
            ],
        )


class FlakyLog(MemoryLog):
    """Raises its failure once."""

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        try:
            return await super().append(topic, entries, timeout_s=timeout_s)
        finally:
            self.failure = None


@asynccontextmanager
async def kafka() -> AsyncIterator[ChannelRig]:
    log = FlakyLog()

    def fail_once(failure: Exception) -> None:
        log.failure = failure

    yield ChannelRig(
        KafkaChannel(log, "test.messages"),
        a_message("kafka"),
        lambda: [dict(entry.headers)["ce_id"].decode() for entry in log.entries],
        lambda: fail_once(Unavailable("the log does not answer")),
        [
            lambda: fail_once(Refused("append to messages: TopicAuthorizationFailedError")),
            lambda: fail_once(Malformed("the log takes no record that large")),
        ],
    )


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[ChannelRig]]] = {
    "console": console,
    "email": email,
    "kafka": kafka,
    "slack": slack,
    "webhook": webhook,
}
