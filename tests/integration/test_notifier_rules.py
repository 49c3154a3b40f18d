"""A whole notifier that keeps its rules: holds, mornings, caps, fallbacks, dead receivers, and an operator's wishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.notifier.sending.sender import LEASE_MS
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, rfc3339, to_ms
from shared.transition import Transition
from tests.builders_notifier import NOW_MS, a_lingering, a_transition
from tests.integration.notifier_rig import Rig, rig_of
from tests.receiver import Receiver

NOON_MS = to_ms(datetime(2027, 1, 15, 12, tzinfo=UTC))
MOVED = "on: {lifecycle: shop, stage: at_risk, change: moved}\nsend: [{channel: console}]\n"
LINGERED = "on: {lifecycle: shop, stage: at_risk, change: lingered}\nsend: [{channel: console}]\n"


@asynccontextmanager
async def running(folder: Path, campaigns: str) -> AsyncIterator[Rig]:
    async with rig_of(folder, campaigns) as rig, rig.running():
        yield rig


def a_move(seq: int, **given: Any) -> Transition:
    return a_transition(**{"id": f"move-{seq}", "seq": seq, **given})


def leaving(seq: int) -> Transition:
    return a_move(seq, from_stage="at_risk", to_stage="active", entry=2)


async def test_what_is_held_is_forgotten_when_the_customer_moves_on(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: patient\n{MOVED}hold: 10m\n") as rig:
        await rig.publish(a_move(1))
        await rig.settled("held")
        await rig.publish(leaving(2))
        await rig.settled("left")
        rig.clock.advance(HOUR_MS)
        await rig.publish(a_move(3, customer="bob", at=rfc3339(rig.clock.now_ms() - 11 * MINUTE_MS)))
        await rig.settled("left", "sent")
    assert [line["transition"]["customer"] for line in rig.printed()] == ["bob"]


async def test_a_departure_that_is_in_the_tables_but_not_yet_read_is_respected(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: patient\n{MOVED}hold: 10m\n") as rig:
        await rig.publish(a_move(1))
        await rig.settled("held")
        await rig.customers.move(leaving(2))
        rig.clock.advance(10 * MINUTE_MS)
        (row,) = await rig.settled("left")
    assert (rig.lines, row.reason) == ([], "the customer is no longer in `at_risk`")


async def test_at_night_a_message_waits_for_the_morning_of_its_customer(tmp_path: Path) -> None:
    rules = 'quiet_hours: {from: "21:00", to: "08:00", zone: traits.timezone}\n'
    async with running(tmp_path, f"campaign: polite\n{MOVED}{rules}") as rig:
        rig.clock.advance(NOON_MS - NOW_MS)
        await rig.customers.identify("ann", timezone="Asia/Tokyo")
        await rig.publish(a_move(1, at=rfc3339(NOON_MS)))
        (row,) = await rig.settled("held")
        assert row.due_ms == NOON_MS + 11 * HOUR_MS
        rig.clock.advance(11 * HOUR_MS)
        (row,) = await rig.settled("sent")
    assert row.attempts == 1


async def test_a_customer_gets_no_more_than_the_cap_says(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: modest\n{LINGERED}cap: {{messages: 2, within: 7d}}\n") as rig:
        await rig.customers.move(a_move(1))
        await rig.publish(*(a_lingering(id=f"linger-{nth}", seq=nth, nth=nth) for nth in (2, 3, 4, 5)))
        rows = await rig.until(lambda rows: len(rows) == 4 and all(row.due_ms is None for row in rows), "four ends")
    assert sorted(row.outcome for row in rows) == ["capped", "capped", "sent", "sent"]


WITH_FALLBACK = """
campaign: stubborn
on: {lifecycle: shop, stage: at_risk, change: moved}
send:
  - {channel: webhook, url: "URL"}
  - {channel: console, fallback: true}
