"""The notifier's settings, beside those of every service."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from services.notifier.unsubscribe import PLACE, UnsubscribeLinks
from shared.errors import Refused
from shared.settings import PREFIX, PathList, Settings

SECRET_BYTES_MIN = 24  # Standard Webhooks, "Signature scheme"
SECRET_BYTES_MAX = 64
UNSUBSCRIBE_SECRET_MIN = 16  # characters: nobody guesses it


def _webhook_secrets(text: str) -> str:
    for secret in text.split():
        _check_secret(secret)
    return text


def _check_secret(secret: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith("whsec_") or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        wanted = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64"
        # Not a ValueError: pydantic would show the secret that it was given.
        raise Refused(f"{PREFIX}WEBHOOK_SECRET: expected whsec_ and {wanted}; several stand with blanks between them")


def _unsubscribe_url(text: str) -> str:
    if text and not (text.startswith("https://") and text.count(PLACE) == 1):
        raise ValueError(f"expected an https address that holds {PLACE} once")
    return text


class NotifierSettings(Settings):
    """What the notifier needs."""

    notifier_port: int = Field(8082, ge=0, le=65535, description="Port of the HTTP routes; 0 takes any free one.")
    campaigns: Annotated[tuple[Path, ...], NoDecode, PathList] = Field(
        (), description="Campaign files or folders of them (`*.yaml`, `*.yml`), separated by commas."
    )
    lifecycles: Annotated[tuple[Path, ...], NoDecode, PathList] = Field(
        (),
        description="The stager's lifecycle files: with them campaigns are held against their stages and metrics.",
    )
    webhook_secret: Annotated[str, AfterValidator(_webhook_secrets)] = Field(
        "",
        repr=False,
        description="Signs webhooks: `whsec_` and base64; several with blanks between them, the newest first.",
    )
    webhook_allow_private: bool = Field(
        False, description="Let webhooks go over http and to addresses that are not public: for development."
    )
    unsubscribe_url: Annotated[str, AfterValidator(_unsubscribe_url)] = Field(
        "", description="Your page that unsubscribes a customer: an https address with `{token}` in it."
    )
    unsubscribe_secret: str = Field(
        "", repr=False, description="Signs the tokens of unsubscribe links; your page verifies them with it."
    )

    @property
    def unsubscribe_links(self) -> UnsubscribeLinks:
        """The maker of unsubscribe links. Errors: Refused when there is an address and no secret."""
        if self.unsubscribe_url and len(self.unsubscribe_secret) < UNSUBSCRIBE_SECRET_MIN:
            wanted = f"expected at least {UNSUBSCRIBE_SECRET_MIN} characters, since there is an unsubscribe address"
            raise Refused(f"{PREFIX}UNSUBSCRIBE_SECRET: {wanted}")
        return UnsubscribeLinks(self.unsubscribe_url, self.unsubscribe_secret)

    @property
    def webhook_secrets(self) -> list[str]:
        """The secrets of `webhook_secret`, in order."""
        return self.webhook_secret.split()
