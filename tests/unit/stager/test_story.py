"""Stories: told steps against the real fold, and files that point at what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.stager.commands.story import run_stories, story_faults
from shared.errors import Refused

SHOP = """
lifecycle: shop
metrics:
  orders: {count: Order Completed}
  last_order: {last: Order Completed}
stages:
  - stage: visitor
  - stage: active
    when: orders >= 1
  - stage: silent
    when: since(last_order) >= 90d
    linger: [1d, 2d]
---
segment: pro
when: traits.plan == "pro"
"""
ORDERED = """
  - on: 2026-01-01
    track: Order Completed
"""


def told(folder: Path, steps: str, *, head: str = "") -> str:
    """What is wrong with a story of these steps, one text."""
    (folder / "shop.yaml").write_text(SHOP, encoding="utf-8")
    story = folder / "shop.stories.yaml"
    story.write_text(f"story: one\ngiven: shop.yaml\n{head}steps:{steps}", encoding="utf-8")
    return "\n".join(story_faults([story]))


def test_a_story_that_comes_true_says_nothing(tmp_path: Path) -> None:
    steps = """
  - on: 2026-01-01
    track: Order Completed
    changes: [{moved: {from: none, to: active}}]
  - identify: {plan: pro}
    stages: {pro: in, shop: active}
    nothing: true
  - after: 92d
    moved: {to: silent, at: 2026-04-01}
    lingered: [{nth: 1}, {stage: silent, nth: 2, at: 2026-04-03}]
  - after: 1d
    track: Order Completed
    late: 3d
    twice: true
    changes: [{moved: active}]
