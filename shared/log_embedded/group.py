"""Who reads what of the embedded log: members with leases, and a fair share of the partitions for each of them.

A partition passes on only when its owner has let it go (in its own `beat`), has left, has not been heard of for the
session timeout, or its process is gone. Every claim carries the group's generation at that moment, so that a partition
lost and gained again is told from one that was kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.log_embedded.file import monotonic_ms, transaction


@dataclass(frozen=True, slots=True)
class Membership:
    """One member of one group on one topic."""

    topic_id: int
    partitions: int
    group: str
    name: str
    process: str

    @property
    def place(self) -> tuple[int, str]:
        """The group's key in the tables."""
        return (self.topic_id, self.group)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a member owns (partition to the generation of the claim) as of a generation of its group."""

    generation: int
    owned: Mapping[int, int]


def generation_of(connection: sqlite3.Connection, me: Membership) -> int:
    """A number that moves with every change of the group's members or claims; 0 before the first."""
    row = connection.execute("SELECT generation FROM reader_group WHERE topic = ? AND name = ?", me.place).fetchone()
    return int(row[0]) if row else 0


def beat(
    connection: sqlite3.Connection, me: Membership, *, session_timeout_ms: int, is_gone: Callable[[str], bool]
) -> Claims:
    """Join or stay, send away who is gone, let go of what is too much, take what is free up to the fair share."""
    with transaction(connection):
        found = generation_of(connection, me)
        now_ms = monotonic_ms()
        changes = _send_away(connection, me, now_ms=now_ms, session_timeout_ms=session_timeout_ms, is_gone=is_gone)
        changes += _stay(connection, me, now_ms=now_ms)
        changes += _balance(connection, me, generation=found + 1)
        if changes:
            connection.execute("INSERT OR REPLACE INTO reader_group VALUES (?, ?, ?)", (*me.place, found + 1))
        return Claims(found + bool(changes), _owned(connection, me))


def leave(connection: sqlite3.Connection, me: Membership) -> None:
    """Give up membership and every claim; the next `beat` of the others shares them."""
    with transaction(connection):
        _remove(connection, me, name=me.name)
        connection.execute("UPDATE reader_group SET generation = generation + 1 WHERE topic = ? AND name = ?", me.place)


def commit(
    connection: sqlite3.Connection, me: Membership, positions: Mapping[int, int], owned: Mapping[int, int]
) -> None:
    """Note the group's positions where the member's claim still stands; a former owner's say nothing."""
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO committed SELECT topic, reader_group, partition, ? FROM claim"
            " WHERE topic = ? AND reader_group = ? AND partition = ? AND member = ? AND generation = ?",
            [(position, *me.place, p, me.name, owned[p]) for p, position in positions.items() if p in owned],
        )


def committed(connection: sqlite3.Connection, me: Membership) -> dict[int, int]:
    """The group's committed positions."""
    rows = connection.execute(
        "SELECT partition, position FROM committed WHERE topic = ? AND reader_group = ?", me.place
    )
    return dict(rows.fetchall())


def fair_share(owned: Mapping[str, int], partitions: int) -> dict[str, int]:
    """How many partitions each member may own; what cannot be split evenly stays with who has most: fewest moves."""
    ranked = sorted(owned, key=lambda name: (-owned[name], name))
    each, left = divmod(partitions, len(ranked))
    return {name: each + (rank < left) for rank, name in enumerate(ranked)}


def _send_away(
    connection: sqlite3.Connection,
    me: Membership,
    *,
    now_ms: int,
    session_timeout_ms: int,
    is_gone: Callable[[str], bool],
) -> int:
    """A lease from the future is one of before the machine was started, and as old as one that has run out."""
    others = connection.execute(
        "SELECT name, process, seen_ms FROM member WHERE topic = ? AND reader_group = ? AND name != ?",
        (*me.place, me.name),
    ).fetchall()
    late = [
        name
        for name, process, seen_ms in others
        if abs(now_ms - seen_ms) > session_timeout_ms or (process != me.process and is_gone(process))
    ]
    for name in late:
        _remove(connection, me, name=name)
    return len(late)


def _remove(connection: sqlite3.Connection, me: Membership, *, name: str) -> None:
    connection.execute("DELETE FROM member WHERE topic = ? AND reader_group = ? AND name = ?", (*me.place, name))
    connection.execute("DELETE FROM claim WHERE topic = ? AND reader_group = ? AND member = ?", (*me.place, name))


def _stay(connection: sqlite3.Connection, me: Membership, *, now_ms: int) -> int:
    """Renew the lease. Returns 1 when this is a new member (or one that was sent away), else 0."""
    renewed = connection.execute(
        "UPDATE member SET seen_ms = ? WHERE topic = ? AND reader_group = ? AND name = ?", (now_ms, *me.place, me.name)
    ).rowcount
    if renewed:
        return 0
    connection.execute("INSERT INTO member VALUES (?, ?, ?, ?, ?)", (*me.place, me.name, me.process, now_ms))
    return 1


def _balance(connection: sqlite3.Connection, me: Membership, *, generation: int) -> int:
    """Let go or take; the other members do their part in their own `beat`. Returns the number of changed claims."""
    counts = connection.execute(
        "SELECT name, (SELECT count(*) FROM claim WHERE claim.topic = member.topic AND"
        " claim.reader_group = member.reader_group AND claim.member = member.name)"
        " FROM member WHERE topic = ? AND reader_group = ?",
        me.place,
    ).fetchall()
    mine = sorted(_owned(connection, me))
    share = fair_share(dict(counts), me.partitions)[me.name]
    surplus = mine[share:]
    connection.executemany(
        "DELETE FROM claim WHERE topic = ? AND reader_group = ? AND partition = ?", [(*me.place, p) for p in surplus]
    )
    if len(mine) >= share:
        return len(surplus)
    rows = connection.execute("SELECT partition FROM claim WHERE topic = ? AND reader_group = ?", me.place).fetchall()
    free = sorted(set(range(me.partitions)) - {p for (p,) in rows})[: share - len(mine)]
    connection.executemany(
        "INSERT INTO claim VALUES (?, ?, ?, ?, ?)", [(*me.place, p, me.name, generation) for p in free]
    )
    return len(free)


def _owned(connection: sqlite3.Connection, me: Membership) -> dict[int, int]:
    rows = connection.execute(
        "SELECT partition, generation FROM claim WHERE topic = ? AND reader_group = ? AND member = ?",
        (*me.place, me.name),
    )
    return dict(rows.fetchall())
