"""Text of a file as a terminal shows it: what cannot be seen is written out, and columns are counted in cells."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats, halves of pairs, separators of lines
_JOINER = "\u200d"  # holds the parts of one emoji together
_NO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def visible(text: str) -> str:
    """The text with escapes for what could not be seen or would move the cursor; tabs stay."""
    return text if text.isascii() and text.isprintable() else "".join(_seen(character) for character in text)


def pointer(line: str, *, column: int, text: str) -> str:
    """White space up to the column (from 1, in characters) of a line, and carets under the text that begins there."""
    before = "".join("\t" if character == "\t" else " " * _cells(character) for character in line[: column - 1])
    before += " " * (column - 1 - len(line))
    return before + "^" * max(1, sum(_cells(character) for character in text))


def _seen(character: str) -> str:
    if character in ("\t", _JOINER) or unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cells(character: str) -> int:
    """How many cells of a terminal a character takes as it is shown."""
    seen = _seen(character)
    if len(seen) > 1:
        return len(seen)
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
