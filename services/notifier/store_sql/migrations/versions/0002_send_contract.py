"""What the send contract keeps of a delivery, and the targets that want no more.

The defaults let a program of the version before go on writing. What it has left open is taken for true for ever
(an empty stage), as that version would have.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen the deliveries, and make the table of disabled targets."""
    widen_deliveries()
    fill_deliveries()
    make_indexes()
    op.create_table(
        "notifier_disabled",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("disabled_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target"),
    )


def widen_deliveries() -> None:
    """Add the columns."""
    add_column("lane", sa.Text(), "''")
    add_column("partition", sa.Integer(), "0")
    add_column("stage", sa.Text(), "''")
    add_column("while_in", sa.Boolean(), "true")
    add_column("followers", sa.Integer(), "0")
    add_column("takes", sa.Integer(), "0")
    add_column("at_ms", sa.BigInteger(), "0")
    add_column("fresh_ms", sa.BigInteger(), "0")
    op.add_column("notifier_deliveries", sa.Column("counted_ms", sa.BigInteger(), nullable=True))


def add_column(name: str, kind: Any, default: str) -> None:
    """Add a column with a value for the rows that are there, and for those that an older program writes."""
    op.add_column("notifier_deliveries", sa.Column(name, kind, nullable=False, server_default=sa.text(default)))


def fill_deliveries() -> None:
    """Give the rows that are there a lane and an age."""
    op.execute(
        "UPDATE notifier_deliveries SET at_ms = decided_ms, fresh_ms = decided_ms, takes = attempts, "
        "lane = CASE WHEN target = '' THEN channel ELSE target END || ' ' || campaign"
    )


def make_indexes() -> None:
    """What is open, by lane and by visit."""
    is_open = sa.text("due_ms IS NOT NULL")
    indexes = {
        "notifier_deliveries_lane": ["channel", "lane", "due_ms", "seq"],
        "notifier_deliveries_visit": ["customer", "lifecycle"],
    }
    for name, columns in indexes.items():
        op.create_index(name, "notifier_deliveries", columns, postgresql_where=is_open, sqlite_where=is_open)
    op.drop_index("notifier_deliveries_due", "notifier_deliveries")
