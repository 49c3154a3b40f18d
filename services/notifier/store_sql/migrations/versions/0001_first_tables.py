"""The first tables: positions and deliveries."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text, Uuid, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what the notifier keeps."""
    make_positions()
    make_deliveries()


def make_positions() -> None:
    """How far each partition has been decided."""
    op.create_table(
        "notifier_positions",
        Column("partition", Integer(), nullable=False),
        Column("epoch", BigInteger(), nullable=False),
        Column("next_offset", BigInteger(), nullable=False),
        Column("seq", BigInteger(), nullable=False),
        PrimaryKeyConstraint("partition"),
    )


def make_deliveries() -> None:
    """Every delivery and its outcome."""
    op.create_table(
        "notifier_deliveries",
        Column("id", Uuid(), nullable=False),
        Column("campaign", Text(), nullable=False),
        Column("step", Integer(), nullable=False),
        Column("channel", Text(), nullable=False),
        Column("target", Text(), nullable=False),
        Column("customer", Text(), nullable=False),
        Column("lifecycle", Text(), nullable=False),
        Column("transition", Text(), nullable=False),
        Column("seq", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        Column("outcome", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("attempts", Integer(), nullable=False),
        Column("decided_ms", BigInteger(), nullable=False),
        Column("due_ms", BigInteger(), nullable=True),
        Column("finished_ms", BigInteger(), nullable=True),
        PrimaryKeyConstraint("id"),
    )
    is_open = text("due_ms IS NOT NULL")
    op.create_index(
        "notifier_deliveries_due",
        "notifier_deliveries",
        ["due_ms", "seq"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    op.create_index("notifier_deliveries_newest", "notifier_deliveries", ["decided_ms"])
    op.create_index("notifier_deliveries_of_customer", "notifier_deliveries", ["customer", "decided_ms"])
    op.create_index("notifier_deliveries_of_campaign", "notifier_deliveries", ["campaign", "outcome", "decided_ms"])
