"""What every test may ask for."""

import gc
from collections.abc import Iterator

import pytest

pytest_plugins = [
    "tests.servers.fixtures_kafka",
    "tests.servers.fixtures_postgres",
    "tests.servers.fixtures_stager",
    "tests.servers.node",
    "tests.servers.chromium",
]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """What a module's tests leave open is found at its end; else the collector meets it in a test that did nothing."""
    yield
    gc.collect()
    gc.freeze()  # what has outlived a module is not looked through again: a whole run of the suite pays a second or two
