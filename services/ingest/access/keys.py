"""Write keys: who may send, under which name their events are kept, and how fast. Only digests stay in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import Refused

SETTING = "STAGELINE_WRITE_KEYS"
FORM = (
    "expected name:key or just key, separated by commas or lines; sha256=HEX may stand for a key, ` rate=N` (events a "
    "second) after it (names of letters, digits, dot, dash, underscore; keys without spaces)"
)

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"[!-~]{1,256}")  # printable ASCII: what a header carries unharmed
_HASHED = re.compile(r"sha256=([0-9a-fA-F]{64})")
_RATE = re.compile(r"rate=([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class WriteKey:
    """One key. `rate` is in events a second; None: as the service's setting says."""

    digest: bytes
    source: str
    rate: int | None = None


class WriteKeys:
    """The configured keys. One name may have several keys, so that they can be rotated."""

    def __init__(self, keys: Iterable[WriteKey] = ()) -> None:
        self._keys = tuple(keys)
        self.digests = frozenset(key.digest for key in self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<{len(self)} write keys>"

    def find(self, key: str) -> WriteKey | None:
        """The key that this text is, or None when it is none of ours. Takes the same time wherever it stands."""
        return self.find_digest(digest_of(key))

    def find_digest(self, digest: bytes) -> WriteKey | None:
        """The key with this digest."""
        found = None
        for known in self._keys:
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found


def parse_write_keys(text: str) -> WriteKeys:
    """The keys of a setting's text. A key without a name is named after its digest; lines with # are left out.

    Errors: Refused, saying which entry is wrong without showing it.
    """
    keys: dict[bytes, WriteKey] = {}
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for place, entry in enumerate(filter(None, (part.strip() for part in re.split(r"[,\n]", lines))), start=1):
        key = _parse(entry)
        if key is None:
            raise Refused(f"{SETTING}: entry {place} is not a write key: {FORM}")
        if key.digest in keys:
            raise Refused(f"{SETTING}: entry {place} repeats a key")
        keys[key.digest] = key
    return WriteKeys(keys.values())


def _parse(entry: str) -> WriteKey | None:
    entry, _, option = entry.partition(" ")
    rate = _RATE.fullmatch(option.strip())
    name, colon, key = entry.rpartition(":")
    if (option and not rate) or ":" in name or not _KEY.fullmatch(key) or (colon and not _NAME.fullmatch(name)):
        return None
    hashed = _HASHED.fullmatch(key)
    if hashed is None and key.lower().startswith("sha256="):
        return None  # taken as a key, what was meant to keep the key secret would be the key
    digest = bytes.fromhex(hashed[1]) if hashed else digest_of(key)
    return WriteKey(digest, name or f"key-{digest.hex()[:8]}", int(rate[1]) if rate else None)


def basic_user(authorization: str | None) -> str | None:
    """The user name of a Basic `Authorization` header, None when it is another scheme or cannot be read.

    Source: RFC 7617; Segment's SDKs send the write key there with an empty password.
    """
    credentials = _credentials(authorization, "basic")
    if credentials is None:
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except ValueError:  # what is no base64, no ASCII or no UTF-8
        return None


def bearer_token(authorization: str | None) -> str | None:
    """The token of a Bearer `Authorization` header. Source: RFC 6750."""
    return _credentials(authorization, "bearer")


def _credentials(authorization: str | None, wanted: str) -> str | None:
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == wanted else None


def digest_of(key: str) -> bytes:
    """What is kept of a key. It is long and random, so that a plain hash cannot be guessed back."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
