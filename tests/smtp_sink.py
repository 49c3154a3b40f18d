"""A real SMTP server on the loopback address: it keeps what comes, and answers as it is told."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections import deque
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

USER, PASSWORD = "shop", "a secret"


class SmtpSink:
    """Answers DATA with `answers` in order, then 250 for ever, each after `thinks_s`; keeps every mail in `mails`.

    With a `certificate` it offers STARTTLS and wants a login before a mail.
    """

    def __init__(self, *, certificate: Path | None = None) -> None:
        self.answers: deque[str | bytes] = deque()
        self.recipients: deque[str | bytes] = deque()
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, str]] = []
        self.sessions = 0
        self.thinks_s = 0.0
        self.port = 0
        self._certificate = certificate
        self._open: list[SMTP] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        self._server.close()
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Drop every connection, as a server does that is tired of idle clients."""
        for session in self._open:
            if session.transport is not None:
                session.transport.close()
        self._open.clear()

    def _session(self) -> SMTP:
        self.sessions += 1
        context = None
        if self._certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._certificate)
        is_guarded = context is not None
        session = SMTP(
            self, hostname="sink", tls_context=context, require_starttls=is_guarded, auth_required=is_guarded,
            authenticator=_judge, enable_SMTPUTF8=True,
        )  # fmt: skip
        self._open.append(session)
        return session

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str | bytes:
        if self.recipients:
            return self.recipients.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str | bytes:  # noqa: N802
        await asyncio.sleep(self.thinks_s)
        if self.answers:
            return self.answers.popleft()
        assert isinstance(envelope.content, bytes)
        mail: Any = message_from_bytes(envelope.content, policy=default)
        self.mails.append(mail)
        self.envelopes.append((envelope.mail_from or "", ", ".join(envelope.rcpt_tos)))
        return "250 OK"


def _judge(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)  # not handled: the server itself says 235 or 535


def why_no_certificate() -> str | None:
    """Why no certificate can be made here, or None when it can."""
    return None if shutil.which("openssl") else "the program openssl is not installed"


def make_certificate(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    made = folder / "sink.pem"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made), "-out", str(folder / "c"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    made.write_bytes(made.read_bytes() + (folder / "c").read_bytes())
    return made
