"""Functions of the language compiled to closures: `if exists date lower contains starts_with ends_with`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.stager.fold.comparing import instant_reader
from services.stager.fold.horizons import Compiled, earliest
from services.stager.fold.moment import Moment
from services.stager.language.definition import Call, Kind

if TYPE_CHECKING:
    from services.stager.fold.expressions import Compiler


def compile_call(compiler: Compiler, node: Call) -> Compiled:
    """A call, giving what `node.kind` says."""
    if node.function == "if":
        return _if(compiler, node)
    arguments = [compiler.compile_as(argument, Kind.ANY) for argument in node.arguments]
    horizon = earliest([argument.horizon for argument in arguments])
    first = arguments[0].value
    if node.function == "exists":
        return Compiled(lambda moment: first(moment) is not None, horizon)
    if node.function == "date":
        return Compiled(_date(first), horizon)
    if node.function == "lower":
        return Compiled(lambda moment: _lower(first(moment)), horizon)
    second, test = arguments[1].value, _TESTS[node.function]
    return Compiled(lambda moment: test(first(moment), second(moment)), horizon)


def _if(compiler: Compiler, node: Call) -> Compiled:
    truth = compiler.condition(node.arguments[0])
    then, otherwise = (compiler.compile_as(branch, node.kind) for branch in node.arguments[1:])
    holds, then_value, otherwise_value = truth.holds, then.value, otherwise.value

    def value(moment: Moment) -> Any:
        return then_value(moment) if holds(moment) else otherwise_value(moment)

    return Compiled(value, earliest((truth.horizon, then.horizon, otherwise.horizon)))


def _date(read: Any) -> Any:
    return instant_reader(lambda moment: found if type(found := read(moment)) is str else None)


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


_TESTS = {"contains": _contains, "starts_with": _starts_with, "ends_with": _ends_with}
