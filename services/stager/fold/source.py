"""Python source that is being written: functions of their text, and the values that they name.

A lifecycle is turned into Python once, when it is loaded, and then runs as if it had been written by hand for it alone:
no tree is walked and no closure called for an event. The text is kept, so that whoever wonders can read it.
Nothing from a lifecycle's file comes into the text but through `literal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

_INDENT = "    "


class Source:
    """One module of functions in the making; `build` ends it."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._functions: list[str] = []
        self._notes: list[str] = []
        self._shared: dict[str, str] = {}
        self._temporaries = 0

    def bind(self, value: Any, name: str) -> str:
        """The name under which the functions find this value; `name` itself, or numbered where that is taken."""
        candidate, number = name, 1
        while candidate in self._names and self._names[candidate] != value:
            number += 1
            candidate = f"{name}_{number}"
        self._names[candidate] = value
        return candidate

    def temporary(self, kind: str = "x") -> str:
        """A name that nobody else uses."""
        self._temporaries += 1
        return f"{kind}{self._temporaries}"

    def named(self, text: str) -> tuple[str, str]:
        """A text that gives a value a name, and the name; what is a name already stays as it is."""
        if text.isidentifier():
            return text, text
        name = self.temporary()
        return f"({name} := {text})", name

    def shared(self, text: str, name: str) -> str:
        """The local name of a value that a function computes once, at its begin, however often it is asked for."""
        self._shared[name] = text
        return name

    def function(self, name: str, arguments: str, lines: Sequence[str], *, promise: str = "") -> None:
        """Add a function of these lines, indented as they stand in its body; `promise` is its docstring."""
        words, shared = _words(" ".join(lines)), list[str]()
        for local, text in reversed(self._shared.items()):  # a later one may name those before it
            if local in words:
                shared.insert(0, f"{local} = {text}")
                words |= _words(text)
        opening = [literal(promise)] if promise else []
        body = "\n".join(indented([*opening, *shared, *lines]))
        self._functions.append(f"def {name}({arguments}):\n{body}\n")

    def note(self, line: str) -> None:
        """A remark for readers, at the top."""
        self._notes.append(f"# {line}\n")

    @property
    def text(self) -> str:
        """All functions so far."""
        return "\n\n".join(["".join(self._notes), *self._functions])

    def build(self) -> dict[str, Callable[..., Any]]:
        """The functions by name."""
        namespace = dict(self._names)
        exec(compile(self.text, "<lifecycle>", "exec"), namespace)  # noqa: S102  # our own text, see the module's promise
        return namespace


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def literal(value: int | str | bool | None) -> str:  # noqa: FBT001  # a flag is a constant like others
    """A constant as Python writes it; in parentheses where a sign could come too near to an operator."""
    assert type(value) in (int, str, bool, type(None)), "only plain constants come into the text"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


def indented(lines: Sequence[str]) -> list[str]:
    """The lines, one step further in."""
    return [_INDENT + line for line in lines]
