"""A PostgreSQL cluster of our own, in a temporary folder, as an unprivileged user when we are root."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import mkdtemp

from tests.servers.postgres import PostgresServer, ServerFailed, ServerMissing, free_port

COMMAND_TIMEOUT_S = 60
GONE_TIMEOUT_S = 10  # processes hit by SIGKILL vanish within milliseconds
USER = "stageline"


class ClusterServer(PostgresServer):
    """One cluster on a free port of the loopback address."""

    def __init__(self, binaries: Path, settings: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._settings = settings
        self._account = _account()
        self._folder: Path | None = None
        self._port = free_port()
        self.address = f"postgresql://{USER}@127.0.0.1:{self._port}"

    def start(self) -> None:
        if self._folder is None:
            self._folder = self._initialise()
        if self.pids():
            return
        options = {
            "port": str(self._port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_wal_size": "2GB",
            **self._settings,
        }
        words = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        log = self._folder / "server.log"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(log), "-w", "-t", "30", "-o", words, "start")

    def stop(self, mode: str = "fast") -> None:
        if self.pids():
            self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "-m", mode, "stop")

    def kill(self) -> None:
        pids = self.pids()
        for pid in pids:  # the postmaster first, else it would start anew what is killed
            os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + GONE_TIMEOUT_S
        while any(_is_alive(pid) for pid in pids):
            assert time.monotonic() < until, f"processes {pids} survive SIGKILL"
            time.sleep(0.005)
        # Where nobody collects dead processes, PostgreSQL takes the old postmaster for alive and refuses to start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        super().close()
        if self._folder is not None:
            rmtree(self._folder, ignore_errors=True)

    def pids(self) -> list[int]:
        """Every process of the running server, the postmaster first; empty when it is stopped."""
        try:
            postmaster = int((self._data / "postmaster.pid").read_text().split("\n")[0])
        except OSError:
            return []
        if not _is_alive(postmaster):
            return []
        return [postmaster, *(pid for pid in _all_pids() if _parent(pid) == postmaster)]

    @property
    def _data(self) -> Path:
        assert self._folder is not None, "the server was never started"
        return self._folder / "data"

    def _initialise(self) -> Path:
        folder = Path(mkdtemp(prefix="stageline-postgres-"))
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        self._folder = folder
        self._binaries = self._reachable(folder)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        return folder

    def _reachable(self, folder: Path) -> Path:
        """The binaries where the unprivileged user may run them: a home folder of root is closed to it."""
        try:
            self._run("pg_ctl", "--version")
        except PermissionError:
            copytree(self._binaries.parent, folder / "program", symlinks=True)
            return folder / "program" / "bin"
        return self._binaries

    def _run(self, program: str, *words: str) -> None:
        # Output goes to a file: a server inherits it, and a pipe would stay open as long as the server runs.
        account = self._account
        output = self._folder / f"{program}.out" if self._folder is not None else Path(os.devnull)
        with output.open("ab") as sink:
            done = subprocess.run(
                [str(self._binaries / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd="/",
                timeout=COMMAND_TIMEOUT_S,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            )
        if done.returncode != 0:
            raise ServerFailed(f"PostgreSQL: {program} failed: {output.read_text(errors='replace')[-2000:]}")


def _account() -> pwd.struct_passwd | None:
    """Whom to become: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerMissing("PostgreSQL: we are root, and there is no user `postgres` or `nobody` to become")


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and only not yet collected by its parent does not."""
    status = _status(pid)
    return status is not None and status[0] not in "ZX"


def _parent(pid: int) -> int | None:
    status = _status(pid)
    return int(status[1]) if status is not None else None


def _status(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
