"""The notifier's tables, as SQLAlchemy writes them for either database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

metadata = MetaData()

positions = Table(
    "notifier_positions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

deliveries = Table(
    "notifier_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("lifecycle", Text, nullable=False),
    Column("transition", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the transition, as it stood on the topic
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),  # the next attempt, or the end of the running one's lease; null: final
    Column("finished_ms", BigInteger),
    Column("lane", Text, nullable=False),  # endpoint, a blank, campaign: what gets a fair share of the sending
    Column("partition", Integer, nullable=False),  # the customer's, as the stager numbers them
    Column("stage", Text, nullable=False),  # the message is true while the customer is in it ...
    Column("while_in", Boolean, nullable=False),  # ... or (false) outside it
    Column("followers", Integer, nullable=False),  # so many fallback steps wait for this one
    Column("takes", Integer, nullable=False),  # how often it was taken: the fence of what is recorded
    Column("at_ms", BigInteger, nullable=False),  # when the transition happened
    Column("fresh_ms", BigInteger, nullable=False),  # from when on its age counts
    Column("counted_ms", BigInteger),  # when it took its place under the caps; null: it has none
)

# Targets that have said they want no more (HTTP 410), until an operator enables them again.
disabled = Table(
    "notifier_disabled",
    metadata,
    Column("target", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("disabled_ms", BigInteger, nullable=False),
)

# Only what is still to be sent stands in the first two: they stay small, however long the history grows.
_open = deliveries.c.due_ms.is_not(None)
Index(
    "notifier_deliveries_lane",
    deliveries.c.channel,
    deliveries.c.lane,
    deliveries.c.due_ms,
    deliveries.c.seq,
    postgresql_where=_open,
    sqlite_where=_open,
)
Index(
    "notifier_deliveries_visit",
    deliveries.c.customer,
    deliveries.c.lifecycle,
    postgresql_where=_open,
    sqlite_where=_open,
)
Index("notifier_deliveries_newest", deliveries.c.decided_ms)
Index("notifier_deliveries_of_customer", deliveries.c.customer, deliveries.c.decided_ms)
Index("notifier_deliveries_of_campaign", deliveries.c.campaign, deliveries.c.outcome, deliveries.c.decided_ms)
