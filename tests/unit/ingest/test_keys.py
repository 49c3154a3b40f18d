"""Write keys: named, rotated, refused with the setting's name and never shown."""

from __future__ import annotations

import base64

import pytest

from services.ingest.keys import basic_user, parse_write_keys
from services.ingest.settings import IngestSettings
from shared.errors import Refused
from shared.settings import read_settings


def test_a_key_is_known_by_its_name() -> None:
    keys = parse_write_keys("shop:secret-1, app:secret-2,")

    assert [keys.source_of(key) for key in ("secret-1", "secret-2", "secret", "shop", "")] == [
        "shop", "app", None, None, None,
    ]  # fmt: skip


def test_a_secret_file_may_have_a_key_a_line() -> None:
    keys = parse_write_keys("shop:secret-1\napp:secret-2\n")

    assert [keys.source_of("secret-1"), keys.source_of("secret-2")] == ["shop", "app"]


def test_one_name_may_have_two_keys() -> None:
    keys = parse_write_keys("shop:old,shop:new")

    assert keys.source_of("old") == keys.source_of("new") == "shop"


def test_a_bare_key_is_named_after_its_digest_and_not_itself() -> None:
    name = parse_write_keys("secret").source_of("secret")

    assert name is not None
    assert name.startswith("key-")
    assert "secret" not in name


@pytest.mark.parametrize(
    "text",
    ["shop:", ":secret-x", "a b:secret-x", "shop:secret-x:y", "shop:secret x", "secret-x,app:secret-x", "sécret-x"],
)
def test_a_wrong_setting_is_refused_by_name_without_showing_a_key(text: str) -> None:
    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS: entry") as caught:
        parse_write_keys(text)

    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Basic " + base64.b64encode(b"key:").decode(), "key"),
        ("basic " + base64.b64encode(b"key").decode(), "key"),
        ("Bearer token", None),
        ("Basic !!!", None),
        ("Basic " + base64.b64encode(b"\xff:").decode(), None),
        ("", None),
        (None, None),
    ],
)
def test_the_user_of_a_basic_header_is_the_key(header: str | None, user: str | None) -> None:
    assert basic_user(header) == user


def test_the_environment_names_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELINE_WRITE_KEYS", "shop:secret,key2")

    settings = read_settings(IngestSettings)

    assert settings.write_keys.source_of("secret") == "shop"
    assert "secret" not in repr(settings)


def test_a_wrong_environment_is_refused_without_showing_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELINE_WRITE_KEYS", "shop:my secret")

    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS") as caught:
        read_settings(IngestSettings)

    assert "my secret" not in str(caught.value)


def test_no_keys_at_all_are_refused_when_it_is_time_to_serve() -> None:
    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS is not set: expected name:key"):
        IngestSettings().require_keys()
