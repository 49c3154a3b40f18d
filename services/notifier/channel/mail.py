"""A mail as it is written (RFC 5322), from a message; plain functions of values, which know no server.

Header injection is refused here: a header is one line, an address is one mailbox.
"""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from services.notifier.delivery.message import Message
from shared.clock import from_ms

ADDRESS_LENGTH_MAX = 320  # RFC 5321 4.5.3.1: 64 + 1 + 255


def mail_of(message: Message, *, sender: str, recipient: Address, now_ms: int) -> EmailMessage:
    """The mail: text, or HTML, or both as alternatives. Errors: ValueError when it cannot be written."""
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = " ".join(message.parts["subject"].split())  # a header is one line
    mail["Date"] = format_datetime(from_ms(now_ms))
    mail["Message-ID"] = f"<{message.id}@{_domain(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    if message.unsubscribe:
        mail["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text, html = message.parts.get("text"), message.parts.get("html")
    if text is not None:
        mail.set_content(text)
    if html is not None and text is not None:
        mail.add_alternative(html, subtype="html")
    elif html is not None:
        mail.set_content(html, subtype="html")
    return mail


def address_of(text: str) -> Address | None:
    """The one mailbox that a text is, or None: a list, a header's worth of tricks and half an address are none."""
    if len(text) > ADDRESS_LENGTH_MAX or not text.isprintable():
        return None
    name, _, rest = text.rpartition("<")
    spec = rest.removesuffix(">") if name or text.startswith("<") else text
    try:
        found = Address(display_name=name.strip().strip('"'), addr_spec=spec.strip())
    except (ValueError, MessageError, IndexError):
        return None
    return found if found.username and found.domain else None


def _domain(sender: str) -> str:
    found = address_of(sender)
    return found.domain if found else "stageline.invalid"
