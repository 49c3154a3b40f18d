"""Functions of the language written as Python: `if exists date lower contains starts_with ends_with`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.stager.fold.horizons import Written, earliest
from services.stager.fold.instants import instant_of
from services.stager.language.definition import Call, Constant, Kind

if TYPE_CHECKING:
    from services.stager.fold.expressions import Writer


def write_call(writer: Writer, node: Call) -> Written:
    """A call, giving what `node.kind` says."""
    if node.function == "if":
        return _if(writer, node)
    if node.function == "exists" and isinstance(node.arguments[0], Constant):
        return Written("True")
    arguments = [writer.write_as(argument, Kind.ANY) for argument in node.arguments]
    horizon = earliest(*(argument.horizon for argument in arguments))
    if node.function == "exists":
        return Written(f"({arguments[0].value} is not None)", horizon)
    called = writer.source.bind(_CALLED[node.function], node.function)
    return Written(f"{called}({', '.join(argument.value for argument in arguments)})", horizon)


def _if(writer: Writer, node: Call) -> Written:
    truth = writer.truth(node.arguments[0])
    then, otherwise = (writer.write_as(branch, node.kind) for branch in node.arguments[1:])
    text = f"({then.value} if {truth.holds} else {otherwise.value})"
    return Written(text, earliest(truth.horizon, then.horizon, otherwise.horizon))


def _date(found: Any) -> int | None:
    return instant_of(found) if type(found) is str else None


def _lower(found: Any) -> str | None:
    return found.lower() if type(found) is str else None


def _contains(where: Any, what: Any) -> bool:
    if type(where) is str:
        return type(what) is str and what in where
    if type(where) is not list or type(what) in (list, dict) or what is None:
        return False
    return any(type(item) is type(what) and item == what for item in where)


def _starts_with(text: Any, prefix: Any) -> bool:
    return type(text) is str and type(prefix) is str and text.startswith(prefix)


def _ends_with(text: Any, suffix: Any) -> bool:
    return type(text) is str and type(suffix) is str and text.endswith(suffix)


_CALLED = {
    "date": _date,
    "lower": _lower,
    "contains": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
}
