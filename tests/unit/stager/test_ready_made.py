"""The ready-made lifecycles: each loads without a word, says what it needs, and is walked through by its stories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.main import app
from services.stager.commands.story import story_faults
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Expression, Lifecycle, Metric, PropertyValue, TraitValue
from services.stager.language.file import Loaded, load_paths
from services.stager.language.walk import walk
from services.stager.ready_made import FOLDER, find_ready_made, list_ready_made, read_ready_made
from services.stager.simulate.simulation import simulate
from services.stager.story.file import load_stories
from services.stager.story.story import Story
from shared.errors import Malformed, Refused
from shared.transition import Transition
from tests.builders.stories import lines_of

FILES = sorted(FOLDER.glob("*.yaml"))
PAGE = FOLDER.parents[1] / "docs" / "ready-made.md"

# The models of DESIGN.md 12 with the stages that they are known for; a file may add what decline and return need.
MODELS = {
    "reach-loyalty": "reach acquisition conversion retention loyalty",
    "awareness-advocacy": "awareness consideration purchase retention advocacy",
    "buyers-journey": "awareness consideration decision",
    "pirate-metrics": "acquisition activation retention referral revenue",
    "discovery-advocacy": "discovery evaluation purchase use bond advocacy",
    "b2b-funnel": "subscriber lead marketing-qualified sales-qualified opportunity customer evangelist",
    "engagement": "acquisition engagement loyalty retention dissatisfaction",
    "decline": "acquisition activation retention expansion decline deactivation",
    "service": "requirements acquisition ownership retirement",
    "purchase-phases": "pre-purchase purchase post-purchase ongoing-relationship",
    "hotel-guest": "research booking pre-stay arrival occupancy check-out post-stay",
    "real-estate": "unqualified-lead qualified-lead searching viewing offer under-contract past-client",
    "saas-subscription": "signed-up trial paying cancelled",
    "prepaid-mobile": "active dormant churned",
    "bank-life-stages": "youth family retired",
    "support-ticket": "new open waiting solved closed",
}
SEGMENTS = [
    "rfm", "high-value", "behavioural", "demographic", "geographic", "firmographic", "customer-status", "nps-groups",
]  # fmt: skip

# The names of Segment's public specs (ecommerce, B2B SaaS, mobile, email, live chat) that a file may use and
# not call the user's own.
SPECIFIED = {
    "Products Searched", "Product List Viewed", "Product Viewed", "Product Added", "Product Removed", "Cart Viewed",
    "Checkout Started", "Order Completed", "Order Updated", "Order Refunded", "Order Cancelled", "Product Shared",
    "Product Reviewed", "Product Added to Wishlist", "Account Created", "Account Deleted", "Signed Up", "Signed In",
    "Signed Out", "Invite Sent", "Account Added User", "Account Removed User", "Trial Started", "Trial Ended",
    "Application Installed", "Application Opened", "Application Uninstalled", "Email Opened", "Email Link Clicked",
    "Unsubscribed", "Live Chat Conversation Started", "Live Chat Conversation Ended", "Live Chat Message Sent",
    "Live Chat Message Received",
}  # fmt: skip


@cache
def loaded(path: Path) -> Loaded:
    return load_paths([path])


def stories_of(path: Path) -> Path:
    return FOLDER / "stories" / f"{path.stem}.stories.yaml"


def by_name(path: Path) -> str:
    return path.stem


every_file = pytest.mark.parametrize("path", FILES, ids=by_name)


def test_every_known_model_and_segment_is_there() -> None:
    assert [path.stem for path in FILES] == sorted([*MODELS, *SEGMENTS])


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_its_stages_in_its_order(model: str) -> None:
    lifecycle = next(part for part in loaded(FOLDER / f"{model}.yaml").lifecycles if part.name == model)
    known = MODELS[model].split()

    assert [stage.name for stage in lifecycle.stages if stage.name in known] == known


def test_all_of_them_load_together_without_an_error_or_a_warning() -> None:
    assert load_paths([FOLDER]).faults == ()


@every_file
def test_the_head_names_exactly_the_events_and_properties_that_the_metrics_read(path: Path) -> None:
    read: dict[str, set[str]] = defaultdict(set)
    for metric in (metric for part in loaded(path).lifecycles for metric in part.metrics):
        for event in (event for step in metric.steps for event in step or ("*",)):
            read[event] |= properties_of(metric)

    assert {need.name: set(need.properties) for need in read_ready_made(path).events} == read


@every_file
def test_a_name_that_no_spec_has_is_called_your_own(path: Path) -> None:
    tracks = [need for need in read_ready_made(path).events if not need.name.startswith("$")]

    assert [need.name for need in tracks if ("your own event" in need.meaning) == (need.name in SPECIFIED)] == []


@every_file
def test_the_head_names_exactly_the_traits_that_are_read(path: Path) -> None:
    read = {trait for part in loaded(path).lifecycles for trait in traits_of(part)}

    assert {need.name for need in read_ready_made(path).traits} == read


@every_file
def test_everything_is_described_for_people(path: Path) -> None:
    first_stages = {part.stages[0].name for part in loaded(path).lifecycles}
    silent = [
        f"{part.name}/{stage.name}"
        for part in loaded(path).lifecycles
        for stage in part.stages
        if not part.segment and not stage.description and stage.name not in first_stages
    ]

    assert [part.name for part in loaded(path).lifecycles if not part.description] + silent == []
    assert "# First to change: " in path.read_text(encoding="utf-8")


@every_file
def test_the_head_says_that_its_numbers_are_guesses(path: Path) -> None:
    head, _, _ = path.read_text(encoding="utf-8").partition(
        "\n" + ("segment:" if path.stem in SEGMENTS else "lifecycle:")
    )

    assert "# All thresholds are guesses until your own numbers have confirmed them." in head.splitlines()


@every_file
def test_its_stories_go_as_they_say(path: Path) -> None:
    assert story_faults([stories_of(path)]) == []


@every_file
def test_its_stories_enter_every_stage_and_leave_it_again(path: Path) -> None:
    changes = [change for change in told(path) if change.change == "moved"]
    parts = loaded(path).lifecycles

    assert {place for part in parts for place in places_of(part)} - places(changes, "to_stage") == set()
    assert {place for part in parts for place in places_to_leave(part)} - places(changes, "from_stage") == set()


@every_file
def test_its_stories_linger_wherever_a_message_waits(path: Path) -> None:
    lingered = places([change for change in told(path) if change.change == "lingered"], "to_stage")
    parts = loaded(path).lifecycles

    assert {(part.name, stage.name) for part in parts for stage in part.stages if stage.linger} - lingered == set()


def test_the_page_of_the_documents_lists_each_with_its_stages_and_events() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [row for path in FILES for row in rows_of(path) if row not in page] == []


def test_the_list_names_each_with_the_events_that_it_needs() -> None:
    shown = CliRunner().invoke(app, ["lifecycles"]).stdout

    assert [one.name for one in list_ready_made() if f"{one.name}\n    " not in shown] == []
    assert "needs Order Completed" in shown


def test_the_list_says_what_is_a_lifecycle_and_what_are_segments() -> None:
    shown = " ".join(CliRunner().invoke(app, ["lifecycles"]).stdout.split())

    assert "lifecycle bank-life-stages; segment bank-quiet needs" in shown
    assert "segments high-value, almost-high-value, high-value-slipping needs" in shown


@every_file
def test_a_file_says_which_lifecycles_and_segments_are_in_it(path: Path) -> None:
    ready_made, parts = read_ready_made(path), loaded(path).lifecycles

    assert set(ready_made.lifecycles) == {part.name for part in parts if not part.segment}
    assert set(ready_made.segments) == {part.name for part in parts if part.segment}


def test_show_prints_the_file_as_it_is() -> None:
    shown = CliRunner().invoke(app, ["lifecycles", "show", "rfm"]).stdout

    assert shown == (FOLDER / "rfm.yaml").read_text(encoding="utf-8")


def test_show_finds_the_file_that_holds_a_segment() -> None:
    shown = CliRunner().invoke(app, ["lifecycles", "show", "rfm-champions"])

    assert shown.stdout == (FOLDER / "rfm.yaml").read_text(encoding="utf-8")
    assert shown.stderr == "`rfm-champions` is in the file `rfm`, which is shown whole.\n"


@pytest.mark.parametrize("name", ["bank-quiet", "bank-life-stages"])
def test_a_lifecycle_or_segment_is_found_by_its_own_name(name: str) -> None:
    assert find_ready_made(name).name == "bank-life-stages"


def test_an_unknown_segment_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Refused, match="did you mean `rfm-champions`"):
        find_ready_made("rfm-champion")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Refused, match="did you mean `b2b-funnel`"):
        find_ready_made("b2b-funel")


def test_a_file_whose_head_names_no_events_is_malformed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# mine: a try.\nsegment: mine\nwhen: exists(traits.x)\n", encoding="utf-8")

    with pytest.raises(Malformed, match="Events it needs"):
        read_ready_made(path)


def conditions_of(part: Lifecycle) -> Iterator[Expression | None]:
    for stage in part.stages:
        yield from (stage.when, stage.until)


def traits_of(part: Lifecycle) -> Iterator[str]:
    read: list[Expression] = [carried.value for carried in part.carry]
    yield from (node.path[0] for node in walk(*conditions_of(part), *read) if isinstance(node, TraitValue))
    yield from (metric.path[0] for metric in part.metrics if metric.function == "changed")


def properties_of(metric: Metric) -> set[str]:
    read = {".".join(node.path) for node in walk(metric.where) if isinstance(node, PropertyValue)}
    return read | ({".".join(metric.path)} if metric.path and metric.function != "changed" else set())


def places_of(part: Lifecycle) -> list[tuple[str, str]]:
    return [(part.name, stage.name) for stage in part.stages if not (part.segment and stage.name == "out")]


def places_to_leave(part: Lifecycle) -> list[tuple[str, str]]:
    """The last place of a lifecycle that only goes forward is for good."""
    return places_of(part)[:-1] if part.forward_only else places_of(part)


def places(changes: list[Transition], field: str) -> set[tuple[str, str]]:
    return {(change.lifecycle, getattr(change, field)) for change in changes}


@cache
def told(path: Path) -> list[Transition]:
    """All that happens in the stories of a file, in every lifecycle of it."""
    stories, faults, _ = load_stories([stories_of(path)])
    assert faults == []
    return [change for story in stories for change in simulated(story, path)]


def simulated(story: Story, path: Path) -> list[Transition]:
    lines = [line.encode() for line in lines_of(story)]
    rules = compile_rules(loaded(path).lifecycles)
    return list(simulate(lines, rules, until_ms=story.steps[-1].at_ms, on_bad_line=lambda _, why: pytest.fail(why)))


def rows_of(path: Path) -> Iterator[str]:
    """The rows of the page's table for a file."""
    ready_made = read_ready_made(path)
    needs = ", ".join(f"`{need.name}`" for need in ready_made.events)
    parts = loaded(path).lifecycles
    stages = [" → ".join(stage.name for stage in part.stages) for part in parts if not part.segment]
    segments = ", ".join(part.name for part in parts if part.segment)
    shown = "; ".join([*stages, *([f"segments {segments}" if stages else segments] if segments else [])])
    yield f"| [{ready_made.name}](../deploy/lifecycles/{path.name}) | {shown} | {needs} |"
