"""The verdict: table, topic and deliveries against the log's own content."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifier.store_sql.tables import deliveries
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_paths
from services.stager.store_sql.tables import transitions as transition_table
from shared.event import decode as decode_event
from shared.log import Log
from shared.topics import Topics
from shared.transition import Transition, encode
from tests.chaos.reference import fold_again, read_all, read_by_the_rule, simulate_again

Campaigns = Sequence[tuple[str, str, str, int]]
CAMPAIGNS: Campaigns = (("goodbye", "moved", "gone", 0), ("win-back", "lingered", "quiet", 1))


async def check_everything(log: Log, engine: AsyncEngine, topics: Topics, *, lifecycles: Path, sent: set[str]) -> int:
    """Assert that all agrees, and return the number of transitions. Everything must have been worked off before."""
    rules = compile_rules(load_paths([lifecycles]).lifecycles)
    stored = await _stored(engine)
    expected: list[Transition] = []
    in_log: set[str] = set()
    for number in range(topics.partitions):
        events = await read_all(log, topics.events, number)
        in_log |= {event.id for record in events if (event := decode_event(record.value)).customer}
        folded = fold_again(rules, events)
        bodies = [encode(transition) for transition in folded]
        assert stored[number] == bodies, f"the table of partition {number} is not what its log says"
        published = await read_all(log, topics.transitions, number)
        assert read_by_the_rule(published) == bodies, f"the topic of partition {number} is not what its log says"
        _check_against_simulate(folded, simulate_again(rules, events, until_ms=time.time_ns() // 1_000_000))
        assert [transition.seq for transition in folded] == list(range(1, len(folded) + 1))
        expected += folded
    assert sent <= in_log, f"{len(sent - in_log)} acknowledged events are not in the log"
    _check_chains(expected)
    await _check_deliveries(engine, expected)
    return len(expected)


async def _stored(engine: AsyncEngine) -> dict[int, list[bytes]]:
    rows = sql.select(transition_table.c.partition, transition_table.c.body).order_by(
        transition_table.c.partition, transition_table.c.seq
    )
    stored: defaultdict[int, list[bytes]] = defaultdict(list)
    async with engine.connect() as connection:
        for partition, body in await connection.execute(rows):
            stored[partition].append(bytes(body))
    return stored


def _check_against_simulate(folded: Sequence[Transition], simulated: Sequence[Transition]) -> None:
    """Perfect ticks interleave customers in another order, so `seq` differs; each chain is the same to the byte."""
    assert _chains(folded) == _chains(simulated)


def _chains(transitions: Sequence[Transition]) -> dict[tuple[str, str], list[dict[str, object]]]:
    chains: defaultdict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for transition in transitions:
        fields = {name: getattr(transition, name) for name in transition.__struct_fields__ if name != "seq"}
        chains[transition.customer, transition.lifecycle].append(fields)
    return chains


def _check_chains(transitions: Sequence[Transition]) -> None:
    last: dict[tuple[str, str], Transition] = {}
    for transition in transitions:
        before = last.get((transition.customer, transition.lifecycle))
        assert transition.n == (1 if before is None else before.n + 1)
        if before is not None:
            assert transition.from_stage == before.to_stage
        last[transition.customer, transition.lifecycle] = transition
    ids = Counter(transition.id for transition in transitions)
    assert max(ids.values(), default=1) == 1


async def _check_deliveries(engine: AsyncEngine, transitions: Sequence[Transition]) -> None:
    """Each transition that a campaign is about was decided exactly once, and came to an end."""
    wanted = Counter(
        (campaign, transition.id)
        for transition in transitions
        for campaign, change, stage, nth in CAMPAIGNS
        if transition.lifecycle == "shop" and transition.change == change
        if transition.to_stage == stage and (nth in (0, transition.nth))
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(sql.select(deliveries))).mappings().all()
    decided = Counter((row["campaign"], str(row["transition"])) for row in rows)
    assert decided == wanted
    assert {row["outcome"] for row in rows} <= {"sent", "left", "too_old", "historical"}
