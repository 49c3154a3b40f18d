"""What every test may ask for."""

pytest_plugins = [
    "tests.servers.fixtures_kafka",
    "tests.servers.fixtures_postgres",
    "tests.servers.fixtures_stager",
    "tests.servers.node",
    "tests.servers.chromium",
]
