"""Who waits for a deadline, earliest first, for simulations of many customers.

A heap of all would be moved through at every change, and nearly all of it waits for months. So only what is due within
the present hour is kept in order; later hours are heaps of nothing but their numbers, each with its customers beside.
"""

from __future__ import annotations

import heapq
from typing import Final

from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.profile import Profile
from shared.clock import HOUR_MS

_SPAN_MS: Final = HOUR_MS  # 100,000 customers within three months: 50 of them an hour


class Waiting:
    """Customers by their next deadline; before `earliest_ms` nobody is due.

    A deadline that moves away is left where it stands: when it comes up, its customer is put further back. So a
    customer who keeps buying is moved once a month and not with every event.
    """

    def __init__(self) -> None:
        self.earliest_ms = NEVER
        self._ordered: list[tuple[int, str, Profile]] = []  # a heap: those before `_ordered_until_ms`
        self._ordered_until_ms = BEGINNING
        self._later: dict[int, list[Profile]] = {}  # by hour
        self._hours: list[int] = []  # a heap of these hours
        self._stands: dict[str, int] = {}  # the deadline with which each customer stands here; others are void

    def put(self, profile: Profile) -> None:
        """See to it that a customer comes up in time."""
        due_ms = profile.due_or_never_ms
        if due_ms >= self._stands.get(profile.customer, NEVER):
            return
        self._stands[profile.customer] = due_ms
        if due_ms < self.earliest_ms:
            self.earliest_ms = due_ms
        if due_ms < self._ordered_until_ms:
            heapq.heappush(self._ordered, (due_ms, profile.customer, profile))
            return
        hour = due_ms // _SPAN_MS
        waiting = self._later.get(hour)
        if waiting is None:
            self._later[hour] = [profile]
            heapq.heappush(self._hours, hour)
        else:
            waiting.append(profile)

    def first(self, until_ms: int) -> Profile | None:
        """Whose (deadline, customer) is the smallest; None when nobody is due by then."""
        ordered, stands = self._ordered, self._stands
        while True:
            while ordered:
                due_ms, customer, profile = ordered[0]
                if due_ms > until_ms:
                    self.earliest_ms = due_ms
                    return None
                if stands.get(customer) == due_ms:
                    if profile.due_or_never_ms == due_ms:
                        return profile
                    del stands[customer]
                    self.put(profile)
                heapq.heappop(ordered)
            self.earliest_ms = self._hours[0] * _SPAN_MS if self._hours else NEVER
            if self.earliest_ms > until_ms:
                return None
            self._order_next_hour()

    def remove(self, profile: Profile) -> None:
        """Let a customer wait no longer; `put` lets them wait again."""
        self._stands.pop(profile.customer, None)

    def _order_next_hour(self) -> None:
        hour = heapq.heappop(self._hours)
        self._ordered_until_ms = (hour + 1) * _SPAN_MS
        for profile in self._later.pop(hour):
            if self._stands.get(profile.customer, NEVER) // _SPAN_MS == hour:
                del self._stands[profile.customer]
                self.put(profile)
