"""What webhooks promise beyond every channel: Standard Webhooks, and nobody's internal network."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from standardwebhooks import Webhook

from services.notifier.channel.channel import Failed, Gone, Rejected, Sent
from services.notifier.channel.public_address import is_public
from services.notifier.channel.webhook import WebhookChannel
from services.notifier.delivery.message import Message
from shared.clock import SystemClock
from tests.builders_notifier import NOW_MS, a_message
from tests.receiver import SECRET, Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def channel() -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel([SECRET], allow_private=True)
    await channel.open()
    yield channel
    await channel.close()


@pytest.fixture
async def guarded() -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel([SECRET])
    await channel.open()
    yield channel
    await channel.close()


def to(url: str) -> Message:
    return a_message("webhook", target=url)


async def test_a_message_is_signed_as_standard_webhooks_wants_it(channel: WebhookChannel, receiver: Receiver):
    delivery, now_ms = to(receiver.url), SystemClock().now_ms()
    await channel.send(delivery, now_ms=now_ms)
    (post,) = receiver.posts
    Webhook(SECRET).verify(post.text, post.headers)  # raises, unless signature and time are right
    assert (post.id, post.timestamp) == (str(delivery.id), str(now_ms // 1000))
    assert (post.body["type"], post.body["timestamp"]) == ("customer.stage_changed", delivery.transition.at)


async def test_two_secrets_sign_side_by_side(receiver: Receiver):
    new = "whsec_" + base64.b64encode(b"n" * 24).decode()
    channel = WebhookChannel([new, SECRET], allow_private=True)
    await channel.open()
    await channel.send(to(receiver.url), now_ms=SystemClock().now_ms())
    await channel.close()
    (post,) = receiver.posts
    assert post.is_genuine
    assert len(post.signature.split(" ")) == 2


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_every_2xx_is_sent(channel: WebhookChannel, receiver: Receiver, status: int):
    receiver.answers.append((status, {}))
    assert await channel.send(to(receiver.url), now_ms=NOW_MS) == Sent(f"status {status}")


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 502, 503, 504])
async def test_every_other_status_is_tried_again(channel: WebhookChannel, receiver: Receiver, status: int):
    receiver.answers.append((status, {"Location": receiver.url}))
    assert await channel.send(to(receiver.url), now_ms=NOW_MS) == Failed(f"status {status}")
    assert len(receiver.posts) == 1  # no redirect was followed


async def test_gone_is_final(channel: WebhookChannel, receiver: Receiver):
    receiver.answers.append((410, {}))
    assert isinstance(await channel.send(to(receiver.url), now_ms=NOW_MS), Gone)


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [
        ("120", 120_000),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2027 00:00:00 +9999999999999999", 0),
    ],
)
async def test_retry_after_is_passed_on(channel: WebhookChannel, receiver: Receiver, header: str, wait_ms: int):
    receiver.answers.append((503, {"Retry-After": header}))
    answer = await channel.send(to(receiver.url), now_ms=NOW_MS)  # 2027-01-15 08:00:00
    assert answer == Failed("status 503", wait_ms)


async def test_a_receiver_that_never_answers_is_a_failure(receiver: Receiver):
    channel = WebhookChannel([SECRET], allow_private=True, timeout_s=0.2)
    await channel.open()
    receiver.gate.clear()
    answer = await channel.send(to(receiver.url), now_ms=NOW_MS)
    await channel.close()
    assert answer == Failed("no answer within 0.2 s", may_have_arrived=True)


async def test_a_receiver_that_is_not_there_is_a_failure(channel: WebhookChannel):
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    assert isinstance(await channel.send(to(f"http://127.0.0.1:{port}/"), now_ms=NOW_MS), Failed)


@pytest.mark.parametrize("url", ["https://[oops", "https://", "https://[::1", "no address", ""])
async def test_what_is_no_address_is_final(channel: WebhookChannel, guarded: WebhookChannel, url: str):
    for one in (channel, guarded):
        assert isinstance(await one.send(to(url), now_ms=NOW_MS), Rejected)


async def test_an_endless_answer_is_not_read(channel: WebhookChannel):
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await channel.send(to(f"http://127.0.0.1:{port}/"), now_ms=NOW_MS) == Sent("status 200")


async def test_plain_http_is_refused_unless_allowed(guarded: WebhookChannel, receiver: Receiver):
    answer = await guarded.send(to(receiver.url), now_ms=NOW_MS)
    assert answer == Rejected("http is not allowed: the target must be https")
    assert receiver.posts == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
async def test_an_address_that_is_not_public_is_refused_before_connecting(guarded: WebhookChannel, host: str):
    answer = await guarded.send(to(f"https://{host}:1/"), now_ms=NOW_MS)
    assert answer == Rejected("the target's address is not public")


@pytest.mark.parametrize(
    "address", ["192.168.1.1", "100.64.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1", "0.0.0.0"]
)
def test_addresses_that_lead_inside_are_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(address)
