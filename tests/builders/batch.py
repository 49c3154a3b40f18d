"""Rows and batches for the store, saying only what matters to the test."""

from __future__ import annotations

from typing import Any

from services.stager.store import Claim, PartitionBatch, Position, ProfileRow, TransitionRow, VisitRow


def profile(
    customer: str, body: bytes = b"body", *, due_ms: int | None = None, historical: bool = False, is_new: bool = True
) -> ProfileRow:
    """A profile that is new unless said otherwise."""
    return ProfileRow(customer, body, due_ms, historical, is_new)


def transition(seq: int, customer: str = "ann", *, lifecycle: str = "shop", at_ms: int = 5) -> TransitionRow:
    """A transition whose body names its `seq`."""
    return TransitionRow(seq, customer, lifecycle, at_ms, b'{"seq":%d}' % seq)


def visit(customer: str, stage: str | None, *, was: str | None = None, n: int = 1) -> VisitRow:
    """A move of the lifecycle `shop`."""
    return VisitRow(customer, "shop", was, stage, since_ms=5, entry=1, n=n)


def batch(
    claim: Claim, partition: int = 0, *, to_offset: int | None = None, seq: int = 0, **parts: Any
) -> PartitionBatch:
    """What the owner with this claim would save first; by default it reads one record."""
    was_offset = claim.position.offset
    position = Position(offset=was_offset + 1 if to_offset is None else to_offset, seq=seq)
    return PartitionBatch(partition, claim.epoch, was_offset, position, **parts)
