"""A wrong setting is named, with what stood there and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.stager.settings import StagerSettings
from shared.errors import Refused
from shared.settings import Settings, read_settings


def _refusal(monkeypatch: pytest.MonkeyPatch, kind: type[Settings], **environment: str) -> str:
    for name, text in environment.items():
        monkeypatch.setenv(f"STAGELINE_{name}", text)
    with pytest.raises(Refused) as refused:
        read_settings(kind)
    return str(refused.value)


def test_a_setting_that_is_missing_is_named_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    message = _refusal(monkeypatch, StagerSettings)
    assert message.startswith("STAGELINE_LIFECYCLES is not set: Lifecycle files or folders")


@pytest.mark.parametrize(
    "address",
    [
        "kafka://",
        "embedded:",
        "embedded::memory:",
        "kafka://a:9092/",
        "kafka://a:abc",
        "kafka://a,,b",
        "redis://here",
        "",
    ],
)
def test_a_log_address_that_names_no_log_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    message = _refusal(monkeypatch, Settings, LOG=address)
    assert message.startswith("STAGELINE_LOG: expected kafka://host:9092")
    assert repr(address) in message


def test_every_wrong_setting_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    message = _refusal(monkeypatch, Settings, PARTITIONS="many", DATABASE="mysql://x")
    assert [line.partition(":")[0] for line in message.splitlines()] == ["STAGELINE_DATABASE", "STAGELINE_PARTITIONS"]


def test_an_address_that_may_hold_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    message = _refusal(monkeypatch, Settings, DATABASE="postgres://stageline:hunter2@db/stageline")
    assert message.startswith("STAGELINE_DATABASE: expected postgresql+asyncpg://")
    assert "hunter2" not in message
    monkeypatch.setenv("STAGELINE_DATABASE", "postgresql+asyncpg://stageline:hunter2@db/stageline")
    assert "hunter2" not in repr(read_settings(Settings))


@pytest.mark.parametrize(
    "address",
    [
        "sqlite+aiosqlite:///", "sqlite+aiosqlite:///:memory:", "postgresql+asyncpg://host", "postgresql+asyncpg://u@h:x/n",
        "postgresql+asyncpg://u@h/n?sslmode=require",
    ],
)  # fmt: skip
def test_a_database_address_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    message = _refusal(monkeypatch, Settings, DATABASE=address)
    assert message.startswith("STAGELINE_DATABASE: ")
    assert "expected" in message


@pytest.mark.parametrize("address", ["kafka://a:9092,b:9092", "kafka://[::1]:9092", "kafka:a", "embedded:/var/log.db"])
def test_a_log_address_that_names_a_log_is_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("STAGELINE_LOG", address)
    assert read_settings(Settings).log == address


@pytest.mark.parametrize("token", ["sec\n", "  sec"])
def test_a_token_is_taken_without_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("STAGELINE_ADMIN_TOKEN", token)
    assert read_settings(Settings).admin_token == "sec"


@pytest.mark.parametrize("token", ["\n", "two words", "t\u00f6ken"])
def test_a_token_that_no_header_carries_is_refused(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    message = _refusal(monkeypatch, Settings, ADMIN_TOKEN=token)
    assert message.startswith("STAGELINE_ADMIN_TOKEN: expected")
    assert "words" not in message


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("STAGELINE_ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    assert read_settings(Settings).admin_token == "s3cret"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "STAGELINE_ADMIN_TOKEN_FILE: cannot read" in _refusal(
        monkeypatch, Settings, ADMIN_TOKEN_FILE="/no/such/file"
    )


def test_a_secret_file_that_is_not_text_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"s3cret-caf\xe9\n")
    message = _refusal(monkeypatch, Settings, ADMIN_TOKEN_FILE=str(tmp_path / "token"))
    assert message.startswith("STAGELINE_ADMIN_TOKEN_FILE: ")
    assert message.endswith("is not UTF-8 text: byte 10 is wrong")


def test_paths_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELINE_LIFECYCLES", "a.yaml, folder")
    assert read_settings(StagerSettings).lifecycles == (Path("a.yaml"), Path("folder"))
