"""The stager's tables: what `store.py` promises, as rows. Migrations must lead to exactly this; a test compares them.

Every key begins with the partition, so that a partition's rows lie together and PostgreSQL can be split by it
(DESIGN.md 11). Text sorts by code point: collation C on PostgreSQL, SQLite does so by itself. SQLite keeps the rows in
the primary key itself (WITHOUT ROWID): one search a row instead of two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import SchemaItem

from shared.migrate import Migrations

MIGRATIONS = Migrations(service="stager", folder=Path(__file__).with_name("migrations"))

metadata = MetaData()
_ordered_text = Text().with_variant(Text(collation="C"), "postgresql")


def _table(name: str, *parts: SchemaItem, fill_percent: int | None = None) -> Table:
    options: dict[str, Any] = {"sqlite_with_rowid": False}
    if fill_percent is not None:
        options["postgresql_with"] = {"fillfactor": fill_percent}
    return Table(name, metadata, *parts, **options)


def _key(name: str, kind: Any = _ordered_text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _value(name: str, kind: Any = BigInteger, *, nullable: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=nullable)


# Room is left in the pages of what is rewritten all the time, so that the new version of a row finds place beside the
# old one and no index is touched (heap-only tuples). `positions` is a few rows, each rewritten with every batch.
positions = _table(
    "positions",
    _key("partition", Integer),
    _value("epoch"),
    _value("next_offset"),
    _value("clock_ms"),
    _value("seq"),
    _value("import_ms", nullable=True),
    _value("published_seq"),
    fill_percent=20,
)

# The columns stand in the order that wastes no bytes between them: there is a row of this for every customer.
profiles = _table(
    "profiles",
    _value("due_ms", nullable=True),
    _key("partition", Integer),
    _value("historical", Boolean),
    _key("customer"),
    _value("body", LargeBinary),
    fill_percent=85,
)
Index(
    "profiles_due",
    profiles.c.partition,
    profiles.c.historical,
    profiles.c.due_ms,
    profiles.c.customer,
    postgresql_where=text("due_ms IS NOT NULL"),
    sqlite_where=text("due_ms IS NOT NULL"),
)

transitions = _table(
    "transitions",
    _value("seq"),
    _value("at_ms"),
    _value("recorded_ms"),
    _value("partition", Integer),
    _value("customer", _ordered_text),
    _value("lifecycle", _ordered_text),
    _value("body", LargeBinary),
    PrimaryKeyConstraint("partition", "seq"),
)

# Where each customer is now; a customer without a stage in a lifecycle has no row for it.
visits = _table(
    "visits",
    _value("since_ms"),
    _key("partition", Integer),
    _value("entry", Integer),
    _value("n", Integer),
    _key("lifecycle"),
    _key("stage"),
    _key("customer"),
    fill_percent=85,
)

customers = _table(
    "customers", _key("partition", Integer), _key("customer"), _value("traits", LargeBinary), fill_percent=85
)

stage_counts = _table(
    "stage_counts",
    _key("partition", Integer),
    _key("lifecycle"),
    _key("stage"),
    _value("customers"),
    fill_percent=20,
)

stage_moves = _table(
    "stage_moves",
    _key("partition", Integer),
    _key("lifecycle"),
    _key("from_stage"),
    _key("to_stage"),
    _key("hour_ms", BigInteger),
    _value("moves"),
    _value("stay_ms"),
    fill_percent=50,
)

quarantine = _table(
    "quarantine",
    _key("partition", Integer),
    _key("record_offset", BigInteger),
    _value("recorded_ms"),
    _value("reason", Text),
    _value("value", LargeBinary),
)
