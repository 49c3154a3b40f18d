"""The version of a lifecycle: a hash of its meaning, which descriptions and the order of keys do not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any

from services.stager.language.definition import Expression, Lifecycle
from services.stager.language.walk import parts_of

VERSION_CHARACTERS = 12  # 48 bits: enough to tell the versions of one lifecycle apart, short enough to read out

_WITHOUT_MEANING = frozenset({"description", "version"})


def version_of(lifecycle: Lifecycle) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the canonical form."""
    form = _canonical(lifecycle)
    form["metrics"] = sorted(form["metrics"], key=lambda metric: str(metric["name"]))
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_CHARACTERS]


def _canonical(value: Any) -> Any:
    """JSON of a value of `definition`, sets sorted. What has its default is left out: so a new option of the language
    does not change the version of files that do not use it.
    """
    if isinstance(value, Expression):
        return list(_tokens(value))
    if is_dataclass(value):
        members = {field.name: getattr(value, field.name) for field in fields(value) if not _is_default(value, field)}
        meant = {name: _canonical(member) for name, member in members.items() if name not in _WITHOUT_MEANING}
        return {"is": type(value).__name__, **meant}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    return value


def _is_default(value: Any, field: Field[Any]) -> bool:
    member = getattr(value, field.name)
    return type(member) is type(field.default) and bool(member == field.default)


def _tokens(expression: Expression) -> Iterator[Any]:
    """The nodes from the root down, each with its number of parts: flat, since a long chain is deep."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        parts = parts_of(node)
        yield type(node).__name__
        for field in fields(node):
            member = getattr(node, field.name)
            if not _is_default(node, field) and (field.name == "path" or isinstance(member, str | int)):
                yield [field.name, member]
        yield len(parts)
        waiting.extend(reversed(parts))
