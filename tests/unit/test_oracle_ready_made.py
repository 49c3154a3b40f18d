"""The ready-made lifecycles as the naive interpreter of LANGUAGE.md reads them, on their own stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.stager.language.file import load_paths
from services.stager.ready_made import FOLDER
from services.stager.story.file import load_stories
from tests.builders.stories import lines_of
from tests.oracle.compare import compare
from tests.oracle.generate import Case


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_naive_reading_tells_every_story_in_the_same_way(path: Path) -> None:
    lifecycles = load_paths([path]).lifecycles
    stories, *_ = load_stories([FOLDER / "stories" / f"{path.stem}.stories.yaml"])

    for story in stories:
        difference = compare(Case(lifecycles, tuple(lines_of(story)), story.steps[-1].at_ms))
        assert difference is None, f"{story.title}: {difference.render()}"
