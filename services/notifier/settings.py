"""The notifier's settings, beside those of every service."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from shared.errors import Refused
from shared.settings import PREFIX, PathList, Settings

SECRET_BYTES_MIN = 24  # Standard Webhooks, "Signature scheme"
SECRET_BYTES_MAX = 64


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

    @property
    def webhook_secrets(self) -> list[str]:
        """The secrets of `webhook_secret`, in order."""
        return self.webhook_secret.split()
