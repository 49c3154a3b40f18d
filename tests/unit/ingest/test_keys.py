"""Write keys: named, rotated, refused with the setting's name and never shown."""

from __future__ import annotations

import base64
import hashlib

import pytest

from services.ingest.access.keys import WriteKeys, basic_user, bearer_token, parse_write_keys
from services.ingest.settings import IngestSettings
from shared.errors import Refused
from shared.settings import read_settings

DIGEST = hashlib.sha256(b"secret").hexdigest()


def source_of(keys: WriteKeys, key: str) -> str | None:
    found = keys.find(key)
    return found.source if found else None


def test_a_key_is_known_by_its_name() -> None:
    keys = parse_write_keys("shop:secret-1, app:secret-2,")

    assert [source_of(keys, key) for key in ("secret-1", "secret-2", "secret", "shop", "")] == [
        "shop", "app", None, None, None,
    ]  # fmt: skip


def test_a_secret_file_may_have_a_key_a_line() -> None:
    keys = parse_write_keys("shop:secret-1\napp:secret-2\n")

    assert [source_of(keys, "secret-1"), source_of(keys, "secret-2")] == ["shop", "app"]


def test_one_name_may_have_two_keys() -> None:
    keys = parse_write_keys("shop:old,shop:new")

    assert source_of(keys, "old") == source_of(keys, "new") == "shop"


def test_a_bare_key_is_named_after_its_digest_and_not_itself() -> None:
    name = source_of(parse_write_keys("secret"), "secret")

    assert name is not None
    assert name.startswith("key-")
    assert "secret" not in name


@pytest.mark.parametrize("digest", [DIGEST, DIGEST.upper()])
def test_a_hash_may_stand_for_a_key(digest: str) -> None:
    keys = parse_write_keys(f"shop:sha256={digest}")

    assert source_of(keys, "secret") == "shop"
    assert source_of(keys, f"sha256={digest}") is None


def test_a_key_may_have_a_rate_of_its_own() -> None:
    keys = parse_write_keys("# who may send\nshop:secret rate=500\napp:other")

    assert [key.rate for key in (keys.find("secret"), keys.find("other")) if key] == [500, None]


@pytest.mark.parametrize(("header", "token"), [("Bearer abc", "abc"), ("Basic abc", None), (None, None)])
def test_a_bearer_token_is_read(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    "text",
    [
        "shop:",
        ":secret-x",
        "a b:secret-x",
        "shop:secret-x:y",
        "shop:secret x",
        "secret-x,app:secret-x",
        "sécret-x",
        f"shop:sha256={DIGEST[:-1]}",
        f"shop:sha256={DIGEST}0",
        f"shop:SHA256={DIGEST}",
        f"sha256={'g' * 64}",
        "a:x rate=0",
        "a:x rate=fast",
    ],
)
def test_a_wrong_setting_is_refused_by_name_without_showing_a_key(text: str) -> None:
    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS: entry") as caught:
        parse_write_keys(text)

    assert "cret" not in str(caught.value)
    assert DIGEST[:8] not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Basic " + base64.b64encode(b"key:").decode(), "key"),
        ("basic " + base64.b64encode(b"key").decode(), "key"),
        ("Bearer token", None),
        ("Basic !!!", None),
        ("Basic \xe9\xe9", None),
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

    assert source_of(settings.write_keys, "secret") == "shop"
    assert "secret" not in repr(settings)


def test_a_wrong_environment_is_refused_without_showing_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGELINE_WRITE_KEYS", "shop:my secret")

    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS") as caught:
        read_settings(IngestSettings)

    assert "my secret" not in str(caught.value)


def test_no_keys_at_all_are_refused_when_it_is_time_to_serve() -> None:
    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS is not set: expected name:key"):
        IngestSettings().require_keys()
