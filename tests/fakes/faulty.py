"""A real adapter behind faults: the test says which call fails or waits, before or after it had its effect.

A call is named by its method, and where its first argument is a text by that too: `save`, `append stageline.stages`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from shared.errors import Unavailable

WITHIN_S = 20


@dataclass
class Gate:
    """Where a call waits: `reached` is set when it is there, and `go` lets it on."""

    is_after: bool
    error: Exception | None = None
    answer: Any = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_reached(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.reached.wait()

    async def pass_by(self) -> None:
        """What the call does here: wait, and fail when it shall."""
        self.reached.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error


class Faults:
    """What shall go wrong, in order for each call, and what was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._plans: dict[str, list[Gate | None]] = {}

    def hold(self, call: str, *, after: bool = False, skip: int = 0) -> Gate:
        """Let the next such call (after `skip` more) wait, before its effect or after it."""
        gate = Gate(after)
        self._plans.setdefault(call, []).extend([None] * skip + [gate])
        return gate

    def fail(self, call: str, *, times: int = 1, after: bool = False, skip: int = 0) -> None:
        """Let the next calls raise Unavailable, though `after` says that they had their effect."""
        self._plans.setdefault(call, []).extend([None] * skip)
        for _ in range(times):
            gate = Gate(after, Unavailable(f"{call} does not answer"))
            gate.go.set()
            self._plans[call].append(gate)

    def answer(self, call: str, answer: Any) -> None:
        """Let the next such call have this answer and no effect."""
        gate = Gate(is_after=False, answer=answer)
        gate.go.set()
        self._plans.setdefault(call, []).append(gate)

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self._plans.clear()

    def left(self, call: str) -> int:
        """How many planned calls have not come yet."""
        return len(self._plans.get(call, ()))

    async def around(self, call: str, work: Callable[[], Awaitable[Any]]) -> Any:
        self.calls.append(call)
        plans = self._plans.get(call)
        gate = plans.pop(0) if plans else None
        if gate is not None and not gate.is_after:
            await gate.pass_by()
            if gate.answer is not None:
                return gate.answer
        answer = await work()
        if gate is not None and gate.is_after:
            await gate.pass_by()
        return answer


class Faulty:
    """Any port's adapter; what its methods return may be behind the same faults."""

    def __init__(self, real: Any, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    def reader(self, topic: str, *, group: str) -> Any:
        return Faulty(self._real.reader(topic, group=group), self._faults)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            label = f"{name} {arguments[0]}" if arguments and isinstance(arguments[0], str) else name
            return await self._faults.around(label, lambda: method(*arguments, **named))

        return call