"""


async def test_a_fallback_goes_when_the_first_step_did_not_get_through(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, WITH_FALLBACK.replace("URL", receiver.url)) as rig:
        receiver.answers.append((410, {}))
        await rig.publish(a_move(1))
        await rig.settled("dead", "sent")
        await rig.publish(a_move(2))
        rows = await rig.settled("dead", "sent", "dead", "sent")
        assert (len(receiver.posts), len(rig.lines)) == (1, 2)
        assert "disabled" in rows[2].reason
        shown = (await rig.ask("GET", "/targets/disabled")).json()
        assert [one["target"] for one in shown] == [receiver.url]
        await rig.ask("POST", "/targets/enable", json={"target": receiver.url})
        await rig.publish(a_move(3))
        await rig.settled("dead", "sent", "dead", "sent", "sent", "skipped")


TWO_RECEIVERS = """
campaign: hanging
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: webhook, url: "HANGING"}]
---
campaign: healthy
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: webhook, url: "HEALTHY"}]
"""


async def test_a_receiver_that_hangs_delays_nobody_else(tmp_path: Path) -> None:
    async with Receiver() as hanging, Receiver() as healthy:
        hanging.gate.clear()
        campaigns = TWO_RECEIVERS.replace("HANGING", hanging.url).replace("HEALTHY", healthy.url)
        async with running(tmp_path, campaigns) as rig:
            moves = [a_move(seq, customer=f"customer-{seq}") for seq in range(1, 301)]
            await rig.publish(*moves)
            await healthy.posted(300)
            assert len(hanging.posts) <= 4
            hanging.gate.set()


async def test_a_paused_campaign_records_and_does_not_send(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: later\n{MOVED}paused: true\n") as rig:
        await rig.publish(a_move(1))
        (row,) = await rig.settled("off")
    assert (rig.lines, row.reason) == ([], "the campaign is paused")


async def test_an_edited_campaign_sends_nothing_again(tmp_path: Path) -> None:
    """Not even when everything is read from the beginning, as after the loss of a position."""
    async with rig_of(tmp_path, f"campaign: told\n{MOVED}") as rig:
        async with rig.running():
            await rig.publish(a_move(1))
            await rig.settled("sent")
        edited = f"campaign: told\n{MOVED}priority: 9\ndescription: Better\ntoo_old: 100d\n"
        (tmp_path / "campaigns" / "c.yaml").write_text(edited)
        await rig.publish(a_move(1), a_move(2))
        async with rig.running():
            await rig.settled("sent", "sent")
    assert [line["transition"]["seq"] for line in rig.printed()] == [1, 2]


async def dead_letter(rig: Rig, receiver: Receiver) -> str:
    receiver.answers.append((410, {}))
    await rig.publish(a_move(1))
    (row,) = await rig.settled("dead")
    await rig.ask("POST", "/targets/enable", json={"target": receiver.url})
    return str(row.id)


HOOKED = WITH_FALLBACK.replace("  - {channel: console, fallback: true}\n", "")


async def test_a_dead_letter_is_sent_again_under_its_own_id(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, HOOKED.replace("URL", receiver.url)) as rig:
        id_of_dead = await dead_letter(rig, receiver)
        rig.clock.advance(30 * DAY_MS)  # the age counts from the order on
        answer = await rig.ask("POST", f"/deliveries/{id_of_dead}/redrive")
        assert (answer.status_code, answer.json()) == (200, {"deliveries": 1})
        await rig.settled("sent")
    assert [post.id for post in receiver.posts] == [id_of_dead] * 2


async def test_all_dead_letters_of_a_campaign_are_sent_again(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, HOOKED.replace("URL", receiver.url)) as rig:
        await dead_letter(rig, receiver)
        rig.clock.advance(1)
        answers = [
            (await rig.ask("POST", "/deliveries/redrive", json={"campaign": name})).json()["deliveries"]
            for name in ("another", "stubborn")
        ]
        await rig.settled("sent")
    assert answers == [0, 1]


async def test_whoever_has_left_meanwhile_is_not_written_to_by_a_redrive(tmp_path: Path) -> None:
    async with Receiver() as receiver, running(tmp_path, HOOKED.replace("URL", receiver.url)) as rig:
        id_of_dead = await dead_letter(rig, receiver)
        await rig.publish(leaving(2))
        await rig.ask("POST", f"/deliveries/{id_of_dead}/redrive")
        await rig.settled("left")
    assert len(receiver.posts) == 1


async def test_an_operator_cancels_what_is_held_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: patient\n{MOVED}hold: 10m\n") as rig:
        await rig.publish(a_move(1))
        (row,) = await rig.settled("held")
        statuses = [(await rig.ask("POST", f"/deliveries/{row.id}/cancel")).status_code for _ in range(2)]
        shown = (await rig.get(f"/deliveries/{row.id}")).json()
        unknown = (await rig.ask("POST", f"/deliveries/{uuid4()}/cancel")).status_code
        rig.clock.advance(HOUR_MS + LEASE_MS)
        await asyncio.sleep(0)
    assert (statuses, unknown, shown["outcome"], rig.lines) == ([200, 409], 404, "cancelled", [])


async def test_a_campaign_is_tried_out_for_one_customer_without_a_trace(tmp_path: Path) -> None:
    async with running(tmp_path, f"campaign: later\n{LINGERED}paused: true\nhold: 10d\n") as rig:
        answer = await rig.ask("POST", "/campaigns/later/test", json={"customer": "ann"})
        assert await rig.rows() == []
        assert (await rig.ask("POST", "/campaigns/none/test", json={"customer": "ann"})).status_code == 404
    (line,) = rig.printed()
    assert [(one["step"], one["channel"], one["outcome"]) for one in answer.json()] == [(1, "console", "sent")]
    assert (line["transition"]["customer"], line["transition"]["change"]) == ("ann", "lingered")
