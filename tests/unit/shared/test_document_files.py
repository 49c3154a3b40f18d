"""Paths that are no ordinary files: what cannot be read is a fault, and reading always ends."""

from __future__ import annotations

import os
from pathlib import Path

from shared.document.files import files_of, read_file


def test_a_link_to_itself_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)

    (file,) = files_of([loop])
    _, (fault,) = read_file(file)

    assert "cannot be read" in fault.message


def test_a_file_that_two_paths_name_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")

    assert files_of([tmp_path, tmp_path / "a.yaml", tmp_path / ".." / tmp_path.name]) == [tmp_path / "a.yaml"]


def test_a_pipe_into_which_nobody_writes_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert read_file(tmp_path / "pipe") == ([], [])


def test_a_pipe_with_a_writer_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a: 1")
    os.close(writing)

    (document,), faults = read_file(Path(f"/dev/fd/{reading}"))
    os.close(reading)

    assert (document.end, faults) == (4, [])


def test_a_file_without_end_is_too_long() -> None:
    _, (fault,) = read_file(Path("/dev/zero"))

    assert "longer than" in fault.message


def test_a_byte_that_is_not_utf_8_is_shown_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: é\nb: K".encode() + b"\xf6ln\n")

    _, (fault,) = read_file(tmp_path / "latin.yaml")

    assert (fault.line, fault.column, fault.source_line) == (2, 5, "b: K\ufffdln")
    assert "0xF6" in fault.message
