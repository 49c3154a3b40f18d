"""Keys that are replaced while the service runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from services.ingest.access.control import AccessControl, OverRate
from services.ingest.access.keys import parse_write_keys
from services.ingest.refusal import Rejected
from shared.clock import ManualClock


def test_a_changed_file_of_keys_counts_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("shop:old\nshop:new\n")
    access = AccessControl(parse_write_keys("shop:old"), clock=ManualClock())

    access.look(path)
    assert {access.find(key).source for key in ("old", "new")} == {"shop"}
    path.write_text("shop:newest\n")
    access.look(path)

    assert access.find("newest").source == "shop"
    with pytest.raises(Rejected):
        access.find("old")


async def test_a_key_revoked_since_the_settings_were_read_is_refused_from_the_first_look(tmp_path: Path) -> None:
    path, stop = tmp_path / "keys", asyncio.Event()
    path.write_text("shop:new")
    access = AccessControl(parse_write_keys("shop:old"), clock=ManualClock())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(access.watch(path, stop))
        await asyncio.sleep(0)
        stop.set()

    with pytest.raises(Rejected):
        access.find("old")


_FAULTS = {
    "no key": b"shop: : :",
    "not UTF-8": b"shop:old\nshop:caf\xe9\n",
    "UTF-16": "shop:new".encode("utf-16"),
    "empty": b"",
}


@pytest.mark.parametrize("fault", _FAULTS.values(), ids=_FAULTS)
def test_a_file_with_a_fault_changes_nothing_and_is_logged_once(tmp_path: Path, fault: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(fault)
    access = AccessControl(parse_write_keys("shop:old"), clock=ManualClock())

    with structlog.testing.capture_logs() as logged:
        access.look(path)
        access.look(path)

    assert access.find("old").source == "shop"
    assert [entry["log_level"] for entry in logged] == ["error"]
    assert "caf" not in str(logged)


def test_a_file_that_cannot_be_read_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    access = AccessControl(parse_write_keys("shop:old"), clock=ManualClock())

    access.look(tmp_path / "none")

    assert access.find("old").source == "shop"


def test_what_a_key_has_used_is_kept_when_keys_are_replaced() -> None:
    access = AccessControl(parse_write_keys("shop:secret rate=1"), clock=ManualClock())
    key = access.find("secret")
    access.charge(key, 100)

    access.replace(parse_write_keys("shop:secret rate=1,app:other"))

    with pytest.raises(OverRate) as caught:
        access.charge(key, 1)
    assert caught.value.retry_after_s == 99


def test_a_rate_of_the_setting_is_for_keys_without_their_own() -> None:
    clock = ManualClock()
    access = AccessControl(parse_write_keys("shop:secret"), clock=clock, rate=5)
    key = access.find("secret")

    access.charge(key, 10)
    with pytest.raises(OverRate):
        access.charge(key, 1)
    clock.advance(1000)
    access.charge(key, 5)


def test_an_import_over_its_rate_waits_and_takes_nothing_from_live_events() -> None:
    clock = ManualClock()
    access = AccessControl(parse_write_keys("shop:k rate=10"), clock=clock)
    key = access.find("k")

    pauses = [access.pause_s(key) for _ in range(30)]

    assert (pauses[19], pauses[29]) == (0.0, 1.0)  # two seconds at once, then ten a second
    access.charge(key, 1)
    clock.advance(1_000)
    assert access.pause_s(key) == 0.1


def test_a_key_without_a_rate_never_waits() -> None:
    access = AccessControl(parse_write_keys("shop:k"), clock=ManualClock())

    assert {access.pause_s(access.find("k")) for _ in range(1_000)} == {0.0}


def test_an_import_of_a_revoked_key_ends() -> None:
    access = AccessControl(parse_write_keys("shop:k"), clock=ManualClock())
    key = access.find("k")
    access.replace(parse_write_keys("shop:other"))

    with pytest.raises(Rejected, match="revoked"):
        access.pause_s(key)
