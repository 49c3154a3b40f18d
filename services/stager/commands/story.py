"""`stageline test`: story files in, what differs out, with the explanation; exit 1 when anything does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from services.stager.commands.plural import plural
from services.stager.fold.rules import Rules, compile_rules
from services.stager.language.file import Loaded, load_paths
from services.stager.story.check import check_names, subject_of
from services.stager.story.file import load_stories, read_stories
from services.stager.story.run import Difference, run_story
from services.stager.story.story import Story
from shared.document.nodes import Fault, Faults, Node
from shared.errors import Refused


def run_stories(paths: Sequence[Path]) -> int:
    """Run every story and print how it went; what is wrong goes to stderr. 1 when a story differs or cannot be run.

    Errors: Refused when there is no story in these files.
    """
    stories, faults, unread = load_stories(paths)
    if not stories and not faults:
        raise Refused("there is no story in these files; a story is a document that begins with `story: TITLE`")
    failed = 0
    said: set[Fault] = set()  # many stories are about the same files
    for story in stories:
        found, differences = tell(story)
        _print(story, [fault for fault in found if fault not in said], differences, failed=bool(found or differences))
        said.update(found)
        failed += bool(found or differences)
    for fault in faults:
        sys.stderr.write(fault.render() + "\n")
    sys.stdout.write(f"{'; '.join(_came_to(stories, failed, faults, unread))}\n")
    return 1 if failed or faults else 0


def _came_to(stories: Sequence[Story], failed: int, faults: Sequence[Fault], unread: int) -> Iterator[str]:
    """The last line, in parts."""
    if not failed and not faults:
        yield f"ok: {_counted(len(stories))}"
        return
    if stories:
        yield f"{_counted(len(stories))} run, {failed} failed"
    if unread:
        yield f"{_counted(unread)} could not be read"
    elif faults:
        yield "the files have mistakes"


def _counted(stories: int) -> str:
    return f"{stories} {plural('story', stories)}"


def story_faults(paths: Sequence[Path]) -> list[str]:
    """What is wrong with the stories of these files or differs in them, as text; empty when all is as told."""
    stories, faults, _ = load_stories(paths)
    texts = [fault.render() for fault in faults]
    for story in stories:
        found, differences = tell(story)
        texts += [fault.render() for fault in found]
        texts += [_rendered(difference) for difference in differences]
    return texts


def check_stories(documents: Iterable[Node]) -> tuple[int, list[Fault]]:
    """How many of these documents are stories that can be told, and what is wrong with the others, or what they use."""
    stories, faults, _ = read_stories(documents)
    judged = [_judge(story)[0] for story in stories]
    return judged.count([]), [*faults, *(fault for found in judged for fault in found)]


def tell(story: Story) -> tuple[list[Fault], list[Difference]]:
    """What is wrong with a story or its lifecycles; where nothing is, what differs."""
    found, subject = _judge(story)
    _, rules = _given(story.given)
    if found or subject is None or rules is None:
        return found, []
    return [], run_story(story, rules, lifecycle=subject)


def _judge(story: Story) -> tuple[list[Fault], str | None]:
    """What is wrong with a story or its lifecycles, and the name of the one that it is about."""
    loaded, rules = _given(story.given)
    faults = Faults()
    if loaded.errors or rules is None:
        faults.include(*loaded.errors)
        if not loaded.errors:
            faults.add(story.place, "the given files hold no lifecycle; name their file with `given`")
        return faults.in_order(), None
    subject = subject_of(story, loaded.lifecycles, faults)
    if subject is not None:
        check_names(story, subject, loaded.lifecycles, faults)
    return faults.in_order(), subject


@lru_cache(maxsize=64)  # many stories of a file are about the same lifecycles
def _given(paths: tuple[Path, ...]) -> tuple[Loaded, Rules | None]:
    loaded = load_paths(paths)
    return loaded, compile_rules(loaded.lifecycles) if loaded.lifecycles and not loaded.errors else None


def _print(story: Story, faults: Sequence[Fault], differences: Sequence[Difference], *, failed: bool) -> None:
    steps = f"{len(story.steps)} {plural('step', len(story.steps))}"
    sys.stdout.write(f"{'FAILED' if failed else 'ok    '} {story.title} ({steps})\n")
    for text in (*(fault.render() for fault in faults), *map(_rendered, differences)):
        sys.stdout.write("".join(f"  {line}\n" for line in text.splitlines()))


def _rendered(difference: Difference) -> str:
    faults = Faults()
    faults.add(difference.place, difference.message)
    lines = [faults.in_order()[0].render(), *(f"    {line}" for line in difference.explanation)]
    return "\n".join(lines)
