"""`stageline check`: every document is judged once, by the reader that it is for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.main import app
from tests.house.pages import ROOT


def check(folder: Path, text: str, *options: str) -> Result:
    (folder / "f.yaml").write_text(text)
    return CliRunner().invoke(app, ["check", str(folder / "f.yaml"), *options])


@pytest.mark.parametrize(
    "text",
    [
        "lifecyle: shop\nmetrics: {n: {count: A}}\nstages: [{stage: a, when: n > 1}]\n",
        "Lifecycle: shop\nstages: [{stage: a}]\n",
        "segmant: x\nwhen: true\n",
        "campagn: x\non: {lifecycle: a, stage: b, change: moved}\nsend: [{channel: console}]\n",
        "subscripton: x\nsend: [{channel: kafka}]\n",
        "stages: [{stage: a}]\n",
        "lifecycle: x\ncampaign: y\n",
        "hello\n",
        "3\n",
        "- lifecycle: shop\n",
    ],
)
def test_a_document_of_no_clear_kind_is_one_fault(text: str, tmp_path: Path) -> None:
    result = check(tmp_path, text)

    assert result.exit_code == 1
    assert result.stderr.count(": error: ") == 1


SEGMENT = "segment: s\nmetrics: {n: {count: A}}\nwhen: n > 1\n"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n"])
def test_a_file_with_nothing_in_it_is_warned_of(text: str, tmp_path: Path) -> None:
    result = check(tmp_path, text)

    assert result.exit_code == 0
    assert "warning: there is nothing in this file" in result.stderr


def test_a_folder_with_nothing_in_it_is_warned_of(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path)])

    assert result.exit_code == 0
    assert "warning: there is no `*.yaml`" in result.stderr


@pytest.mark.parametrize("sample", ["", "no JSON\n"])
def test_a_sample_without_an_event_is_said_once(sample: str, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(sample)

    result = check(tmp_path, SEGMENT, "--events", str(tmp_path / "events.ndjson"))

    assert result.exit_code == 0
    assert result.stderr.count("warning") == result.stderr.count("no event that can be read") == 1


def test_lines_of_the_sample_that_cannot_be_used_do_not_refuse_the_files(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text('no JSON\n{"userId": "a", "event": "A", "timestamp": "2026-01-01"}\n')

    result = check(tmp_path, SEGMENT, "--events", str(tmp_path / "events.ndjson"))

    assert result.exit_code == 0
    assert "events.ndjson:1: " in result.stderr
    assert "warning" not in result.stderr


def test_every_fault_is_shown_however_many_there_are(tmp_path: Path) -> None:
    result = check(tmp_path, SEGMENT + "n: 1\n" * 1_500)

    assert result.stderr.count(": error: ") == 1_500


def test_a_long_chain_of_stages_in_any_order_is_followed_to_its_end(tmp_path: Path) -> None:
    stages = "".join(f"  - stage: s{place}\n    from: s{place + 1}\n" for place in range(3_000))

    result = check(tmp_path, f"lifecycle: long\nstages:\n{stages}  - stage: s3000\n")

    assert result.stdout == "ok: 1 lifecycle, 0 segments, 0 campaigns\n"


STORY = "---\nstory: one\ngiven: f.yaml\nlifecycle: s\nsteps: [{on: 2026-01-01, track: A, stage: out}]\n"


def test_stories_are_counted_where_there_are_any(tmp_path: Path) -> None:
    assert check(tmp_path, SEGMENT + STORY).stdout == "ok: 0 lifecycles, 1 segment, 0 campaigns, 1 story\n"


@pytest.mark.parametrize(("right", "wrong"), [("steps:", "stps:"), ("stage: out", "stage: ut"), ("f.yaml", "g.yaml")])
def test_what_is_wrong_with_a_story_is_an_error(right: str, wrong: str, tmp_path: Path) -> None:
    result = check(tmp_path, SEGMENT + STORY.replace(right, wrong))

    assert result.exit_code == 1
    assert result.stderr.count(": error: ") == 1


def test_what_a_story_expects_in_vain_is_no_matter_of_a_check(tmp_path: Path) -> None:
    assert check(tmp_path, SEGMENT + STORY.replace("stage: out", "stage: in")).exit_code == 0


def test_what_is_wrong_with_a_lifecycle_is_said_once_beside_its_story(tmp_path: Path) -> None:
    assert check(tmp_path, SEGMENT.replace("n > 1", "m > 1") + STORY).stderr.count(": error: ") == 1


SAMPLE = """
{"userId": "a", "event": "Paid", "timestamp": "2026-01-01", "properties": {"revenue": 3, "cart": {"total": 4}}}
{"userId": "a", "event": "Seen", "timestamp": "2026-01-01", "properties": {"amount": 3}}
{"userId": "a", "type": "identify", "timestamp": "2026-01-01", "traits": {"plan": 1, "Plan Name": 1, "utm-source": 1}}
"""


@pytest.mark.parametrize(
    ("metric", "when", "warning"),
    [
        ("{count: paid}", "m > 1", "no event of the sample is named `paid` (did you mean `Paid`?)"),
        ("{sum: Revenue, of: Paid}", "m > 1", "property `Revenue`, of `Paid` (did you mean `revenue`?)"),
        ("{sum: amount, of: Paid}", "m > 1", "no event of the sample has the property `amount`"),
        ("{count: Paid, where: cart.totl > 1}", "m > 1", "`cart.totl`, of `Paid` (did you mean `cart.total`?)"),
        ('{count: "*", where: exists(sum)}', "m > 1", "the property `sum`, of these events"),
        ("{count: Paid}", 'm > 1 and traits.pln == "pro"', "trait `traits.pln` (did you mean `traits.plan`?)"),
        ("{changed: traits.Plan}", "exists(m)", "trait `traits.Plan` (did you mean `traits.plan`?)"),
        ("{count: Paid}", "m > 1 and exists(traits.`Plan name`)", "(did you mean `traits.`Plan Name``?)"),
    ],
)
def test_a_name_that_the_sample_lacks_is_warned_of(metric: str, when: str, warning: str, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(SAMPLE)

    text = f"segment: s\nmetrics:\n  m: {metric}\nwhen: {when}\n"
    result = check(tmp_path, text, "--events", str(tmp_path / "events.ndjson"))

    assert result.exit_code == 0
    assert result.stderr.count(": warning: ") == 1
    assert warning in result.stderr


@pytest.mark.parametrize(
    "metric",
    [
        '{count: "*", where: amount > revenue}',
        "{sum: cart.total, of: [Paid, Seen]}",
        "{latest: plan, of: $identify}",
        "{changed: traits.utm-source}",
        "{latest: utm-source, of: $identify}",
    ],
)
def test_a_name_that_the_sample_has_is_not_warned_of(metric: str, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(SAMPLE)

    text = f"segment: s\nmetrics:\n  m: {metric}\nwhen: exists(m) and exists(traits.plan)\n"
    result = check(tmp_path, text, "--events", str(tmp_path / "events.ndjson"))

    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("line", ["on: 0001-01-01", "on: 9999-12-31", "after: 3000000d", "late: 800000d"])
def test_a_story_plays_in_years_that_a_log_can_have(line: str, tmp_path: Path) -> None:
    step = {"on": f"{{{line}, track: A}}", "after": f"{{on: 2026-01-01}}, {{{line}, track: A}}"}
    steps = step.get(line.partition(":")[0], f"{{on: 2026-01-01, track: A, {line}}}")

    result = check(tmp_path, f"{SEGMENT}---\nstory: one\ngiven: f.yaml\nsteps: [{steps}]\n")

    assert result.exit_code == 1
    assert "a story plays in the years 3 to 9995" in result.stderr


def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path) -> None:
    result = check(tmp_path, f"{SEGMENT}---\nstory: one\ngiven: {'a' * 300}\nsteps: [{{on: 2026-01-01}}]\n")

    assert "there is no file `aaa" in result.stderr


@pytest.mark.parametrize(
    ("sample", "metric"),
    [
        ({"cart.total": 1}, "cart.totl"),
        ({**{f"k{number}": 1 for number in range(10_050)}, "revenue": 1}, "revenue"),
    ],
    ids=["no path names a key with a dot", "of so many not all are kept"],
)
def test_what_a_sample_cannot_tell_is_not_suggested_or_said(
    sample: dict[str, int], metric: str, tmp_path: Path
) -> None:
    event = {"userId": "a", "event": "Paid", "timestamp": "2026-01-01", "properties": sample}
    (tmp_path / "events.ndjson").write_text(json.dumps(event))

    text = f"segment: s\nmetrics:\n  m: {{sum: {metric}, of: Paid}}\nwhen: m > 1\n"
    result = check(tmp_path, text, "--events", str(tmp_path / "events.ndjson"))

    assert "did you mean" not in result.stderr
    assert ("has the property" in result.stderr) == (metric == "cart.totl")


def test_a_sample_with_the_end_of_an_import_alone_has_no_event(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text('{"type": "import_end", "timestamp": "2026-01-01"}')

    result = check(tmp_path, SEGMENT, "--events", str(tmp_path / "events.ndjson"))

    assert result.stderr.count("warning") == 1
    assert "no event that can be read" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "lifecycle: x\nstages: [{stage: a}]\nb: {" + "aaa bbb " * 20_000 + ": b: c}\n",
        "lifecycle: x\nstages: [{stage: a}]\ncarry: ["
        + ", ".join(f"traits.a{number}" for number in range(5_000))
        + "]\n",
    ],
    ids=["words", "carried"],
)
def test_the_time_of_a_check_grows_with_the_file_and_not_faster(text: str, tmp_path: Path) -> None:
    began = time.process_time()
    check(tmp_path, text)
    assert time.process_time() - began < 20  # it took minutes


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full, as Linux has one")
@pytest.mark.parametrize("command", ["schema", "lifecycles", "simulate", "explain"])
def test_a_full_disk_is_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(SEGMENT)
    (tmp_path / "e").write_text('{"userId": "u", "event": "A", "timestamp": "2026-01-01"}\n' * 2)
    files = ["--lifecycle", "f.yaml", "--events", "e"]
    options = {"simulate": files, "explain": [*files, "--customer", "u"]}.get(command, [])
    with Path("/dev/full").open("wb") as full:
        call = [sys.executable, "-m", "services.main", command, *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(call, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)

    assert done.returncode == 1
    assert done.stderr == b"stageline: cannot write: No space left on device\n"
