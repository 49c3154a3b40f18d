"""The first tables: positions, profiles, transitions, read models and quarantine."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text, text

revision = "0001"
down_revision = None

ordered_text = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make what the stager keeps."""
    make_core()
    make_read_models()


def make_core() -> None:
    """What the fold stands on."""
    op.create_table(
        "positions",
        Column("partition", Integer(), autoincrement=False, nullable=False),
        Column("epoch", BigInteger(), nullable=False),
        Column("next_offset", BigInteger(), nullable=False),
        Column("clock_ms", BigInteger(), nullable=False),
        Column("seq", BigInteger(), nullable=False),
        Column("import_ms", BigInteger(), nullable=True),
        Column("published_seq", BigInteger(), nullable=False),
        PrimaryKeyConstraint("partition"),
        postgresql_with={"fillfactor": 20},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "profiles",
        Column("due_ms", BigInteger(), nullable=True),
        Column("partition", Integer(), nullable=False),
        Column("historical", Boolean(), nullable=False),
        Column("customer", ordered_text, nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("partition", "customer"),
        postgresql_with={"fillfactor": 85},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "profiles_due",
        "profiles",
        ["partition", "historical", "due_ms", "customer"],
        unique=False,
        postgresql_where=text("due_ms IS NOT NULL"),
        sqlite_where=text("due_ms IS NOT NULL"),
    )
    op.create_table(
        "quarantine",
        Column("partition", Integer(), nullable=False),
        Column("record_offset", BigInteger(), nullable=False),
        Column("recorded_ms", BigInteger(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("value", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("partition", "record_offset"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "transitions",
        Column("seq", BigInteger(), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        Column("recorded_ms", BigInteger(), nullable=False),
        Column("partition", Integer(), nullable=False),
        Column("customer", ordered_text, nullable=False),
        Column("lifecycle", ordered_text, nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("partition", "seq"),
        sqlite_with_rowid=False,
    )


def make_read_models() -> None:
    """What questions are answered from."""
    op.create_table(
        "customers",
        Column("partition", Integer(), nullable=False),
        Column("customer", ordered_text, nullable=False),
        Column("traits", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("partition", "customer"),
        postgresql_with={"fillfactor": 85},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stage_counts",
        Column("partition", Integer(), nullable=False),
        Column("lifecycle", ordered_text, nullable=False),
        Column("stage", ordered_text, nullable=False),
        Column("customers", BigInteger(), nullable=False),
        PrimaryKeyConstraint("partition", "lifecycle", "stage"),
        postgresql_with={"fillfactor": 20},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stage_moves",
        Column("partition", Integer(), nullable=False),
        Column("lifecycle", ordered_text, nullable=False),
        Column("from_stage", ordered_text, nullable=False),
        Column("to_stage", ordered_text, nullable=False),
        Column("hour_ms", BigInteger(), nullable=False),
        Column("moves", BigInteger(), nullable=False),
        Column("stay_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("partition", "lifecycle", "from_stage", "to_stage", "hour_ms"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "visits",
        Column("since_ms", BigInteger(), nullable=False),
        Column("partition", Integer(), nullable=False),
        Column("entry", Integer(), nullable=False),
        Column("n", Integer(), nullable=False),
        Column("lifecycle", ordered_text, nullable=False),
        Column("stage", ordered_text, nullable=False),
        Column("customer", ordered_text, nullable=False),
        PrimaryKeyConstraint("partition", "lifecycle", "stage", "customer"),
        postgresql_with={"fillfactor": 85},
        sqlite_with_rowid=False,
    )
