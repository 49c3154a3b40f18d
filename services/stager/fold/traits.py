"""Traits: the newest value of each, by (occurred_at, id), also of those that were removed (LANGUAGE.md 4).

Packed they are JSON, because MessagePack has no place for the large integers that JSON allows; they are opened only
when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(list[tuple[int, str, dict[str, Any]]]).decode


class TraitChange(NamedTuple):
    """A trait that got another value; None is no value."""

    name: str
    was: Any
    value: Any


class Traits:
    """One customer's traits; owned by the profile, changed only by `take`."""

    __slots__ = ("_packed", "_stamps", "_values")

    def __init__(self, packed: bytes = b"") -> None:
        self._packed: bytes | None = packed
        self._values: dict[str, Any] | None = None
        self._stamps: dict[str, tuple[int, str]] = {}

    @property
    def values(self) -> dict[str, Any]:
        """Decoded JSON by name, of the traits that have a value."""
        if self._values is None:
            self._values = self._open()
        return self._values

    def take(self, mentions: Mapping[str, Any], *, occurred_ms: int, event_id: str) -> list[TraitChange]:
        """Take an identify's traits in; what is older than the newest mention of a trait gives nothing to it."""
        values, stamp, changes = self.values, (occurred_ms, event_id), []
        for name, value in mentions.items():
            known = self._stamps.get(name)
            if known is not None and stamp < known:
                continue
            self._stamps[name] = stamp
            was = values.get(name)
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
            if not same(was, value):
                changes.append(TraitChange(name, was, value))
        self._packed = None
        return changes

    def as_json(self) -> bytes:
        """A JSON object of the traits that have a value, in order of name."""
        return _encode(self.values)

    def pack(self) -> bytes:
        """Everything that `take` needs to go on; empty when nothing was ever mentioned."""
        if self._packed is None:
            groups: dict[tuple[int, str], dict[str, Any]] = {}
            for name, stamp in self._stamps.items():
                groups.setdefault(stamp, {})[name] = self.values.get(name)
            self._packed = _encode([(*stamp, groups[stamp]) for stamp in sorted(groups)])
        return self._packed

    def _open(self) -> dict[str, Any]:
        values = {}
        for occurred_ms, event_id, members in _decode(self._packed) if self._packed else ():
            stamp = (occurred_ms, event_id)
            for name, value in members.items():
                self._stamps[name] = stamp
                if value is not None:
                    values[name] = value
        return values


def same(one: Any, other: Any) -> bool:
    """Whether two decoded JSON values are the same; a flag is not the number that Python takes it for."""
    if type(one) is not type(other):
        return False
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(member, other[key]) for key, member in one.items())
    return bool(one == other)
