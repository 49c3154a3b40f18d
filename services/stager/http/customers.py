"""The routes about one customer: where they are and what is known of them, and why.

They read the stored profile and run the same pure functions as `stageline explain`; nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Response

from services.stager.explain.as_json import encode
from services.stager.explain.as_text import render
from services.stager.explain.explainer import explain
from services.stager.fold.instants import instant_of
from services.stager.fold.profile import Profile, decode_profile
from services.stager.fold.rules import Rules
from services.stager.http.customer_view import customer_view
from services.stager.store import Store
from shared.clock import Clock
from shared.errors import Refused, Unavailable
from shared.event import IDENTIFIER_BYTES_MAX
from shared.log import Log
from shared.topics import Topics

# Looking ahead takes milliseconds; what takes this long (thousands of deadlines in dozens of lifecycles) is given up.
ANSWER_TIMEOUT_S: Final = 10.0
_JSON: Final = "application/json"

_Answer = TypeVar("_Answer")


class CustomerRoutes:
    """Answers for one customer at a time; `router` is to be included in the application."""

    def __init__(self, *, store: Store, log: Log, topics: Topics, rules: Rules, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._topics = topics
        self._rules = rules
        self._clock = clock
        self.router = APIRouter()
        # `:path`, since an id may hold a slash (a CloudEvent's subject often does).
        self.router.get("/customers/{customer:path}/explain", response_class=Response)(self.explain)
        self.router.get("/customers/{customer:path}", response_class=Response)(self.customer)

    async def customer(self, customer: str) -> Response:
        """Stages, metrics and traits of a customer now, and what comes next if nothing happens."""
        profile = await self._load(customer)
        at_ms = max(self._clock.now_ms(), profile.clock_ms)
        return _json(await _computed(customer_view, self._rules, profile, at_ms))

    async def explain(
        self,
        customer: str,
        at: str | None = Query(None, description="As of when, from the last event on; now when not given."),
        form: str = Query("json", alias="format", pattern="^(json|text)$"),
    ) -> Response:
        """Why a customer is where they are: each clause with values, what blocks a stage, and what comes by itself."""
        profile = await self._load(customer)
        at_ms = max(self._clock.now_ms(), profile.clock_ms) if at is None else _instant(at)
        explanation = await _computed(explain, self._rules, profile, at_ms)
        if form == "text":
            return Response(render(explanation), media_type="text/plain; charset=utf-8")
        return Response(encode(explanation), media_type=_JSON)

    async def _load(self, customer: str) -> Profile:
        """The stored profile. A customer never heard of is 404, and so is an id that no customer can have."""
        if "\0" in customer or len(customer.encode()) > IDENTIFIER_BYTES_MAX:
            raise HTTPException(404, "no customer can have this id")
        partition = self._log.partition_of(self._topics.events, customer.encode())
        kept = (await self._store.load({partition: [customer]})).get(customer)
        if kept is None:
            raise HTTPException(404, "nothing is known of this customer")
        return decode_profile(customer, kept.body, self._rules)


async def _computed(
    compute: Callable[[Rules, Profile, int], _Answer], rules: Rules, profile: Profile, at_ms: int
) -> _Answer:
    """What this finds, worked out beside the event loop. Errors: Unavailable if it takes too long; 400 if refused."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await asyncio.to_thread(compute, rules, profile, at_ms)
    except TimeoutError as error:
        raise Unavailable(f"the answer takes more than {ANSWER_TIMEOUT_S:g} s") from error
    except Refused as error:
        raise HTTPException(400, str(error)) from error


def _instant(text: str) -> int:
    at_ms = instant_of(text)
    if at_ms is None:
        raise HTTPException(400, f"at: expected a time like 2026-01-31 or 2026-01-31T10:20:30.123Z; got {text!r}")
    return at_ms


def _json(members: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(members), media_type=_JSON)
