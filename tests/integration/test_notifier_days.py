"""A week in the life of the send contract, on a clock of our own: through crashes, repeats, moves and nights."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.notifier.campaign.campaign import Campaign, Cap, Change, QuietHours
from services.notifier.channel.channel import Answer, Failed, Rejected, Sent
from services.notifier.delivery.deliveries import DeliveryRow
from services.notifier.delivery.delivery import ChannelName, Delivery, Outcome
from services.notifier.plan.decisions import decide_partition
from services.notifier.sending.gate import Cleared, Gate
from services.notifier.sending.sender import LEASE_MS, result_of
from services.notifier.store_sql.customers import SqlCustomers
from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from services.stager.store_sql.tables import MIGRATIONS as STAGER_MIGRATIONS
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, ManualClock, from_ms, rfc3339
from shared.database import make_engine
from shared.migrate import migrate
from shared.transition import Transition
from tests.builders_notifier import NOW_MS, a_campaign, a_lingering, a_transition, records
from tests.integration.staged_customers import StagedCustomers

DAYS = 6
STEP_MS = 40 * MINUTE_MS
CUSTOMERS = [f"customer-{number}" for number in range(40)]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia"]
NIGHT = QuietHours(21 * 60, 8 * 60, trait=("timezone",))
WEEKLY = Cap(2, 7 * DAY_MS)
HOLD_MS = 2 * HOUR_MS
CAMPAIGNS = [
    a_campaign("patient", hold_ms=HOLD_MS, quiet_hours=NIGHT),
    a_campaign("modest", change=Change.LINGERED, quiet_hours=NIGHT, cap=WEEKLY),
    a_campaign("farewell", change=Change.LEFT, hold_ms=HOLD_MS),
]


@dataclass(frozen=True)
class Arrival:
    """What the receiver saw. `was_true`: what the customer's place was then, as the stager knew it."""

    delivery: Delivery
    at_ms: int
    was_true: bool


@dataclass
class World:
    """The customers as they are, and what has happened to the transitions so far."""

    pick: random.Random
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)
    lingers: Counter[str] = field(default_factory=Counter)
    transitions: list[Transition] = field(default_factory=list)

    def change(self, now_ms: int) -> list[Transition]:
        """Some customers move, some linger."""
        before = len(self.transitions)
        for customer in CUSTOMERS:
            if self.pick.random() < 0.04:
                self.transitions.append(self._one(customer, now_ms))
        return self.transitions[before:]

    def _one(self, customer: str, now_ms: int) -> Transition:
        stage, entry = self.places.get(customer, ("active", 1))
        seq, at = len(self.transitions) + 1, rfc3339(now_ms)
        usual = {"id": f"{customer}/{now_ms}", "customer": customer, "at": at, "seq": seq, "n": seq}
        if stage == "at_risk" and self.pick.random() < 0.6:
            self.lingers[customer] += 1
            return a_lingering(**usual, entry=entry, nth=self.lingers[customer])
        target = "active" if stage == "at_risk" else "at_risk"
        self.entries[customer, target] += 1
        self.places[customer] = (target, self.entries[customer, target])
        return a_transition(**usual, from_stage=stage, to_stage=target, entry=self.entries[customer, target])

    def is_true(self, delivery: Delivery) -> bool:
        """Whether the message still is."""
        stage, entry = self.places[delivery.transition.customer]
        if not delivery.while_in:
            return stage != delivery.stage
        return (stage, entry) == (delivery.stage, delivery.transition.entry)


class Week:
    """The notifier's parts in hand: what goes wrong between them is decided by a seed."""

    def __init__(self, address: str, seed: int) -> None:
        self.pick = random.Random(seed)
        self.clock = ManualClock(NOW_MS)
        self.world = World(self.pick)
        engine = make_engine(address)
        self.deliveries = SqlDeliveries(engine)
        self.customers = SqlCustomers(engine)
        self.staged = StagedCustomers(address)
        self.gate = Gate(self.deliveries, self.customers, {one.name: one for one in CAMPAIGNS}, clock=self.clock)
        self.arrivals: list[Arrival] = []
        self.lost: set[str] = set()  # ids of which a result was lost, or which may have arrived unheard

    async def close(self) -> None:
        for part in (self.deliveries, self.staged):
            await part.close()

    async def decide(self, new: Sequence[Transition]) -> None:
        """Read with repeats, now and then by a new owner."""
        again = self.world.transitions[-len(new) - 5 :]
        claim = (await self.deliveries.claim([0]))[0]
        decided = decide_partition(
            0, claim, records(*again, first_offset=claim.position.offset), CAMPAIGNS, now_ms=self.clock.now_ms()
        )
        await self.deliveries.decide([decided.batch])

    async def send(self) -> bool:
        """Two senders at once; either may die at any point. Whether there was anything to do."""
        passages = [await self._take() for _ in range(2)]
        for cleared in passages:
            results = []
            for one in cleared:
                answer = self._receive(one)
                if self.pick.random() < 0.05:  # killed before it is recorded
                    self.lost.add(str(one.delivery.id))
                    continue
                results.append(result_of(one.delivery, answer, now_ms=self.clock.now_ms(), chance=self.pick.random()))
            if results:
                await self.deliveries.record(results)
        return any(passages)

    async def _take(self) -> list[Cleared]:
        def share(lanes: Sequence[str]) -> Mapping[str, int]:
            return dict.fromkeys(lanes, 15)

        now_ms = self.clock.now_ms()
        taken = await self.deliveries.take(ChannelName("console"), share, now_ms=now_ms, lease_ms=LEASE_MS)
        if not taken or self.pick.random() < 0.03:  # killed after taking
            return []
        passage = await self.gate.admit(taken)
        if passage.results:
            await self.deliveries.record(passage.results)
        return list(passage.cleared)

    def _receive(self, one: Cleared) -> Answer:
        chance = self.pick.random()
        if chance < 0.15:
            return Failed("status 500")
        if chance < 0.17:
            return Rejected("never")
        now_ms = self.clock.now_ms()
        self.arrivals.append(Arrival(one.delivery, now_ms, self.world.is_true(one.delivery)))
        if chance < 0.2:
            self.lost.add(str(one.delivery.id))
            return Failed("no answer", may_have_arrived=True)
        return Sent()

    async def rows(self) -> list[DeliveryRow]:
        return await self.deliveries.newest(customer=None, campaign=None, outcome=None, limit=1_000)


