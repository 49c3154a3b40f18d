"""The scenarios come out as LANGUAGE.md says; each test is named by its sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.stager.commands.story import tell
from services.stager.story.file import load_stories
from services.stager.story.story import Story
from tests.scenarios.scenario import Scenario, Truth, missed, play, read_scenarios, read_truths, true_ones

HERE = Path(__file__).parent
STORIES, FAULTS, _ = load_stories([HERE / "stories"])
SCENARIOS = list(read_scenarios(HERE / "lines"))
TRUTHS = list(read_truths(HERE / "truths"))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_story(story: Story) -> None:
    faults, differences = tell(story)

    assert [fault.render() for fault in faults] == []
    assert [difference.message for difference in differences] == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_scenario(scenario: Scenario) -> None:
    found, bad = play(scenario)

    assert [missed(*pair) for pair in zip(scenario.then, found, strict=False)] == [[]] * min(
        len(scenario.then), len(found)
    )
    assert len(found) == len(scenario.then)
    assert bad == scenario.bad


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.title)
def test_truth(truth: Truth) -> None:
    assert true_ones(truth) == list(truth.holds)


def test_every_scenario_is_read_and_has_its_own_title() -> None:
    titles = [one.title for one in (*STORIES, *SCENARIOS, *TRUTHS)]
    assert FAULTS == []
    assert len(titles) == len(set(titles)) >= 90
