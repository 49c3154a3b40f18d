"""How a message leaves, as a port; `channel_*.py` are its adapters, `channels.py` lists them.

This docstring is the contract; one suite (`tests/contract/test_channel.py`) holds every adapter to it.

- `send` makes one attempt and answers within a bound of its own: a little over `SEND_TIMEOUT_S`, and as long again
  where it has to wait for a connection first.
- It never raises for anything that the receiver or the network does: that is a Failed, a Rejected or a Gone with a
  reason that people can read (and that holds no secret; it may quote the very worst answer). A Failed is certain that
  the message has not arrived, unless it says that it may have.
- It may be called again with the same delivery id, when nobody knows whether the last attempt arrived: the id goes
  with the message, so that the receiver can tell a repeat.
- It decides nothing: neither whether to send nor when to try again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from services.notifier.delivery.message import Message

AT_ONCE_MAX = 500  # attempts by one channel: enough to hide slow receivers, few enough for one process's sockets
SEND_TIMEOUT_S = 15  # Standard Webhooks; whoever needs longer should answer first and work afterwards


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver has taken it. `reason` says how, for people: a status, say."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Not this time. `retry_after_ms` is how long the receiver asked to be left alone (0: it did not).

    `may_have_arrived`: it was handed over, and nobody knows what became of it.
    """

    reason: str
    retry_after_ms: int = 0
    may_have_arrived: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never: no later attempt can succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Never, and nothing else either: this receiver wants no more."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAddress:
    """The customer has nothing that this channel could reach."""

    reason: str


Answer: TypeAlias = Sent | Failed | Rejected | Gone | NoAddress


class Channel(Protocol):
    """One way for messages to leave."""

    async def open(self) -> None:
        """Get ready to send."""

    async def close(self) -> None:
        """Release every connection."""

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """Make one attempt. `now_ms` is the time that the message says it was sent."""
