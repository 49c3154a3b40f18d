"""pytest fixtures of a real Kafka: skipped by name at home where there is none, failing under CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer, why_not

ADDRESS = "STAGELINE_TEST_KAFKA"


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a broker that nobody kills: the environment's, or one of this test worker's own."""
    if address := os.environ.get(ADDRESS):
        yield address
        return
    need_broker()
    server = KafkaServer()
    try:
        server.start()
        yield server.bootstrap
    finally:
        server.close()


def need_broker() -> None:
    """Skip the test when no broker can be started here; under CI that is a failure."""
    reason = why_not()
    if reason and os.environ.get("CI"):
        pytest.fail(f"CI must run the Kafka tests: {reason}")
    if reason:
        pytest.skip(f"needs Apache Kafka: {reason}; or set {ADDRESS}")
