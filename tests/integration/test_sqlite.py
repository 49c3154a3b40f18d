"""An SQLite file is there for several processes, also in the moment in which they all make it."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from shared.log_embedded.file import connect, create
from shared.sqlite import WalConnection, is_busy

PROCESSES = 6
FILES = 60  # before the mend one file in fifty was refused to somebody
WITHIN_S = 60
BUSY_TIMEOUT_S = 30.0


def open_database(path: str) -> None:
    sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, factory=WalConnection).close()


def open_log(path: str) -> None:
    connection = connect(path, synchronous="FULL", busy_timeout_s=BUSY_TIMEOUT_S)
    create(connection)
    connection.close()


def open_all(folder: Path, barrier: Barrier, open_one: Callable[[str], None]) -> None:
    try:
        for number in range(FILES):
            barrier.wait(WITHIN_S)
            open_one(str(folder / f"{number}.db"))
    except BaseException:
        barrier.abort()  # nobody waits for one who has failed
        raise


@pytest.mark.parametrize("open_one", [open_database, open_log])
def test_processes_that_open_a_new_file_at_once_all_get_it(tmp_path: Path, open_one: Callable[[str], None]) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (tmp_path, context.Barrier(PROCESSES), open_one)
    processes = [context.Process(target=open_all, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(WITHIN_S)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for process in processes:
        process.close()


def test_a_file_that_somebody_keeps_is_given_up_when_the_time_is_over(tmp_path: Path) -> None:
    path = str(tmp_path / "kept.db")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(path, timeout=0.05, factory=WalConnection)
    holder.close()
    assert is_busy(caught.value)
