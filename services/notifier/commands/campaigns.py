"""The notifier's commands: `stageline preview` and `stageline replay`, each one run against the database and done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifier.campaign.campaign import Campaign
from services.notifier.operate.preview import carried_traits, newest_answered, preview
from services.notifier.operate.replay import Beginning, Replayed, replay
from services.notifier.plan.subscription import Subscription
from services.notifier.settings import NotifierSettings
from services.notifier.store_sql.deliveries import SqlDeliveries
from services.notifier.store_sql.transitions import SqlTransitions
from shared.clock import SystemClock, to_ms
from shared.database import dispose, make_engine
from shared.document.nodes import nearest
from shared.errors import Malformed, Refused
from shared.partition import partition_for
from shared.transition import Transition, decode

FILE_BYTES_MAX = 10_000_000  # a few ten thousand transitions; more is a mistake


async def preview_campaign(
    settings: NotifierSettings, campaign: Campaign, *, customer: str | None, transitions: Path | None
) -> tuple[str, bool]:
    """What the campaign would say, and whether all of it could be sent; from the database, from a file, or both.

    Errors: Refused when there is no such customer or no transition that the campaign answers; Unavailable.
    """
    engine = make_engine(settings.database)
    try:
        tables = await _opened(engine)
        place = partition_for((customer or "").encode(), settings.partitions)
        traits = None if customer is None else await tables.traits(customer, partition=place)
        if transitions is not None:
            found: Sequence[Transition] = read_transitions(transitions, customer=customer)
        elif customer is not None:
            lifecycle = campaign.trigger.lifecycle
            found = await tables.newest_of(customer, partition=place, lifecycle=lifecycle)
        else:
            raise Refused("preview needs --customer, --transition, or both")
    finally:
        await dispose(engine)
    moved = newest_answered(campaign, found)
    if moved is None:
        raise Refused(f"none of the {len(found)} transitions there is one that `{campaign.name}` answers")
    known = carried_traits(moved) if traits is None else traits
    return preview(campaign, moved, traits=known, links=settings.unsubscribe_links)


def read_transitions(path: Path, *, customer: str | None) -> list[Transition]:
    """The transitions of a file (one JSON object a line, as `simulate` prints them; or one alone), the last first.

    Errors: Refused when it cannot be read, or a line is no transition.
    """
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error
    try:
        found = [decode(line) for line in text.splitlines() if line.strip()]
    except Malformed:
        try:
            found = [decode(text)]  # one object over several lines
        except Malformed as error:
            raise Refused(f"{path}: {error}") from error
    return [one for one in reversed(found) if customer in (None, one.customer)]


async def replay_subscription(settings: NotifierSettings, subscription: Subscription, *, begin: Beginning) -> Replayed:
    """Make the subscription's deliveries due again. Errors: Unavailable; Refused."""
    engine = make_engine(settings.database)
    deliveries = SqlDeliveries(engine)
    try:
        await deliveries.open()
        now_ms = SystemClock().now_ms()
        return await replay(subscription, await _opened(engine), deliveries, begin=begin, now_ms=now_ms)
    finally:
        await dispose(engine)


async def _opened(engine: AsyncEngine) -> SqlTransitions:
    tables = SqlTransitions(engine)
    await tables.open()
    return tables


def beginning(*, from_time: str | None, from_seq: str | None) -> Beginning:
    """Where a replay begins. Errors: Refused unless exactly one is given, and is a time, or PARTITION:SEQ."""
    if (from_time is None) == (from_seq is None):
        raise Refused("replay needs either --from-time or --from-seq")
    if from_time is not None:
        try:
            moment = datetime.fromisoformat(from_time)
        except ValueError as error:
            raise Refused(f"--from-time: expected a time like 2026-01-31T10:20:30Z; got {from_time!r}") from error
        return Beginning(at_ms=to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    partition, _, seq = (from_seq or "").partition(":")
    if not (partition.isdecimal() and seq.isdecimal() and int(seq) > 0):
        raise Refused(f"--from-seq: expected PARTITION:SEQ, such as 3:1200; got {from_seq!r}")
    return Beginning(partition=int(partition), seq=int(seq))


def named(name: str, known: Sequence[Campaign] | Sequence[Subscription]) -> int:
    """The place of the campaign or subscription of this name. Errors: Refused, with the nearest name."""
    names = [one.name for one in known]
    if name in names:
        return names.index(name)
    near = nearest(name, names)
    hint = f" (did you mean `{near}`?)" if near else f"; there are: {', '.join(names) or 'none'}"
    raise Refused(f"there is no `{name}` in these files{hint}")
