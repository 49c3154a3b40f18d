"""Servers of the chaos test's own: it kills them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.fixtures_kafka import need_broker
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer, ServerMissing, find_server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, started, to be killed at will."""
    try:
        server = find_server()
    except ServerMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    if not server.can_stop:
        pytest.skip("the PostgreSQL of the environment is not ours to kill")
    with server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    """A broker of the test's own, started, to be killed at will."""
    need_broker()
    server = KafkaServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
