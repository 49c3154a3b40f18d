"""The summary of a simulation, its speed, and a sample of events held against files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.main import app

SHOP = """
lifecycle: shop
metrics:
  orders: {count: Order Completed}
  funnel: {sequence: [Cart Viewed, [Order Completed, Order Refunded]]}
  pages: {count: [$page, "Order Complete"]}
  mood: {latest: score, of: Survey Answered}
  any: {count: "*"}
  plan: {changed: traits.plan}
  last_order: {last: Order Completed}
stages:
  - stage: new
  - stage: active
    when: orders >= 1 and any > 0 and pages >= 0 and not exists(funnel) and not (mood == 1) and not exists(plan)
  - stage: silent
    when: since(last_order) >= 2d
    linger: 1d
"""


def events(*lines: tuple[str, str, str]) -> str:
    return "".join(json.dumps({"userId": who, "event": what, "timestamp": when}) + "\n" for who, what, when in lines)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    (tmp_path / "events.ndjson").write_text(
        events(
            ("ann", "Order Completed", "2026-01-01T00:00:00Z"),
            ("bob", "Order Completed", "2026-01-01T00:00:00Z"),
            ("ann", "Order Completed", "2026-01-05T00:00:00Z"),
            ("cid", "Page Seen", "2026-01-05T00:00:00Z"),
        ),
        encoding="utf-8",
    )
    return tmp_path


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def simulated(shop: Path, *options: str) -> Any:
    return run("simulate", "--lifecycle", shop / "shop.yaml", "--events", shop / "events.ndjson", *options)


def row(text: str, stage: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [stage] and "%" in line)


def test_the_table_says_who_is_where_and_how_long_visits_lasted(shop: Path) -> None:
    text = simulated(shop, "--summary").stdout

    assert "lifecycle shop: 3 customers" in text
    assert row(text, "new") == ["new", "1", "33%", "1", "0", "0"]
    assert row(text, "active")[:5] == ["active", "1", "33%", "3", "2"]
    assert row(text, "silent")[:5] == ["silent", "1", "33%", "2", "1"]
    assert row(text, "silent")[-1] == "2"


@pytest.mark.parametrize(("stays_days", "median"), [([30], "30d"), ([10, 20, 30], "20d"), ([10, 20], "15d")])
def test_the_median_stay_is_exact_where_few_are_alike(tmp_path: Path, stays_days: list[int], median: str) -> None:
    (tmp_path / "pro.yaml").write_text('segment: pro\nwhen: traits.plan == "pro"\n', encoding="utf-8")
    identifies = [
        {"type": "identify", "userId": f"u{number}", "traits": {"plan": plan}, "timestamp": f"2026-01-{day:02d}"}
        for number, days in enumerate(stays_days)
        for plan, day in (("pro", 1), ("free", 1 + days))
    ]
    identifies.sort(key=lambda message: str(message["timestamp"]))
    (tmp_path / "events.ndjson").write_text("\n".join(map(json.dumps, identifies)), encoding="utf-8")

    options = ("--lifecycle", tmp_path / "pro.yaml", "--events", tmp_path / "events.ndjson", "--summary")

    assert row(run("simulate", *options).stdout, "in")[5] == median


def test_a_summary_begins_with_what_was_read(shop: Path) -> None:
    with (shop / "events.ndjson").open("a") as file:
        file.write('{"userId": "ann"}\n\n')

    first = simulated(shop, "--summary", "--until", "2026-02-01").stdout.splitlines()[0]

    assert first == "4 events of 3 customers, 2026-01-01T00:00:00.000Z to 2026-02-01T00:00:00.000Z; 1 line not used"


def test_the_period_of_history_is_that_in_which_it_happened(shop: Path) -> None:
    told = {"userId": "old", "event": "x", "timestamp": "2024-01-01", "receivedAt": "2026-01-05", "historical": True}
    with (shop / "events.ndjson").open("a") as file:
        file.write(json.dumps(told))

    first = simulated(shop, "--summary").stdout.splitlines()[0]

    assert first == "5 events of 4 customers, 2024-01-01T00:00:00.000Z to 2026-01-05T00:00:00.000Z"


def test_who_entered_a_place_and_did_not_leave_is_there_now(shop: Path) -> None:
    (shop / "shop.yaml").write_text(
        "segment: once\nmetrics: {n: {count: Order Completed}}\nwhen: n == 1\n---\n"
        "lifecycle: few\nmetrics: {n: {count: Order Completed}}\nstages: [{stage: one, when: n == 1}]\n"
    )
    text = simulated(shop, "--summary").stdout

    assert row(text, "out")[:5] == ["out", "2", "67%", "4", "2"]
    assert row(text, "in")[:5] == ["in", "1", "33%", "2", "1"]
    assert row(text, "(nowhere)")[:5] == ["(nowhere)", "2", "67%", "4", "2"]


def test_a_stage_that_nobody_ever_entered_is_marked(shop: Path) -> None:
    lines = simulated(shop, "--summary", "--until", "2026-01-02").stdout.splitlines()

    assert [line.split()[0] for line in lines if line.endswith("never entered")] == ["new", "silent"]


@pytest.mark.parametrize("options", [(), ("--summary",), ("--customer", "ann"), ("--summary", "--processes", "2")])
def test_a_time_before_all_events_is_told_of(shop: Path, options: tuple[str, ...]) -> None:
    result = simulated(shop, "--until", "2025-12-31", *options)

    assert (result.exit_code, result.stderr) == (
        0,
        f"{shop / 'events.ndjson'}: no line was received by 2025-12-31T00:00:00.000Z\n",
    )


def test_a_file_without_events_is_told_of(shop: Path) -> None:
    (shop / "events.ndjson").write_text("\n")

    assert simulated(shop).stderr == f"{shop / 'events.ndjson'}: there is no event\n"


def test_the_picture_shows_where_visitors_went_and_who_went_back(shop: Path) -> None:
    text = simulated(shop, "--summary").stdout

    assert "└─▶ silent" in text
    assert "└─◀ active" in text
    assert "100%" in text


def test_a_summary_of_one_customer_counts_nobody_else(shop: Path) -> None:
    assert "lifecycle shop: 1 customer\n" in simulated(shop, "--summary", "--customer", "ann").stdout


def test_a_customer_of_whom_no_line_speaks_is_told_of(shop: Path) -> None:
    assert "no line is about customer anna" in simulated(shop, "--customer", "anna").stderr
    assert simulated(shop, "--customer", "ann").stderr == ""


def test_the_speed_is_told_beside_the_transitions(shop: Path) -> None:
    result = simulated(shop, "--speed")

    assert "4 events of 3 customers in" in result.stderr
    assert all(json.loads(line)["lifecycle"] == "shop" for line in result.stdout.splitlines())


def test_a_sample_without_an_event_of_the_file_is_a_warning_with_a_near_name(shop: Path) -> None:
    result = run("check", shop / "shop.yaml", "--events", shop / "events.ndjson")

    assert result.exit_code == 0
    assert (
        "warning: no event of the sample is named `Order Complete` (did you mean `Order Completed`?)" in result.stderr
    )
    assert (
        result.stderr.count("no event of the sample") == 5
    )  # also Cart Viewed, Order Refunded, $page, Survey Answered


def test_explain_is_a_command(shop: Path) -> None:
    options = ("--lifecycle", shop / "shop.yaml", "--events", shop / "events.ndjson", "--customer", "ann")
    text = run("explain", *options, "--at", "2026-01-02")
    as_json = run("explain", *options, "--json")

    assert "shop: active since 2026-01-01" in text.stdout
    assert json.loads(as_json.stdout)["lifecycles"]["shop"]["stage"] == "active"


def test_schema_and_test_are_commands(shop: Path) -> None:
    (shop / "s.yaml").write_text(
        "story: x\ngiven: shop.yaml\nsteps: [{on: 2026-01-01, track: x, stage: new}]\n", encoding="utf-8"
    )

    assert json.loads(run("schema").stdout)["title"] == "Stageline lifecycles and segments"
    assert run("test", shop).stdout == "ok     x (1 step)\nok: 1 story\n"
