"""The console channel: one line of JSON for each delivery."""

from __future__ import annotations

import sys
from collections.abc import Callable

import msgspec

from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import Answer, Failed, Sent
from services.notifier.channel.kind import ChannelKind
from services.notifier.delivery.delivery import ChannelName
from services.notifier.delivery.message import Message
from shared.clock import rfc3339

Write = Callable[[str], object]
"""Takes one line, its line feed included."""


def write_stdout(line: str) -> None:
    """Write a line to the standard output at once."""
    sys.stdout.write(line)
    sys.stdout.flush()


class ConsoleChannel:
    """Writes `{"delivery", "campaign", "sent_at", "transition"}`, an object a line; and `text` if there is any."""

    def __init__(self, write: Write = write_stdout) -> None:
        self._write = write

    async def open(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to release."""

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        """Write the line; a closed or full output is a failure like any other."""
        line = msgspec.json.encode(
            {
                "delivery": str(message.id),
                "campaign": message.campaign,
                "sent_at": rfc3339(now_ms),
                "transition": message.transition,
                **message.parts,
            }
        )
        try:
            self._write(line.decode() + "\n")
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            return Failed(f"cannot write: {error}")
        return Sent()


KIND = ChannelKind(name=ChannelName("console"), make=lambda _context: ConsoleChannel(), parts={"text": Markup.TEXT})