"""
    assert told(tmp_path, steps) == ""


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (f"{ORDERED}    stage: silent\n", "expected `silent`, but the customer is in `active`"),
        (f"{ORDERED}    stage: none\n", "expected no stage, but the customer is in `active`"),
        (
            f"{ORDERED}    nothing: true\n",
            "expected that nothing happens; what happened: moved from no stage to `active`",
        ),
        (f"{ORDERED}    moved: {{from: visitor}}\n", "the customer moves from `visitor`; what happened: moved from no"),
        (f"{ORDERED}    lingered: active\n", "expected that the customer lingers in `active`; what happened: moved"),
        (f"{ORDERED}  - after: 90d\n    moved: {{to: silent, at: 2026-04-02}}\n", "moved from `active` to `silent`\n"),
        (
            f"{ORDERED}  - after: 91d\n    moved: {{to: silent, at: 2026-04-02}}\n",
            "  moved from `active` to `silent` at 2026-04-01T00:00:00.000Z\n",
        ),
        (f"{ORDERED}  - after: 90d\n    stages: {{pro: in}}\n", "expected `in` of pro, but the customer is in `out`"),
        ("\n  - on: 2026-01-01\n    stage: active\n", "the customer has sent nothing yet"),
    ],
)
def test_a_difference_is_told_with_what_happened(tmp_path: Path, steps: str, message: str) -> None:
    assert message in told(tmp_path, steps)


def test_several_changes_are_told_one_a_line(tmp_path: Path) -> None:
    text = told(tmp_path, f"{ORDERED}  - after: 92d\n    changes: [{{moved: silent}}, {{lingered: {{nth: 2}}}}]\n")

    assert text.splitlines()[0].endswith("2026-04-03T00:00:00.000Z: other changes happened than expected")
    assert (
        """
    expected:
      the customer moves to `silent`
      the customer lingers (number 2)
    what happened:
      moved from `active` to `silent` at 2026-04-01T00:00:00.000Z
      lingered in `silent` (number 1) at 2026-04-02T00:00:00.000Z
      lingered in `silent` (number 2)
    shop: silent"""
        in text
    )


def test_an_event_that_no_metric_reads_is_named_with_what_was_perhaps_meant(tmp_path: Path) -> None:
    text = told(tmp_path, "\n  - on: 2026-01-01\n    track: Order Complete\n  - track: Checkout\n    stage: active\n")

    assert "    no metric of `shop` reads the event `Order Complete` (did you mean `Order Completed`?)\n" in text
    assert "    no metric of `shop` reads the event `Checkout`\n" in text


def test_an_event_that_some_lifecycle_reads_and_an_identify_are_not_said_to_be_unread(tmp_path: Path) -> None:
    text = told(tmp_path, f"{ORDERED}  - identify: {{plan: free}}\n    stages: {{pro: in}}\n")

    assert "expected `in` of pro" in text
    assert "reads the event" not in text


def test_where_a_metric_reads_every_event_none_is_unread(tmp_path: Path) -> None:
    (tmp_path / "any.yaml").write_text(
        "lifecycle: any\nmetrics: {n: {days: '*'}}\nstages: [{stage: a}, {stage: b, when: n > 1}]\n", "utf-8"
    )
    (tmp_path / "one.yaml").write_text(
        "story: one\ngiven: any.yaml\nsteps: [{on: 2026-01-01, track: x, stage: b}]\n", encoding="utf-8"
    )

    (text,) = story_faults([tmp_path / "one.yaml"])
    assert "reads the event" not in text


def test_a_difference_comes_with_its_place_and_the_explanation(tmp_path: Path) -> None:
    text = told(tmp_path, f"{ORDERED}    stage: silent\n")

    where = f"{tmp_path / 'shop.stories.yaml'}:6:12: error: step 1 of 1, 2026-01-01T00:00:00.000Z: "
    assert text.startswith(f"{where}expected `silent`, but the customer is in `active`\n")
    assert "[ ] since(last_order) >= 90d   (becomes true 2026-04-01T00:00:00.000Z)" in text
    assert "since(last_order) is 0ms" in text
    assert "from Order Completed 2026-01-01T00:00:00.000Z (id step 1)" in text


def test_only_the_wanted_and_the_actual_stage_are_explained(tmp_path: Path) -> None:
    text = told(tmp_path, f"{ORDERED}    stage: visitor\n")

    assert "=> active: holds" in text
    assert "visitor: holds" in text
    assert "silent: does not hold" not in text


def test_an_event_is_named_by_its_step_and_later_steps_win_at_one_instant(tmp_path: Path) -> None:
    (tmp_path / "mood.yaml").write_text(
        "lifecycle: mood\nmetrics: {m: {latest: m, of: x}}\nstages: [{stage: a}, {stage: b, when: m == 10}]\n", "utf-8"
    )
    steps = "".join(f"  - {{track: x, properties: {{m: {number}}}}}\n" for number in range(2, 11))
    head = "story: one\ngiven: mood.yaml\nsteps:\n  - {on: 2026-01-01, nothing: true}\n"
    (tmp_path / "one.yaml").write_text(f"{head}{steps}  - {{stage: a}}\n", encoding="utf-8")

    (text,) = story_faults([tmp_path / "one.yaml"])
    assert "step 11 of 11" in text
    assert "from x 2026-01-01T00:00:00.000Z (id step 10)" in text


def test_a_difference_says_the_instant_of_its_step_once(tmp_path: Path) -> None:
    first = told(tmp_path, f"{ORDERED}  - after: 90d\n    nothing: true\n").splitlines()[0]

    assert "step 2 of 2, 2026-04-01T00:00:00.000Z: expected that nothing happens" in first
    assert first.count("2026-04-01") == 1


def test_a_wanted_stage_that_lies_behind_is_explained_too(tmp_path: Path) -> None:
    assert "visitor: holds (it has no condition)" in told(tmp_path, f"{ORDERED}    stage: visitor\n")


def test_only_the_first_step_that_differs_is_told(tmp_path: Path) -> None:
    text = told(tmp_path, f"{ORDERED}    stage: silent\n  - after: 1d\n    stage: visitor\n")

    assert "visitor" not in text.splitlines()[0]
    assert text.count("expected") == 1


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("\n  - after: 1d\n", "the first step says when it is"),
        ("\n  - on: 2026-01-02\n  - on: 2026-01-01\n", "time only goes on"),
        ("\n  - on: 2026-01-01\n    after: 1d\n", "exclude one another"),
        ("\n  - on: 2026-01-01\n    trak: x\n", "did you mean `track`?"),
        ("\n  - on: 2026-01-01\n    track: x\n    page: y\n", "has `track` already"),
        ("\n  - on: 2026-01-01\n    track: x\n    revenue: 20\n", "belongs under `properties: {revenue: 20}`"),
        ("\n  - on: 2026-01-01\n    identify: {a: 1}\n    plan: pro\n", "belongs under `identify: {plan: pro}`"),
        ("\n  - on: 2026-01-01\n    track: x\n    nothing: false\n", "`nothing` is only ever `true`"),
        ("\n  - on: 2026-01-01\n    late: 1d\n", "`late` needs a `track`"),
        ("\n  - on: 2026-01-01\n    track: $page\n", "may not begin with `$`"),
        ("\n  - on: 2026-01-01\n    stage: activ\n", "did you mean `active`?"),
        ("\n  - on: 2026-01-01\n    stages: {shp: active}\n", "did you mean `shop`?"),
        ("\n  - on: 2026-01-01\n    changes: [{moved: active, lingered: active}]\n", "a change is"),
        ("\n  - x\n", "a step is a mapping"),
        (" 3\n", "`steps` is a list"),
    ],
)
def test_what_is_wrong_in_a_story_is_pointed_at(tmp_path: Path, steps: str, message: str) -> None:
    assert message in told(tmp_path, steps)


def test_a_story_about_one_of_several_lifecycles_names_it(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("lifecycle: other\nstages: [{stage: only}]\n", encoding="utf-8")
    steps = "\n  - on: 2026-01-01\n    track: x\n    stage: only\n"
    several = "given: [shop.yaml, other.yaml]\n"

    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    story = tmp_path / "two.yaml"
    story.write_text(f"story: one\n{several}steps:{steps}", encoding="utf-8")
    assert "hold other, shop: name one with `lifecycle: NAME`" in "\n".join(story_faults([story]))
    story.write_text(f"story: one\n{several}lifecycle: other\nsteps:{steps}", encoding="utf-8")
    assert story_faults([story]) == []


def test_a_story_may_stand_in_the_lifecycles_own_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(f"{SHOP}---\nstory: one\nsteps:{ORDERED}    stage: active\n", encoding="utf-8")

    assert story_faults([tmp_path]) == []


def test_the_command_says_how_many_came_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(tmp_path, f"{ORDERED}    stage: active\n")

    assert run_stories([tmp_path]) == 0
    assert capsys.readouterr().out == "ok     one (1 step)\nok: 1 story\n"
    told(tmp_path, f"{ORDERED}    stage: silent\n")
    assert run_stories([tmp_path]) == 1
    assert "1 story run, 1 failed\n" in capsys.readouterr().out


def test_a_story_that_cannot_be_read_is_not_counted_as_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(tmp_path, "\n  - at: 2026-01-01\n    track: x\n    nothing: true\n")

    assert run_stories([tmp_path]) == 1
    printed = capsys.readouterr()
    assert "did you mean `on`?" in printed.err
    assert printed.out == "1 story could not be read\n"


def test_a_file_that_cannot_be_read_beside_a_story_is_said_to_have_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(tmp_path, f"{ORDERED}    stage: active\n")
    (tmp_path / "torn.yaml").write_text("a: [", encoding="utf-8")

    assert run_stories([tmp_path]) == 1
    assert capsys.readouterr().out.endswith("\n1 story run, 0 failed; the files have mistakes\n")


@pytest.mark.parametrize(
    "keys", ["STORY GIVEN LIFECYCLE STEPS", "GIVEN STORY LIFECYCLE STEPS", "LIFECYCLE STEPS GIVEN STORY"]
)
def test_the_keys_of_a_story_may_stand_in_any_order(keys: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    story = tmp_path / "s.yaml"
    lines = {
        "STORY": "story: one\n",
        "GIVEN": "given: shop.yaml\n",
        "LIFECYCLE": "lifecycle: shop\n",
        "STEPS": f"steps:{ORDERED}    stage: active\n",
    }
    story.write_text("".join(lines[key] for key in keys.split()))

    assert run_stories([story]) == 0


def test_a_wrong_property_of_a_step_is_one_fault(tmp_path: Path) -> None:
    assert told(tmp_path, f"{ORDERED}    revenue: 20\n").count("error") == 1


def test_a_lifecycle_that_is_not_there_is_pointed_at_and_not_the_stage(tmp_path: Path) -> None:
    text = told(tmp_path, "\n  - on: 2026-01-01\n    stages: {pro: out, vip: in}\n")

    assert text.startswith(f"{tmp_path / 'shop.stories.yaml'}:5:24: error: there is no lifecycle or segment `vip`")


def test_none_in_a_story_of_a_lifecycle_with_a_stage_of_that_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text("lifecycle: n\nstages: [{stage: none}]\n---\nstory: one\nsteps: [{on: 2026-01-01, stage: none}]\n")

    assert "but `n` has a stage of that name: rename the stage" in "\n".join(story_faults([file]))


def test_a_folder_without_a_story_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")

    with pytest.raises(Refused, match="no story"):
        run_stories([tmp_path])


def test_the_stories_of_the_demo_come_true() -> None:
    assert story_faults([Path(__file__).parents[3] / "deploy" / "demo"]) == []


def test_what_is_wrong_with_a_lifecycle_is_said_once_however_many_stories_are_told_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP.replace("orders >= 1", "order >= 1"), encoding="utf-8")
    stories = [f"story: {name}\ngiven: shop.yaml\nlifecycle: shop\nsteps:{ORDERED}" for name in ("one", "two")]
    (tmp_path / "shop.stories.yaml").write_text("---\n".join(stories), encoding="utf-8")

    assert run_stories([tmp_path / "shop.stories.yaml"]) == 1
    printed = capsys.readouterr().out
    assert (printed.count("no metric `order`"), printed.count("FAILED")) == (1, 2)
