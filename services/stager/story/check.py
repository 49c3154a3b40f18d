"""Whether a story fits its lifecycles: is there the lifecycle it is about, are there the stages it names?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.stager.language.definition import Lifecycle
from services.stager.story.story import NO_STAGE, Expected, Story
from shared.document.nodes import Faults, Node, nearest


def subject_of(story: Story, lifecycles: Sequence[Lifecycle], faults: Faults) -> str | None:
    """The name of the lifecycle that the story is about; None (and reported) when that is not plain to see."""
    names = [lifecycle.name for lifecycle in lifecycles]
    if story.lifecycle is not None:
        if story.lifecycle in names:
            return story.lifecycle
        message = f"there is no lifecycle or segment `{story.lifecycle}` in the given files"
        faults.add(story.lifecycle_place, message, suggestion=nearest(story.lifecycle, names))
        return None
    real = [lifecycle.name for lifecycle in lifecycles if not lifecycle.segment] or names
    if len(real) == 1:
        return real[0]
    said = f"{', '.join(real)}: name one with `lifecycle: NAME`" if real else "none: name their file with `given`"
    faults.add(story.place, f"a story is about one lifecycle, and the given files hold {said}")
    return None


def check_names(story: Story, subject: str, lifecycles: Sequence[Lifecycle], faults: Faults) -> None:
    """Report every stage and lifecycle that the story names and that is not there."""
    stages = {lifecycle.name: [stage.name for stage in lifecycle.stages] for lifecycle in lifecycles}
    for step in story.steps:
        for standing in step.standings:
            if standing.lifecycle is not None and standing.lifecycle not in stages:
                message = f"there is no lifecycle or segment `{standing.lifecycle}`"
                place = standing.lifecycle_place or standing.place
                faults.add(place, message, suggestion=nearest(standing.lifecycle, stages))
    for place, lifecycle, stage in _named(story, subject):
        if lifecycle not in stages:
            continue
        if stage == NO_STAGE and NO_STAGE in stages[lifecycle]:
            message = f"`{NO_STAGE}` says in a story that there is no stage, but `{lifecycle}` has a stage of that name"
            faults.add(place, f"{message}: rename the stage")
        elif stage not in stages[lifecycle] and stage != NO_STAGE:
            message = f"`{lifecycle}` has no stage `{stage}`"
            faults.add(place, message, suggestion=nearest(stage, stages[lifecycle]))


def _named(story: Story, subject: str) -> Iterator[tuple[Node, str, str]]:
    for step in story.steps:
        for standing in step.standings:
            yield standing.place, standing.lifecycle or subject, standing.stage
        for expected in (*step.among, *(step.changes or ())):
            yield from ((expected.place, subject, stage) for stage in _stages_of(expected))


def _stages_of(expected: Expected) -> Iterator[str]:
    return (stage for stage in (expected.from_stage, expected.to_stage) if stage is not None)
