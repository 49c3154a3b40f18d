"""The notifier's tables, as SQLAlchemy writes them for either database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

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
)

# Only what is still to be sent stands in this index: it stays small however long the history grows.
_open = deliveries.c.due_ms.is_not(None)
Index("notifier_deliveries_due", deliveries.c.due_ms, deliveries.c.seq, postgresql_where=_open, sqlite_where=_open)
Index("notifier_deliveries_newest", deliveries.c.decided_ms)
Index("notifier_deliveries_of_customer", deliveries.c.customer, deliveries.c.decided_ms)
Index("notifier_deliveries_of_campaign", deliveries.c.campaign, deliveries.c.outcome, deliveries.c.decided_ms)
