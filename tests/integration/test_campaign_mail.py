"""A campaign by mail, whole: from a transition and the customer's traits to the mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier.channel.email import EmailChannel, MailServer
from services.notifier.delivery.delivery import ChannelName
from services.notifier.main import serve
from services.notifier.settings import NotifierSettings
from shared.http import bind
from tests.builders_notifier import RULES, a_transition
from tests.integration.notifier_rig import WITHIN_S, Rig, rig_of
from tests.smtp_sink import SmtpSink

FILE = """
campaign: win-back
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: email, template: back.html.liquid, text: "Hello {{ traits.name }}"}]
"""
HTML = "Subject: Come back, {{ traits.name }}\n\n<p>{{ traits.name }}, {{ metrics.orders }}</p>\n"
LINK = {"unsubscribe_url": "https://shop.example/bye?t={token}", "unsubscribe_secret": "not to be guessed"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, FILE) as rig:
        (tmp_path / "campaigns" / "back.html.liquid").write_text(HTML)
        yield rig


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as sink:
        yield sink


@asynccontextmanager
async def mailing(rig: Rig, sink: SmtpSink) -> AsyncIterator[None]:
    """The notifier with a mail server."""
    stop = asyncio.Event()
    server = MailServer(host="127.0.0.1", port=sink.port, tls="none")
    channels = {ChannelName("email"): EmailChannel(server, sender="Shop <hello@shop.example>")}
    settings = NotifierSettings(database=rig.address, partitions=4, campaigns=rig.settings.campaigns, **LINK)
    async with asyncio.timeout(2 * WITHIN_S), asyncio.TaskGroup() as tasks:
        listener = bind("127.0.0.1", 0)
        service = serve(settings, stop, log=rig.log, clock=rig.clock, channels=channels, rules=RULES, listener=listener)
        tasks.create_task(service)
        try:
            yield
        finally:
            stop.set()


async def test_a_customer_who_moves_is_written_a_mail_of_his_own(rig: Rig, sink: SmtpSink) -> None:
    await rig.customers.identify("ann", name="Ann & Co", email="ann@example.com")
    async with mailing(rig, sink):
        await rig.publish(a_transition(carried={"orders": 3}))
        (row,) = await rig.settled("sent")
    (mail,) = sink.mails
    assert (mail["To"], mail["Subject"]) == ("ann@example.com", "Come back, Ann & Co")
    assert mail["Message-ID"] == f"<{row.id}@shop.example>"
    assert mail["List-Unsubscribe"].startswith("<https://shop.example/bye?t=")
    text, html = (part.get_content().strip() for part in mail.iter_parts())
    assert (text, html) == ("Hello Ann & Co", "<p>Ann &amp; Co, 3</p>")
    assert row.target == "traits.email"  # nobody's address stands in the row


async def test_a_customer_without_an_address_or_a_name_gets_no_mail_and_the_row_says_why(
    rig: Rig, sink: SmtpSink
) -> None:
    await rig.customers.identify("bob", email="bob@example.com")
    async with mailing(rig, sink):
        await rig.publish(a_transition(carried={"orders": 3}))
        await rig.publish(a_transition(id="2", seq=2, customer="bob", carried={"orders": 3}))
        rows = await rig.settled("no_address", "dead")
    assert sink.mails == []
    assert [row.reason for row in rows] == [
        "the customer has no `traits.email`",
        "the template cannot be rendered: traits.name is undefined (line 1)",
    ]
