"""The load of the benchmark: track events of some 220 bytes over a million customers; a seed gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from shared.clock import rfc3339

# A fifth of the customers sends four fifths of the events: u ** 7.2 of a uniform u lies below 0.2 in 80 % of the cases.
SKEW_EXPONENT = 7.2
NAMES = ("Product Viewed", "Product Viewed", "Cart Viewed", "Order Completed")

LIFECYCLE = """
lifecycle: shop
metrics:
  views:      {count: Product Viewed}
  orders:     {count: Order Completed}
  orders_90d: {count: Order Completed, within: 90d}
  spent:      {sum: revenue, of: Order Completed}
  last_order: {last: Order Completed}
stages:
  - stage: visitor
  - stage: customer
    when: orders >= 1
  - stage: loyal
    when: orders_90d >= 3 and spent >= 50
    until: orders_90d < 2
  - stage: at_risk
    when: orders >= 1 and since(last_order) >= 30d
    linger: 7d
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many events over so many customers, `uniform` or `skewed`."""

    events: int
    customers: int
    shape: str
    seed: int = 7

    def customer_numbers(self) -> Iterator[int]:
        """The customer of each event."""
        pick = random.Random(self.seed).random
        for _ in range(self.events):
            yield int(self.customers * (pick() ** SKEW_EXPONENT if self.shape == "skewed" else pick()))


def customer_name(number: int) -> str:
    """A customer's id."""
    return f"customer-{number:07d}"


def event_value(*, sequence: int, customer: str, occurred_ms: int) -> bytes:
    """One event as it stands in the log."""
    name = NAMES[sequence % len(NAMES)]
    return (
        f'{{"type":"track","id":"event-{sequence:012d}-b7c4d9","customer":"{customer}","name":"{name}",'
        f'"occurred_at":"{rfc3339(occurred_ms)}","properties":{{"revenue":{sequence % 90 + 10}.5,"currency":"EUR"}},'
        f'"source":"benchmark"}}'
    ).encode()
