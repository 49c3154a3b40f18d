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
END_TIMEOUT_S = 10


class Fault(StrEnum):
    """What happens to the bytes of a connection."""

    NONE = "none"
    BLACK_HOLE = "black hole"  # nothing passes either way; connections look alive
    HALF_OPEN = "half open"  # requests get through, answers do not
    RESET = "reset"  # the connection is torn down with a TCP reset


class _Connection:
    """One client's connection and its two gates."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.writers = [client]
        self.requests_pass = asyncio.Event()
        self.answers_pass = asyncio.Event()
        self.ended = asyncio.Event()

    def suffer(self, fault: Fault) -> None:
        _set(self.requests_pass, fault is not Fault.BLACK_HOLE)
        _set(self.answers_pass, fault in (Fault.NONE, Fault.RESET))
        if fault is Fault.RESET:
            for writer in self.writers:
                _reset(writer)


class Proxy:
    """Listens on `port`, passes on to `target_port`; both on the loopback interface."""

    def __init__(self, *, port: int, target_port: int) -> None:
        self.port = port
        self.latency_s = 0.0
        self._target_port = target_port
        self._fault = Fault.NONE
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Tear everything down."""
        if self._server is not None:
            self._server.close()
        connections = frozenset(self._connections)
        self.suffer(Fault.RESET)
        await _all_ended(connections)

    def suffer(self, fault: Fault) -> None:
        """From now on every connection, old and new, has this fault and no other."""
        self._fault = fault
        self.strand(fault)

    def strand(self, fault: Fault) -> frozenset[_Connection]:
        """Let only the connections that are open now have this fault; returns them."""
        for connection in self._connections:
            connection.suffer(fault)
        return frozenset(self._connections)

    async def release(self, stranded: frozenset[_Connection]) -> None:
        """Heal these, whose clients have gone, and wait until the server has dealt with what they held."""
        for connection in stranded:
            connection.suffer(Fault.NONE)
        await _all_ended(stranded)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        connection = _Connection(client)
        connection.suffer(self._fault)
        self._connections.add(connection)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                broker_reader, broker = await asyncio.open_connection("127.0.0.1", self._target_port)
            connection.writers.append(broker)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(client_reader, broker, connection.requests_pass))
                pumps.create_task(self._pump(broker_reader, client, connection.answers_pass))
        except (OSError, TimeoutError):
            _reset(client)
        finally:
            self._connections.discard(connection)
            for writer in connection.writers:
                writer.close()
            connection.ended.set()

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


async def _all_ended(connections: frozenset[_Connection]) -> None:
    async with asyncio.timeout(END_TIMEOUT_S):
        for connection in connections:
            await connection.ended.wait()


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
