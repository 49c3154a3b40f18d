"""`stageline preview`, `replay` and `check` as people call them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.main import app, migrate_tables
from shared.errors import Refused
from shared.transition import encode
from tests.builders_notifier import a_transition

FILE = """
campaign: win-back
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: slack, text: "{{ traits.name }} has {{ metrics.orders }} orders"}]
---
subscription: crm
send: [{channel: kafka}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.yaml").write_text(FILE)
    monkeypatch.setenv("STAGELINE_CAMPAIGNS", str(tmp_path / "c.yaml"))
    monkeypatch.setenv("STAGELINE_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/stageline.db")
    asyncio.run(migrate_tables(f"sqlite+aiosqlite:///{tmp_path}/stageline.db"))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_preview_of_a_file_prints_what_would_be_said(folder: Path):
    (folder / "t.json").write_bytes(encode(a_transition(carried={"orders": 3, "traits.name": "Ann"})))
    result = run("preview", "win-back", "--transition", str(folder / "t.json"))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "  Ann has 3 orders"


def test_preview_of_what_could_not_be_sent_says_why_and_fails(folder: Path):
    (folder / "t.json").write_bytes(encode(a_transition(carried={"orders": 3})))
    result = run("preview", "win-back", "--transition", str(folder / "t.json"))
    assert result.exit_code == 1
    assert "traits.name is undefined" in result.stdout


def test_preview_of_a_customer_without_a_transition_is_refused(folder: Path):
    result = run("preview", "win-back", "--customer", "nobody")
    assert isinstance(result.exception, Refused)


def test_replay_of_an_empty_history_says_that_there_was_nothing(folder: Path):
    result = run("replay", "crm", "--from-time", "2026-01-01")
    assert result.exit_code == 0
    assert result.stdout == "0 transitions: 0 deliveries again, 0 for the first time\n"


def test_replay_of_what_is_no_subscription_is_refused_with_the_nearest(folder: Path):
    assert "did you mean `crm`" in str(run("replay", "crn", "--from-time", "2026-01-01").exception)


def test_check_takes_subscriptions_and_campaigns_alike(folder: Path):
    result = run("check", str(folder))
    assert result.exit_code == 0
    assert "1 campaign, 1 subscription" in result.stdout
