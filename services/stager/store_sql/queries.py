"""What both databases share: the questions they are asked in the same words, and what they are spared.

`$1` is the first argument, as PostgreSQL writes it.

Deadlines: the index holds the live and the historical customers of a partition apart, each in the order (due_ms,
customer). Both together are two bounded ranges merged, never a sort of everything that is due.
"""

from __future__ import annotations

from shared.errors import Refused

LIVE_DUE = """
    SELECT due_ms, customer, body FROM profiles
    WHERE partition = $1 AND historical = false AND due_ms <= $2
    ORDER BY due_ms, customer LIMIT $3
"""
ALL_DUE = """
    SELECT due_ms, customer, body FROM (
        SELECT * FROM (
            SELECT due_ms, customer, body FROM profiles
            WHERE partition = $1 AND historical = false AND due_ms <= $2
            ORDER BY due_ms, customer LIMIT $3
        ) AS live
        UNION ALL
        SELECT * FROM (
            SELECT due_ms, customer, body FROM profiles
            WHERE partition = $1 AND historical = true AND due_ms <= $2
            ORDER BY due_ms, customer LIMIT $3
        ) AS past
    ) AS merged
    ORDER BY due_ms, customer LIMIT $3
"""
LIVE_NEXT_DUE = """
    SELECT min(due_ms) FROM profiles WHERE partition = $1 AND historical = false AND due_ms IS NOT NULL
"""
ALL_NEXT_DUE = """
    SELECT min(due_ms) FROM (
        SELECT min(due_ms) AS due_ms FROM profiles
        WHERE partition = $1 AND historical = false AND due_ms IS NOT NULL
        UNION ALL
        SELECT min(due_ms) AS due_ms FROM profiles
        WHERE partition = $1 AND historical = true AND due_ms IS NOT NULL
    ) AS merged
"""
TRANSITIONS_AFTER = """
    SELECT seq, customer, lifecycle, at_ms, body FROM transitions
    WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""
STANDINGS = "SELECT partition, next_offset, seq, published_seq FROM positions"
STAGE_COUNTS = """
    SELECT lifecycle, stage, CAST(sum(customers) AS bigint) FROM stage_counts
    GROUP BY lifecycle, stage HAVING sum(customers) <> 0 ORDER BY lifecycle, stage
"""
MOVES = """
    SELECT lifecycle, from_stage, to_stage, 0, CAST(sum(moves) AS bigint), CAST(sum(stay_ms) AS bigint)
    FROM stage_moves GROUP BY lifecycle, from_stage, to_stage ORDER BY lifecycle, from_stage, to_stage
"""


def refused_tables() -> Refused:
    """What `open` raises when the tables are missing or old."""
    return Refused("the stager's tables are missing or older than this program; run `stageline migrate` first")
