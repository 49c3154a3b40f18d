"""Single values of a campaign file: names, texts, counts, durations, addresses; each wrong one is a fault at its place.

Every reader answers None when it has reported a fault (or when there is nothing): the caller goes on with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as Table
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import urlsplit

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, to_ms
from shared.document.nodes import Faults, Mapping, Node, Scalar, nearest

NAME_LENGTH_MAX = 100
URL_LENGTH_MAX = 2_000  # what every server and proxy on the way still takes

_NOTHING_MEANT: Table[str, str] = MappingProxyType({})
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_DURATION = re.compile(r"(?:[0-9]{1,12}(?:ms|s|m|h|d|w))+")
_PART = re.compile(r"([0-9]+)([a-z]+)")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def check_keys(mapping: Mapping, known: Collection[str], faults: Faults, *, of: str) -> None:
    """Report every key that `of` does not know."""
    for key, _ in mapping.entries:
        if key.value not in known:
            faults.add(key, f"{of} has no `{key.value}`", suggestion=nearest(key.value, known))


def require(mapping: Mapping, key: str, faults: Faults, *, of: str) -> Node | None:
    """The value of a key that must be there."""
    node = mapping.get(key)
    if node is None:
        at = mapping.entries[0][0] if mapping.entries else mapping
        faults.add(at, f"{of} needs `{key}`")
    return node


def read_text(node: Node | None, faults: Faults, *, of: str) -> str | None:
    """A text that is not empty."""
    if node is None:
        return None
    if isinstance(node, Scalar) and node.value.strip():
        return node.value
    faults.add(node, f"{of} is a text")
    return None


def read_name(node: Node | None, faults: Faults, *, of: str) -> str | None:
    """A name as LANGUAGE.md 1 has it."""
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    if len(text) <= NAME_LENGTH_MAX and _NAME.fullmatch(text):
        return text
    faults.add(node, f"{of} is a name: a small letter, then up to {NAME_LENGTH_MAX - 1} of a-z, 0-9, `_` and `-`")
    return None


def read_choice(
    node: Node | None, choices: Collection[str], faults: Faults, *, of: str, meant: Table[str, str] = _NOTHING_MEANT
) -> str | None:
    """One of a few words. `meant` holds what people write instead, and which word that is."""
    text = read_text(node, faults, of=of)
    if node is None or text is None or text in choices:
        return text
    listed = ", ".join(f"`{choice}`" for choice in choices)
    faults.add(node, f"{of} is one of {listed}", suggestion=meant.get(text) or nearest(text, choices))
    return None


def read_count(node: Node | None, faults: Faults, *, of: str) -> int | None:
    """A whole number above zero."""
    if node is None:
        return None
    meaning = node.meaning if isinstance(node, Scalar) else None
    if isinstance(meaning, int) and not isinstance(meaning, bool) and meaning > 0:
        return meaning
    faults.add(node, f"{of} is a whole number above zero")
    return None


def read_duration_ms(node: Node | None, faults: Faults, *, of: str) -> int | None:
    """A duration as LANGUAGE.md 3 writes it, above zero, in milliseconds."""
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    found = sum(int(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text)) if _is_duration(text) else 0
    if found > 0:
        return found
    faults.add(node, f"{of} is a duration above zero, such as `72h` or `1d12h` (units ms, s, m, h, d, w)")
    return None


def read_instant_ms(node: Node | None, faults: Faults, *, of: str) -> int | None:
    """A date, or a date and time (UTC unless it says), as LANGUAGE.md 3 writes them, in milliseconds."""
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if _INSTANT.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is not None:
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    faults.add(node, f"{of} is a date such as `2026-12-01`, or with a time `2026-12-01T09:00+01:00`")
    return None


def read_flag(node: Node | None, faults: Faults, *, of: str) -> bool | None:
    """`true` or `false`."""
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.meaning, bool):
        return node.meaning
    faults.add(node, f"{of} is `true` or `false`")
    return None


def read_url(node: Node | None, faults: Faults, *, of: str) -> str | None:
    """An absolute http or https address without user and password; http is only warned of."""
    text = read_text(node, faults, of=of)
    if node is None or text is None:
        return None
    complaint = url_complaint(text)
    if complaint:
        faults.add(node, f"{of} {complaint}")
        return None
    if text.startswith("http:"):
        message = f"{of} is http: it is sent only where STAGELINE_WEBHOOK_ALLOW_PRIVATE is true, for development"
        faults.add(node, message, severity="warning")
    return text


def url_complaint(text: str) -> str | None:
    """What is wrong with a text as an address to send to, or None."""
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or len(text) > URL_LENGTH_MAX or not text.isprintable() or " " in text:
        return "is an absolute address, such as `https://example.com/stageline`"
    if parts.username is not None:
        return "may not hold a user or password: messages are signed instead"
    return None


def _is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None
