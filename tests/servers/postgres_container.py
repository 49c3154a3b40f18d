"""PostgreSQL in a container, on a port that stays the same when it comes back."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Mapping

from tests.servers.postgres import PostgresServer, free_port

PING_TIMEOUT_S = 2
STOP_TIMEOUT_S = 20
ACCOUNT = "stageline"


def has_docker() -> bool:
    """Whether a Docker engine answers."""
    import docker  # slow to load, and only needed when no server was given

    # A failed attempt leaves its socket to the collector, which must not look like a leak of the test that runs then.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client = docker.from_env(timeout=PING_TIMEOUT_S)
        except docker.errors.DockerException:
            return False
        finally:
            gc.collect()
    client.close()
    return True


class ContainerServer(PostgresServer):
    """One container; its files live as long as it does."""

    def __init__(self, image: str, settings: Mapping[str, str]) -> None:
        from testcontainers.community.postgres import PostgresContainer

        port = free_port()
        words = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._container = PostgresContainer(image, username=ACCOUNT, password=ACCOUNT, dbname="postgres")
        self._container.with_bind_ports(5432, ("127.0.0.1", port)).with_command(f"postgres {words}")
        self._has_run = False
        self.address = f"postgresql://{ACCOUNT}:{ACCOUNT}@127.0.0.1:{port}"

    def start(self) -> None:
        if self._has_run:
            self._container.get_wrapped_container().start()
            self._container._connect()
        else:
            self._container.start()
            self._has_run = True

    def stop(self, mode: str = "fast") -> None:
        container = self._container.get_wrapped_container()
        container.kill("SIGQUIT" if mode == "immediate" else "SIGINT")
        container.wait(timeout=STOP_TIMEOUT_S)

    def kill(self) -> None:
        container = self._container.get_wrapped_container()
        container.kill("SIGKILL")
        container.wait(timeout=STOP_TIMEOUT_S)

    def close(self) -> None:
        self._container.stop()