@pytest.fixture(params=[1, 2])
async def lived(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Week, list[DeliveryRow]]:
    """A week that is over, and what the tables say of it."""
    address = f"sqlite+aiosqlite:///{tmp_path}/week.db"
    engine = make_engine(address)
    await migrate(engine, STAGER_MIGRATIONS)
    await migrate(engine, MIGRATIONS)
    await engine.dispose()
    week = Week(address, request.param)
    for number, customer in enumerate(CUSTOMERS):
        await week.staged.identify(customer, timezone=ZONES[number % len(ZONES)])
    for step in range(2 * DAYS * DAY_MS // STEP_MS):
        if step < DAYS * DAY_MS // STEP_MS:
            new = week.world.change(week.clock.now_ms())
            await week.staged.move(*(one for one in new if one.change == "moved"))
            if new:
                await week.decide(new)
        while await week.send():
            pass
        week.clock.advance(STEP_MS)
    rows = await week.rows()
    await week.close()
    return week, rows


async def test_a_week_of_trouble_keeps_every_promise(lived: tuple[Week, list[DeliveryRow]]) -> None:
    week, rows = lived
    check_rows(week, rows)
    check_ids(week, rows)
    check_moments(week)
    check_caps(week)


def check_rows(week: Week, rows: Sequence[DeliveryRow]) -> None:
    """Each (campaign, transition) once, and all at an end."""
    wanted = Counter(
        (campaign.name, one.id) for one in week.world.transitions for campaign in CAMPAIGNS if _answers(campaign, one)
    )
    assert Counter((row.campaign, row.transition) for row in rows) == wanted
    assert {row.due_ms for row in rows} == {None}
    outcomes = Counter(row.outcome for row in rows)
    assert {Outcome.SENT, Outcome.LEFT, Outcome.CAPPED, Outcome.DEAD} <= outcomes.keys(), outcomes
    assert outcomes[Outcome.SENT] > 100, outcomes


def check_ids(week: Week, rows: Sequence[DeliveryRow]) -> None:
    """What is sent was received under its one id; more than once only where a result was lost."""
    received = Counter(str(one.delivery.id) for one in week.arrivals)
    assert {str(row.id) for row in rows if row.outcome == Outcome.SENT} <= received.keys()
    assert received.keys() - {str(row.id) for row in rows if row.outcome == Outcome.SENT} <= week.lost
    assert {id_of for id_of, times in received.items() if times > 1} <= week.lost
    one_id = {(arrival.delivery.campaign, arrival.delivery.transition.id) for arrival in week.arrivals}
    assert len(one_id) == len(received)


def check_moments(week: Week) -> None:
    """Nothing at night, nothing before its hold, nothing that was no longer true."""
    assert all(arrival.was_true for arrival in week.arrivals)
    for arrival in week.arrivals:
        campaign = next(one for one in CAMPAIGNS if one.name == arrival.delivery.campaign)
        assert arrival.at_ms >= arrival.delivery.at_ms + campaign.hold_ms
        if campaign.quiet_hours is not None:
            zone = ZONES[CUSTOMERS.index(arrival.delivery.transition.customer) % len(ZONES)]
            assert 8 <= from_ms(arrival.at_ms).astimezone(ZoneInfo(zone)).hour < 21


def check_caps(week: Week) -> None:
    """Never more in a week than the cap says, by the time at which each came first."""
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for arrival in week.arrivals:
        if arrival.delivery.campaign == "modest":
            first[arrival.delivery.transition.customer].setdefault(str(arrival.delivery.id), arrival.at_ms)
    assert first
    for customer, times in first.items():
        for begin in times.values():
            inside = [at for at in times.values() if begin <= at < begin + WEEKLY.within_ms]
            assert len(inside) <= WEEKLY.messages, f"{customer}: {sorted(times.values())}"


def _answers(campaign: Campaign, one: Transition) -> bool:
    wanted = {"patient": ("moved", "at_risk"), "modest": ("lingered", "at_risk")}.get(campaign.name)
    if wanted is None:
        return (one.change, one.from_stage) == ("moved", "at_risk")
    return (one.change, one.to_stage) == wanted
