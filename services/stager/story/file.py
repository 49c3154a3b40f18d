"""Story files in, stories and every fault out (docs/language.md tells their form)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from services.stager.language.fields import Fields, items_of, read_text_node
from services.stager.story.step import read_step
from services.stager.story.story import Step, Story
from shared.document.files import files_of, read_file
from shared.document.kind import is_story
from shared.document.nodes import Fault, Faults, Listing, Mapping, Node, Scalar

STORY_KEYS: Final = ("story", "given", "lifecycle", "customer", "description", "steps")
STEPS_MAX: Final = 1_000  # a story is read by people
DEFAULT_CUSTOMER: Final = "customer"


class Read(NamedTuple):
    """The stories that are right, in order; all that is wrong with the files; how many stories are not right."""

    stories: list[Story]
    faults: list[Fault]
    unread: int


def load_stories(paths: Sequence[Path]) -> Read:
    """The stories of files and of folders' `*.yaml` and `*.yml`.

    Documents that are no stories are passed over.
    """
    stories: list[Story] = []
    found: list[Fault] = []
    unread = 0
    for path in files_of(paths):
        documents, syntax = read_file(path)
        read = read_stories(documents)
        stories += read.stories
        found += (*syntax, *read.faults)
        unread += read.unread
    return Read(stories, found, unread)


def read_stories(documents: Iterable[Node]) -> Read:
    """The stories among these documents."""
    stories: list[Story] = []
    found: list[Fault] = []
    unread = 0
    for document in documents:
        if isinstance(document, Mapping) and is_story(document):
            faults = Faults()
            story = read_story(document, faults, file=Path(document.source.file))
            wrong = faults.in_order()
            found += wrong
            if wrong:
                unread += 1
            else:
                stories.append(story)
    return Read(stories, found, unread)


def read_story(document: Mapping, faults: Faults, *, file: Path) -> Story:
    """One story; it is right when no fault is reported."""
    fields = Fields(document, faults, what="a story", known=STORY_KEYS)
    title = fields.text("story") or ""
    customer = fields.text("customer") or DEFAULT_CUSTOMER
    return Story(
        place=document.get("story") or document,
        title=title,
        given=tuple(_given(fields, file)),
        lifecycle=fields.text("lifecycle"),
        lifecycle_place=document.get("lifecycle") or document.get("story") or document,
        customer=customer,
        steps=tuple(_steps(fields)),
    )


def _given(fields: Fields, file: Path) -> Iterable[Path]:
    """The files of the lifecycles, relative to the story's own, which is the default."""
    node = fields.node("given")
    if node is None:
        yield file
        return
    for item in items_of(node):
        name = read_text_node(item, fields.faults, what="`given`")
        if name is None:
            continue
        path = file.parent / name
        if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where a name is too long
            fields.faults.add(item, f"there is no file `{name}` beside this one")
        yield path


def _steps(fields: Fields) -> Iterable[Step]:
    node = fields.node("steps")
    if node is None:
        if "steps" not in fields:
            fields.faults.add(fields.key("story"), "a story needs `steps`")
        return
    if not isinstance(node, Listing) or not 1 <= len(node.items) <= STEPS_MAX:
        fields.faults.add(node, f"`steps` is a list of 1 to {STEPS_MAX:,} steps, each such as `- after: 7d`")
        return
    at_ms: int | None = None
    for item in node.items:
        step = _step(item, fields.faults, at_ms)
        if step is not None:
            at_ms = step.at_ms
            yield step


def _step(node: Node, faults: Faults, before_ms: int | None) -> Step | None:
    if isinstance(node, Mapping):
        return read_step(node, faults, before_ms=before_ms)
    hint = " (a text with `: ` must stand in quotes)" if isinstance(node, Scalar) else ""
    faults.add(node, f"a step is a mapping, such as `- after: 7d`{hint}")
    return None
