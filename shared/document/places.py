"""Where a character of a YAML scalar's value stands in the file: through quotes, escapes, folded lines and indentation.

Every visible character of a value stands in the source in the same order; only white space is folded and only double
quotes have escapes, so one walk over both finds the place.
"""

from __future__ import annotations

_WHITE = " \t\r\n"
_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}


def source_span(raw: str, *, value: str, style: str, offset: int, length: int) -> tuple[int, int]:
    """Where in `raw` (the scalar as written, quotes and block header included) `length` characters of the value from
    `offset` on begin and end. What lies after the end of the value is the place just after its last character.
    """
    begin, after = None, _first_index(raw, style)
    for place, wanted in enumerate(value[: offset + max(1, length)]):
        at = _next_index(raw, after, wanted=wanted, style=style)
        after = min(at + _length(raw, at, style), len(raw))
        if place == offset:
            begin = min(at, len(raw))
    return (after, after) if begin is None else (begin, max(begin, after))


def _first_index(raw: str, style: str) -> int:
    if style in ("|", ">"):
        return raw.find("\n") + 1
    return 1 if style else 0


def _next_index(raw: str, at: int, *, wanted: str, style: str) -> int:
    """Skip the white space (and escaped line ends) before a visible character; white space takes what is next."""
    if wanted in _WHITE and raw[at : at + 1] != "\\":
        return at
    while at < len(raw) and raw[at] in _WHITE and wanted not in _WHITE:
        at += 1
    while style == '"' and raw[at : at + 1] == "\\" and raw[at + 1 : at + 2] in ("\n", "\r"):
        at += 2
        while at < len(raw) and raw[at] in _WHITE:
            at += 1
    return at


def _length(raw: str, at: int, style: str) -> int:
    """How many characters of the source make the one character that begins at `at`."""
    if style == '"' and raw[at : at + 1] == "\\":
        return _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 2)
    if style == "'" and raw[at : at + 2] == "''":
        return 2
    return 1
