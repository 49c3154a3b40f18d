"""A TCP proxy of the tests' own that does to connections what networks do.

Nothing is lost in it: what is held back goes on when the fault is lifted, as packets do that are sent again.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from enum import StrEnum
from typing import Any

CHUNK_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 5


class Fault(StrEnum):
    """What happens to the bytes of every connection, old and new."""

    NONE = "none"
    BLACK_HOLE = "black hole"  # nothing passes either way; connections look alive
    HALF_OPEN = "half open"  # requests get through, answers do not
    RESET = "reset"  # every connection is torn down with a TCP reset, new ones too


class Proxy:
    """Listens on `port`, passes on to `target_port`; both on the loopback interface."""

    def __init__(self, *, port: int, target_port: int) -> None:
        self.port = port
        self.latency_s = 0.0
        self._target_port = target_port
        self._requests_pass = asyncio.Event()
        self._answers_pass = asyncio.Event()
        self._resetting = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.suffer(Fault.NONE)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Tear everything down."""
        self.suffer(Fault.RESET)
        if self._server is not None:
            self._server.close()

    def suffer(self, fault: Fault) -> None:
        """From now on every connection has this fault, and no other."""
        _set(self._requests_pass, fault in (Fault.NONE, Fault.HALF_OPEN))
        _set(self._answers_pass, fault is Fault.NONE)
        self._resetting = fault is Fault.RESET
        if self._resetting:
            for writer in list(self._writers):
                _reset(writer)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._resetting:
            _reset(client)
            return
        self._writers.add(client)
        broker: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                broker_reader, broker = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(broker)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(client_reader, broker, self._requests_pass))
                pumps.create_task(self._pump(broker_reader, client, self._answers_pass))
        except (OSError, TimeoutError):
            _reset(client)
        finally:
            for writer in {client, broker or client}:
                self._writers.discard(writer)
                writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                await gate.wait()
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError, RuntimeError):  # it is gone already
            writer.write_eof()


def _set(gate: asyncio.Event, is_open: bool) -> None:
    if is_open:
        gate.set()
    else:
        gate.clear()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    connection: Any = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
