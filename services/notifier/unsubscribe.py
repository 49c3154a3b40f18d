"""Links with which a customer unsubscribes without a login: they carry a token that only we can have signed.

`TOKEN = PAYLOAD.SIGNATURE`, both base64url without padding; PAYLOAD is the JSON list `[customer, campaign]`, SIGNATURE
its HMAC-SHA256 under the secret. A token has no end: who unsubscribes from an old mail means it. The page that gets
one reads it with the code of docs/campaigns-channels.md.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

import msgspec

PLACE = "{token}"


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes the links. `address` holds `{token}` where the token goes; empty: there are no links."""

    address: str = ""
    secret: str = field(default="", repr=False)

    def link(self, *, customer: str, campaign: str) -> str:
        """This customer's link for this campaign, or empty."""
        if not self.address:
            return ""
        payload = _encoded(msgspec.json.encode([customer, campaign]))
        return self.address.replace(PLACE, f"{payload}.{_signature(payload, self.secret)}")


def _signature(payload: str, secret: str) -> str:
    return _encoded(hmac.digest(secret.encode(), payload.encode(), "sha256"))


def _encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
