"""Write keys: who may send, and under which name their events are kept. Only digests stay in memory."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from shared.errors import Refused

SETTING = "STAGELINE_WRITE_KEYS"
FORM = "expected name:key,name:key or just key (names of letters, digits, dot, dash, underscore; keys without spaces)"

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"[!-~]{1,256}")  # printable ASCII: what a header carries unharmed


class WriteKeys:
    """The configured keys. One name may have several keys, so that they can be rotated."""

    def __init__(self, named: dict[bytes, str]) -> None:
        self._named = tuple(named.items())

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return f"<{len(self)} write keys>"

    def source_of(self, key: str) -> str | None:
        """The name of this key, or None when it is none of ours. Takes the same time wherever it stands."""
        digest = _digest(key)
        found = None
        for known, name in self._named:
            if hmac.compare_digest(known, digest):
                found = name
        return found


def parse_write_keys(text: str) -> WriteKeys:
    """The keys of a setting's text; a key without a name is named after its digest.

    Errors: Refused, saying which entry is wrong without showing it.
    """
    named: dict[bytes, str] = {}
    for place, entry in enumerate(filter(None, (part.strip() for part in re.split(r"[,\n]", text))), start=1):
        name, colon, key = entry.rpartition(":") if entry.count(":") == 1 else ("", ":" * entry.count(":"), entry)
        if len(colon) > 1 or not _KEY.fullmatch(key) or (colon and not _NAME.fullmatch(name)):
            raise Refused(f"{SETTING}: entry {place} is not a write key: {FORM}")
        digest = _digest(key)
        if digest in named:
            raise Refused(f"{SETTING}: entry {place} repeats a key")
        named[digest] = name or f"key-{digest.hex()[:8]}"
    return WriteKeys(named)


def basic_user(authorization: str | None) -> str | None:
    """The user name of a Basic `Authorization` header, None when it is another scheme or cannot be read.

    Source: RFC 7617; Segment's SDKs send the write key there with an empty password.
    """
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
