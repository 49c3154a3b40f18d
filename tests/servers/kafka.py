"""A real Apache Kafka of one node (KRaft), from Docker or from Maven's jars, that tests may kill and start again.

Plain Python: pytest's fixtures (`fixtures_kafka.py`) and the benchmark both stand on it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / ".servers" / "kafka"  # 44 MB, fetched once a checkout
POM = Path(__file__).with_name("kafka-pom.xml")
IMAGE = "apache/kafka:4.3.0"

START_TIMEOUT_S = 90  # three seconds alone; much more when every test worker starts a server at once
STOP_TIMEOUT_S = 20
FETCH_TIMEOUT_S = 300
CLUSTER_ID = "c3RhZ2VsaW5lLXRlc3RzAA"
LEAN_JAVA = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # quick to start, small
FAST_JAVA = ("-Xms256m", "-Xmx1g")

_LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
"""


class CannotRun(Exception):
    """This machine has neither Docker nor Java with Maven."""


class _Process(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...


class KafkaServer:
    """One broker on a port of its own; data and port outlive `stop` and `kill` until `close`.

    `advertised_port` is where clients are told to connect: a proxy's port, when faults stand between.
    """

    def __init__(
        self, *, port: int | None = None, advertised_port: int | None = None, java: Sequence[str] = LEAN_JAVA
    ) -> None:
        self.port, controller_port = free_ports(2)
        self.port = port or self.port
        self.advertised_port = advertised_port or self.port
        settings = _settings(port=self.port, controller_port=controller_port, advertised_port=self.advertised_port)
        self._process: _Process = _choose_process(settings, port=self.port, java=java)

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.advertised_port}"

    def start(self) -> None:
        """Start, with the data of before if there is any, and wait until it answers.

        Call it from a thread that lives as long as the broker is wanted: the broker ends with the thread.
        """
        self._process.start()
        _wait_for_port(self.port)

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self._process.stop()

    def kill(self) -> None:
        """End it like a power cut (SIGKILL)."""
        self._process.kill()

    def restart(self) -> None:
        """Kill it and start it again: same port, same data."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kill it and remove its data."""
        self._process.close()


def why_not() -> str | None:
    """Why no broker can be started here, or None when one can."""
    if _has_java() or _docker_answers():
        return None
    return "no Docker engine answers, and java with mvn is not installed"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _choose_process(settings: dict[str, str], *, port: int, java: Sequence[str]) -> _Process:
    if _docker_answers():
        return _ContainerProcess(settings, port=port)
    if _has_java():
        return _JavaProcess(settings, java=java)
    raise CannotRun(why_not())


def _settings(*, port: int, controller_port: int, advertised_port: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A killed broker may register again only when its old session has ended: nine seconds unless told otherwise.
        "broker.session.timeout.ms": "1000",
        "broker.heartbeat.interval.ms": "200",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }


class _JavaProcess:
    """The broker as a child of this process; it dies with the thread that started it."""

    def __init__(self, settings: dict[str, str], *, java: Sequence[str]) -> None:
        self._java = list(java)
        self._folder = Path(tempfile.mkdtemp(prefix="stageline-kafka-"))
        self._child: subprocess.Popen[bytes] | None = None
        self._properties = self._folder / "server.properties"
        lines = {**settings, "log.dirs": str(self._folder / "data")}
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        (self._folder / "log4j2.properties").write_text(_LOGGING)

    def start(self) -> None:
        _fetch_jars()
        if not (self._folder / "data").exists():
            command = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)]
            subprocess.run(self._command(*command), check=True, capture_output=True, timeout=START_TIMEOUT_S)
        with (self._folder / "server.log").open("ab") as log:
            self._child = subprocess.Popen(
                self._command("kafka.Kafka", str(self._properties)), stdout=log, stderr=log, preexec_fn=_die_with_parent
            )

    def _command(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        return ["java", *self._java, "-cp", f"{JARS / 'lib'}/*", logging, *arguments]

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._child is not None:
            self._child.send_signal(how)
            self._child.wait(timeout=STOP_TIMEOUT_S)
            self._child = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class _ContainerProcess:
    """The broker as a container on the host's network."""

    def __init__(self, settings: dict[str, str], *, port: int) -> None:
        from testcontainers.core.container import DockerContainer

        public = {**settings, "listeners": settings["listeners"].replace(f"127.0.0.1:{port}", f"0.0.0.0:{port}")}
        self._container: Any = DockerContainer(IMAGE).with_bind_ports(port, port).with_env("CLUSTER_ID", CLUSTER_ID)
        for name, value in public.items():
            self._container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        self._started = False

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_S)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def close(self) -> None:
        if self._started:
            self._container.stop()


def _fetch_jars() -> None:
    """Copy the broker's jars once; the lock makes a second test worker wait for the first."""
    JARS.mkdir(parents=True, exist_ok=True)
    complete = JARS / "complete"
    with (JARS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists() and complete.read_bytes() == POM.read_bytes():
            return
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        subprocess.run([*command, f"-DoutputDirectory={JARS / 'lib'}"], check=True, timeout=FETCH_TIMEOUT_S)
        shutil.copyfile(POM, complete)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"no broker listens on port {port} after {START_TIMEOUT_S} s")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed test run leaves no broker behind


def _has_java() -> bool:
    return shutil.which("java") is not None and shutil.which("mvn") is not None


def _docker_answers() -> bool:
    """Asked by a socket of our own: Docker's client leaves its one open when nobody is there."""
    if os.environ.get("DOCKER_HOST"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        return probe.connect_ex("/var/run/docker.sock") == 0
