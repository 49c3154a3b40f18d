"""The email channel: a mail by SMTP, with STARTTLS, authentication and one-click unsubscription (RFC 8058).

Connections are kept: the greeting, TLS and the login cost more than the mail itself. The Message-ID is made of the
delivery's id, so that a repeat after a crash is the same mail to whoever looks.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from typing import Annotated, Any, Literal

import aiosmtplib
from pydantic import AfterValidator, Field

from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import SEND_TIMEOUT_S, Answer, Failed, NoAddress, Rejected, Sent
from services.notifier.channel.kind import ChannelContext, ChannelKind
from services.notifier.channel.mail import address_of, mail_of
from services.notifier.channel.own_name import OwnName
from services.notifier.delivery.delivery import ChannelName
from services.notifier.delivery.message import Message
from shared.document.nodes import Faults, Node, Scalar
from shared.settings import PREFIX, Settings, read_settings

CONNECTIONS_MAX = 4  # what mail servers let one client have without a complaint
IDLE_S_MAX = 20.0  # servers hang up after minutes (RFC 5321: five); one that is older is not trusted any more
MAILS_MAX = 100  # on one connection: many servers ask for a new one at about this
CLOSE_S = 2.0  # a polite goodbye, if the server has time for it
ADDRESS_TRAIT = "traits.email"
_HOPELESS = range(500, 600)  # RFC 5321 4.2.1: permanent

Tls = Literal["starttls", "tls", "none"]


def _mailbox(text: str) -> str:
    if not text or address_of(text) is not None:
        return text
    raise ValueError("expected an address such as hello@shop.example or Shop <hello@shop.example>")


class EmailSettings(Settings):
    """What the email channel needs; without a server there is no such channel."""

    email_server: str = Field("", pattern=r"^([^\s:/]+(:[0-9]{1,5})?)?$", description="The mail server: `host:587`.")
    email_tls: Tls = Field(
        "starttls", description="`starttls` (refused when the server has none), `tls` from the first byte, or `none`."
    )
    email_user: str = Field("", description="The name to log in with; empty: no login.")
    email_password: str = Field("", repr=False, description="The password to log in with.")
    email_from: Annotated[str, AfterValidator(_mailbox)] = Field(
        "", description="Whom mails come from: `hello@shop.example` or `Shop <hello@shop.example>`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mails are handed over, and how. `context` judges its certificate (None: as the system does)."""

    host: str
    port: int
    tls: Tls = "starttls"
    user: str = ""
    password: str = ""
    context: ssl.SSLContext | None = None


class _Client(aiosmtplib.SMTP):
    """Notes that the mail itself is on its way: from DATA on, nobody can say that it has not arrived."""

    has_begun = False

    async def data(self, *given: Any, **named: Any) -> aiosmtplib.SMTPResponse:
        self.has_begun = True
        return await super().data(*given, **named)


@dataclass(slots=True)
class _Connection:
    client: _Client
    mails: int = 0
    used_s: float = 0.0

    def is_fresh(self) -> bool:
        is_young = time.monotonic() - self.used_s < IDLE_S_MAX and self.mails < MAILS_MAX
        return is_young and self.client.is_connected


class EmailChannel:
    """Hands mails to one server. `sender` is a mailbox: `Shop <hello@shop.example>`."""

    def __init__(
        self,
        server: MailServer,
        *,
        sender: str,
        timeout_s: float = SEND_TIMEOUT_S,
        own_name: OwnName | None = None,
    ) -> None:
        self._server = server
        self._own_name = own_name or OwnName()
        self._sender = sender
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[_Connection] = []

    async def open(self) -> None:
        """Nothing to get ready: a server that is away must not keep the others from starting."""

    async def close(self) -> None:
        """Release every connection."""
        while self._idle:
            await _hang_up(self._idle.pop())

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """Hand the mail over once."""
        recipient = address_of(message.target)
        if recipient is None:
            return NoAddress("the customer's address is none that a mail can go to")
        try:
            mail = mail_of(message, sender=self._sender, recipient=recipient, now_ms=now_ms)
        except (ValueError, MessageError) as error:
            return Rejected(f"not a mail: {type(error).__name__}")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            return Failed(f"no connection was free within {self._timeout_s} s")
        try:
            return await self._hand_over(mail)
        finally:
            self._slots.release()

    async def _hand_over(self, mail: EmailMessage) -> Answer:
        client: _Client | None = None
        try:
            async with asyncio.timeout(self._timeout_s), self._connected() as connection:
                client = connection.client
                client.has_begun = False
                await client.send_message(mail)
                connection.mails += 1
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            may_have_arrived = client is not None and client.has_begun
            if isinstance(error, TimeoutError):  # aiosmtplib's own among them
                return Failed(f"no answer within {self._timeout_s} s", may_have_arrived=may_have_arrived)
            return _answer(error, may_have_arrived=may_have_arrived)
        return Sent("accepted by the mail server")

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[_Connection, None]:
        """A connection of one's own; kept for the next mail unless something went wrong with it."""
        connection = await self._take()
        try:
            yield connection
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused):
            self._keep(connection)  # a clear answer about one mail; the next may be welcome
            raise
        except BaseException:
            connection.client.close()
            raise
        self._keep(connection)

    def _keep(self, connection: _Connection) -> None:
        connection.used_s = time.monotonic()
        self._idle.append(connection)

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            await _hang_up(connection)
        server = self._server
        client = _Client(
            hostname=server.host, port=server.port, timeout=self._timeout_s, use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls", username=server.user or None, password=server.password or None,
            tls_context=server.context if server.tls != "none" else None,
            local_hostname=await self._own_name.get(),
        )  # fmt: skip
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return _Connection(client, used_s=time.monotonic())


def _answer(error: Exception, *, may_have_arrived: bool) -> Answer:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Failed(f"the mail server does not let us in: {error.code}")  # a setting can be mended
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError) and error.code in _HOPELESS:
        return Rejected(f"refused: {error.code} {error.message}")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Failed(f"not now: {error.code} {error.message}")
    return Failed(f"{type(error).__name__}: {error}", may_have_arrived=may_have_arrived)


async def _hang_up(connection: _Connection) -> None:
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await connection.client.quit()
    connection.client.close()


def _read_target(node: Node | None, faults: Faults) -> str | None:
    if node is None:
        return ADDRESS_TRAIT
    if isinstance(node, Scalar) and (node.value.startswith("traits.") or address_of(node.value)):
        return node.value
    faults.add(node, f"`to` is a trait such as `{ADDRESS_TRAIT}`, or an address")
    return None


def _make(_context: ChannelContext) -> EmailChannel | None:
    settings = read_settings(EmailSettings)
    if not settings.email_server or not settings.email_from:
        return None
    host, _, port = settings.email_server.partition(":")
    usual = 465 if settings.email_tls == "tls" else 587
    server = MailServer(
        host=host, port=int(port or usual), tls=settings.email_tls, user=settings.email_user,
        password=settings.email_password,
    )  # fmt: skip
    return EmailChannel(server, sender=settings.email_from)


KIND = ChannelKind(
    name=ChannelName("email"),
    make=_make,
    needs=f"{PREFIX}EMAIL_SERVER and {PREFIX}EMAIL_FROM",
    at_once_max=CONNECTIONS_MAX,
    parts={"text": Markup.TEXT, "html": Markup.HTML, "subject": Markup.TEXT},
    required=(("subject",), ("text", "html")),
    target_key="to",
    read_target=_read_target,
)
