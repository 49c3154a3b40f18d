"""Lifecycle files in, checked definitions and every fault out: the door of this room.

Nothing in a file makes this raise; what is wrong is a `Fault` with its place, all of them at once, in order of place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.stager.language.definition import Lifecycle
from services.stager.language.lifecycle import read_lifecycle, warn_of_unused
from shared.document.files import files_of, read_file
from shared.document.kind import kind_of, report_kind
from shared.document.nodes import Fault, Faults, Mapping, Node
from shared.document.reader import read_text


@dataclass(frozen=True, slots=True)
class Loaded:
    """What some files say. `lifecycles` are those of files and documents without an error, by name (code points).

    `faults` are errors and warnings in order of place; use the lifecycles only where `errors` is empty.
    """

    lifecycles: tuple[Lifecycle, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that are no mere warnings."""
        return tuple(fault for fault in self.faults if fault.severity == "error")


def load_text(text: str, *, file: str) -> Loaded:
    """The lifecycles and segments of one YAML text; `file` is the name that faults show."""
    return load_documents([read_text(text, file=file)])


def load_paths(paths: Sequence[Path]) -> Loaded:
    """The lifecycles and segments of files and of folders' `*.yaml` and `*.yml` (not deeper), each file once."""
    return load_documents(read_file(path) for path in files_of(paths))


def check_paths(paths: Sequence[Path]) -> tuple[Fault, ...]:
    """What is wrong with these files and folders as lifecycles; campaigns in them are passed over."""
    return load_paths(paths).faults


def load_documents(files: Iterable[tuple[list[Node], list[Fault]]]) -> Loaded:
    """The lifecycles and segments of the documents of files, each file's with what is wrong with it as YAML."""
    collected: list[Fault] = []
    lifecycles: dict[str, Lifecycle] = {}
    places: dict[str, str] = {}
    for documents, syntax in files:
        faults = Faults()
        faults.include(*syntax)
        for document in documents:
            lifecycle = _read(document, faults, places)
            if lifecycle is not None and not syntax:
                lifecycles[lifecycle.name] = lifecycle
        collected.extend(faults.in_order())
    return Loaded(tuple(lifecycles[name] for name in sorted(lifecycles)), tuple(collected))


def _read(document: Node, faults: Faults, places: dict[str, str]) -> Lifecycle | None:
    """One document's lifecycle, None for a campaign's, a story's, or when something is wrong with it."""
    kind = kind_of(document)
    if kind is None:
        report_kind(document, faults)
    if kind not in ("lifecycle", "segment") or not isinstance(document, Mapping):
        return None
    own = Faults()
    lifecycle = read_lifecycle(document, own, kind=kind)
    _check_unique(document, kind, own, places)
    if not own.has_errors:
        warn_of_unused(document, lifecycle, own)
    faults.include(*own.in_order())
    return None if own.has_errors else lifecycle


def _check_unique(document: Mapping, kind: str, faults: Faults, places: dict[str, str]) -> None:
    """Lifecycles and segments share one name space, over all files."""
    node = document.get(kind)
    name = getattr(node, "value", "")
    if node is None or not name:
        return
    if name in places:
        faults.add(node, f"the name `{name}` is taken already, in {places[name]}", text=name)
        return
    place = node.source.fault(node.start, "")
    places[name] = f"{place.file}, line {place.line}"
