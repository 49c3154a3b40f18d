"""What mails promise beyond every channel: SMTP as it is really spoken, and one-click unsubscription (RFC 8058)."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from services.notifier.channel.channel import Failed, NoAddress, Rejected, Sent
from services.notifier.channel.email import CONNECTIONS_MAX, EmailChannel, EmailSettings, MailServer
from services.notifier.channel.mail import address_of
from services.notifier.channel.own_name import OwnName
from services.notifier.delivery.message import Message
from shared.settings import read_settings
from tests.builders_notifier import NOW_MS, a_message
from tests.smtp_sink import PASSWORD, USER, SmtpSink, make_certificate, why_no_certificate

SENDER = "Shop <hello@shop.example>"


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as sink:
        yield sink


@pytest.fixture
async def channel(sink: SmtpSink) -> AsyncIterator[EmailChannel]:
    async with opened(MailServer(host="127.0.0.1", port=sink.port, tls="none")) as channel:
        yield channel


@asynccontextmanager
async def opened(server: MailServer, **given: Any) -> AsyncIterator[EmailChannel]:
    channel = EmailChannel(server, sender=SENDER, **given)
    await channel.open()
    yield channel
    await channel.close()


def mail_to(address: str = "ann@example.com", **given: object) -> Message:
    parts = {"subject": "Come back", "text": "Hello, Zoë", "html": "<p>Hello, Zoë</p>"}
    return a_message("email", **{"target": address, "parts": parts, **given})


async def test_a_mail_has_both_parts_and_says_who_when_and_what(channel: EmailChannel, sink: SmtpSink):
    await channel.send(message := mail_to(), now_ms=NOW_MS)
    (mail,) = sink.mails
    assert sink.envelopes == [("hello@shop.example", "ann@example.com")]
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, "ann@example.com", "Come back")
    assert mail["Date"].datetime.timestamp() * 1000 == NOW_MS
    assert mail["Message-ID"] == f"<{message.id}@shop.example>"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text, html = (part.get_content().strip() for part in mail.iter_parts())
    assert (text, html) == ("Hello, Zoë", "<p>Hello, Zoë</p>")


async def test_a_mail_can_be_unsubscribed_from_with_one_click(channel: EmailChannel, sink: SmtpSink):
    await channel.send(mail_to(unsubscribe="https://shop.example/u?t=a.b"), now_ms=NOW_MS)
    await channel.send(mail_to(), now_ms=NOW_MS)
    with_link, without = sink.mails
    assert with_link["List-Unsubscribe"] == "<https://shop.example/u?t=a.b>"
    assert with_link["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert without["List-Unsubscribe"] is None


async def test_the_connection_is_kept_for_the_next_mail(channel: EmailChannel, sink: SmtpSink):
    for _ in range(5):
        await channel.send(mail_to(), now_ms=NOW_MS)
    assert (len(sink.mails), sink.sessions) == (5, 1)


async def test_a_silent_dns_costs_no_mail_its_attempt(sink: SmtpSink):
    answered = Event()
    name = OwnName(lambda: "late.example" if answered.wait(10) else "", timeout_s=0.05)
    async with opened(MailServer(host="127.0.0.1", port=sink.port, tls="none"), timeout_s=5, own_name=name) as channel:
        answer = await channel.send(mail_to(), now_ms=NOW_MS)
    answered.set()
    assert (type(answer), len(sink.mails)) == (Sent, 1)


async def test_a_server_that_has_hung_up_meanwhile_is_called_again(channel: EmailChannel, sink: SmtpSink):
    await channel.send(mail_to(), now_ms=NOW_MS)
    sink.hang_up()
    answers = [await channel.send(mail_to(), now_ms=NOW_MS) for _ in range(2)]
    assert isinstance(answers[-1], Sent)
    assert sink.sessions == 2


async def test_a_recipient_refused_for_good_is_final_and_costs_the_next_one_nothing(
    channel: EmailChannel, sink: SmtpSink
):
    sink.recipients.append("550 no such user")
    assert await channel.send(mail_to(), now_ms=NOW_MS) == Rejected("refused: 550 no such user")
    assert isinstance(await channel.send(mail_to(), now_ms=NOW_MS), Sent)
    assert sink.sessions == 1


@pytest.mark.parametrize(
    ("words", "kind"), [("450 greylisted", Failed), ("452 full", Failed), ("554 that is spam", Rejected)]
)
async def test_what_the_server_says_decides_whether_it_is_tried_again(
    channel: EmailChannel, sink: SmtpSink, words: str, kind: type
):
    sink.answers.append(words)
    answer = await channel.send(mail_to(), now_ms=NOW_MS)
    assert isinstance(answer, kind)
    assert words in answer.reason


async def test_a_server_that_is_not_there_is_a_failure(sink: SmtpSink):
    async with SmtpSink() as gone:
        port = gone.port
    async with opened(MailServer(host="127.0.0.1", port=port, tls="none")) as channel:
        assert isinstance(await channel.send(mail_to(), now_ms=NOW_MS), Failed)


async def test_waiting_for_a_connection_costs_a_mail_nothing_of_its_time(sink: SmtpSink):
    sink.thinks_s = 1.2  # two, one after the other, take longer than one may
    async with opened(MailServer(host="127.0.0.1", port=sink.port, tls="none"), timeout_s=2) as channel:
        mails = [channel.send(mail_to(), now_ms=NOW_MS) for _ in range(2 * CONNECTIONS_MAX)]
        answers = await asyncio.gather(*mails)
    assert {type(answer) for answer in answers} == {Sent}


async def test_a_mail_that_got_no_connection_in_time_has_not_arrived(sink: SmtpSink):
    sink.thinks_s = 0.3
    async with opened(MailServer(host="127.0.0.1", port=sink.port, tls="none"), timeout_s=0.5) as channel:
        mails = [channel.send(mail_to(), now_ms=NOW_MS) for _ in range(5 * CONNECTIONS_MAX)]
        answers = await asyncio.gather(*mails)
    assert Failed("no connection was free within 0.5 s") in answers


async def test_a_mail_may_have_arrived_only_once_it_was_on_its_way(sink: SmtpSink):
    async def never_greets(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.close()

    sink.thinks_s = 1
    async with await asyncio.start_server(never_greets, "127.0.0.1", 0) as silent:
        answers = []
        for port in (silent.sockets[0].getsockname()[1], sink.port):
            async with opened(MailServer(host="127.0.0.1", port=port, tls="none"), timeout_s=0.5) as channel:
                answers.append(await channel.send(mail_to(), now_ms=NOW_MS))
    reason = "no answer within 0.5 s"
    assert answers == [Failed(reason), Failed(reason, may_have_arrived=True)]


async def test_a_subject_cannot_bring_headers_of_its_own(channel: EmailChannel, sink: SmtpSink):
    parts = {"subject": "Hello\r\nBcc: all@example.com", "text": "x"}
    await channel.send(mail_to(parts=parts), now_ms=NOW_MS)
    (mail,) = sink.mails
    assert (mail["Subject"], mail["Bcc"]) == ("Hello Bcc: all@example.com", None)


@pytest.mark.parametrize(
    "address", ["", "ann", "ann@", "@example.com", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "a b@c.d", "a@b@c", "x" * 400]
)
async def test_what_is_no_address_is_written_to_by_nobody(channel: EmailChannel, sink: SmtpSink, address: str):
    assert isinstance(await channel.send(mail_to(address), now_ms=NOW_MS), NoAddress)
    assert (sink.mails, sink.sessions) == ([], 0)


@pytest.mark.parametrize(
    "text", ["Shop <hello@shop.example>", "hello@shop.example", '"Shop, Inc." <hello@shop.example>']
)
def test_a_mailbox_may_have_a_name(text: str):
    found = address_of(text)
    assert found is not None
    assert found.addr_spec == "hello@shop.example"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    reason = why_no_certificate()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return make_certificate(tmp_path)


async def test_a_mail_goes_over_tls_and_after_a_login(certificate: Path):
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with SmtpSink(certificate=certificate) as sink:
        server = MailServer(host="127.0.0.1", port=sink.port, user=USER, password=PASSWORD, context=trusting)
        async with opened(server) as channel:
            assert isinstance(await channel.send(mail_to(), now_ms=NOW_MS), Sent)
        assert len(sink.mails) == 1


async def test_a_wrong_password_is_a_failure_that_tells_no_secret(certificate: Path):
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with SmtpSink(certificate=certificate) as sink:
        server = MailServer(host="127.0.0.1", port=sink.port, user=USER, password="wrong", context=trusting)
        async with opened(server) as channel:
            assert await channel.send(mail_to(), now_ms=NOW_MS) == Failed("the mail server does not let us in: 535")


async def test_a_server_with_a_certificate_that_nobody_trusts_gets_no_mail(certificate: Path):
    async with SmtpSink(certificate=certificate) as sink:
        server = MailServer(host="127.0.0.1", port=sink.port, user=USER, password=PASSWORD)
        async with opened(server) as channel:
            assert isinstance(await channel.send(mail_to(), now_ms=NOW_MS), Failed)
        assert sink.mails == []


async def test_a_server_without_starttls_gets_no_mail_unless_that_is_allowed(sink: SmtpSink):
    async with opened(MailServer(host="127.0.0.1", port=sink.port)) as channel:
        assert isinstance(await channel.send(mail_to(), now_ms=NOW_MS), Failed)
    assert sink.mails == []


def test_a_sender_that_is_no_address_is_refused_at_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGELINE_EMAIL_FROM", "the shop")
    with pytest.raises(Exception, match="STAGELINE_EMAIL_FROM"):
        read_settings(EmailSettings)
