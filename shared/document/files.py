"""The YAML files that paths mean, and their documents; never an exception, and never more read than a file may hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from shared.document.nodes import Fault, Node, Source
from shared.document.reader import FILE_CHARACTERS_MAX, read_text

SUFFIXES = (".yaml", ".yml")

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # what most such files begin with; in the others one byte of the first two is 0

_BYTES_MAX = 4 * FILE_CHARACTERS_MAX + 1  # UTF-8 has at most four for a character; one more shows that it is too long


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files that paths mean, in order, each once: a folder stands for its `*.yaml` and `*.yml`, not deeper."""
    files: dict[str, Path] = {}
    for path in paths:
        for file in _inside(path) if path.is_dir() else [path]:
            files.setdefault(os.path.realpath(file), file)  # unlike `resolve` it goes past a link to itself
    return list(files.values())


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    except OSError:
        return [folder]  # reading it as a file says what is wrong


def read_paths(paths: Sequence[Path]) -> tuple[list[tuple[list[Node], list[Fault]]], list[Fault]]:
    """What `read_file` says of each file that these paths mean, and a warning for each path with nothing in it."""
    read = {file: read_file(file) for file in files_of(paths)}
    empty = [path for path in paths if path.is_dir() and not files_of([path])]
    warnings = [_warning(folder, "there is no `*.yaml` and no `*.yml` in this folder") for folder in empty]
    warnings += [_warning(file, "there is nothing in this file") for file, found in read.items() if found == ([], [])]
    return list(read.values()), warnings


def _warning(path: Path, message: str) -> Fault:
    return Fault(str(path), 1, 1, message, severity="warning")


def read_file(path: Path) -> tuple[list[Node], list[Fault]]:
    """The documents of a YAML file, and what is wrong with it as YAML, or why it cannot be read."""
    try:
        raw = _read_bytes(path)
    except OSError as error:
        return [], [Fault(str(path), 1, 1, f"the file cannot be read: {error.strerror}")]
    if raw.startswith(_UTF_16) or raw[:2].count(b"\0") == 1:
        return [], [Fault(str(path), 1, 1, "the file is UTF-16 text: save it as UTF-8")]
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if len(raw) == _BYTES_MAX:  # cut within a character
            return read_text(raw.decode(errors="replace"), file=str(path))
        place = len(raw[: error.start].decode())
        message = f"the file is not UTF-8 text: the byte 0x{raw[error.start]:02X} is wrong here"
        return [], [Source.of(raw.decode(errors="replace"), file=str(path)).fault(place, message)]
    return read_text(text, file=str(path))


def _read_bytes(path: Path) -> bytes:
    """A pipe into which nobody writes is empty: opening it must not wait. A device is read no further than a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        return file.read(_BYTES_MAX)
