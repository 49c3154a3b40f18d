"""What the README shows is what happens: its files, its commands and their output, and the services that it starts."""

from __future__ import annotations

import argparse
import base64
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.pages import README, ROOT, Block, blocks
from tests.servers.kafka import free_ports

COMMAND_TIMEOUT_S = 60
SERVE_TIMEOUT_S = 60
DEMO_TIMEOUT_S = 180
AGAIN_S = 0.2


class Shown(NamedTuple):
    """A command as it is shown, and what it prints."""

    command: str
    output: str


def shown(language: str, said: str) -> list[Block]:
    return [block for block in blocks(README) if (block.language, block.said) == (language, said)]


def commands(block: Block) -> list[Shown]:
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [Shown(*part.split("\n", 1)) for part in parts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like the repository's after `make setup`, with the files that the README says to write."""
    launcher = tmp_path / ".venv" / "bin" / "stageline"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m services.main "$@"\n')
    launcher.chmod(0o755)
    for block in blocks(README):
        if block.language in ("yaml", "json") and block.said:
            (tmp_path / block.said).write_text(block.text)
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("STAGELINE_")}
    return inherited | {"PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def ports(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The services as the README starts them, on free ports: the shown port of each, and the real one."""
    [block] = shown("sh", "serve")
    assert block.text.splitlines()[-1] == "stageline up"
    ingest, stager, notifier = map(str, free_ports(3))
    chosen = {"INGEST": ingest, "STAGER": stager, "NOTIFIER": notifier}
    settings = dict(re.findall(r"(STAGELINE_\w+)=(\S+)", block.text))
    settings |= {f"STAGELINE_{name}_PORT": port for name, port in chosen.items()}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            ["stageline", "up"], cwd=folder, env=environment | settings, stdout=output, stderr=output,
            executable=folder / ".venv" / "bin" / "stageline",
        )  # fmt: skip
    try:
        wait_until_ready(stager, process, folder / "output.txt")
        yield {"8080": ingest, "8081": stager, "8082": notifier}
    finally:
        process.terminate()
        assert process.wait(SERVE_TIMEOUT_S) == 0


def wait_until_ready(port: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + SERVE_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(AGAIN_S)
    raise AssertionError(f"the services did not start: {output.read_text()}")


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=COMMAND_TIMEOUT_S,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def test_the_shown_commands_print_what_is_shown(folder: Path, environment: dict[str, str]) -> None:
    examples = [example for block in shown("console", "run") for example in commands(block)]
    assert any("stageline check" in command for command, _ in examples)
    assert any("stageline simulate" in command for command, _ in examples)
    for command, output in examples:
        assert run(command, folder, environment) == output.rstrip("\n") + "\n" * bool(output.strip()), command


def test_the_shown_files_are_valid_together(folder: Path, environment: dict[str, str]) -> None:
    assert run("stageline check cafe.yaml campaigns.yaml", folder, environment) == (
        "ok: 1 lifecycle, 0 segments, 1 campaign\n"
    )


def test_the_demo_prints_what_is_shown_and_ends_well(tmp_path: Path) -> None:
    [block] = [block for block in blocks(README) if block.language == "text"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "EXIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo.run"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=DEMO_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert without_times(done.stdout) == without_times(block.text)


def without_times(printed: str) -> list[str]:
    """The lines of the demo's output without the progress and without what the clock and the machine make of them."""
    lines = [line.strip() for line in printed.splitlines() if line.strip() and "━" not in line]
    return [re.sub(r"in [\d.]+ s|[\d,]+ events a second|\d{4}-\S+Z|\d+ ms", "...", line) for line in lines]


def test_a_customer_made_by_curl_has_the_shown_stage(ports: dict[str, str]) -> None:
    [block] = shown("console", "live")
    for command, output in commands(block):
        asked = re.sub(r"localhost:(\d+)", lambda found: f"127.0.0.1:{ports[found[1]]}", command)
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while (printed := curl(asked)) != output.strip() and time.monotonic() < deadline:
            time.sleep(AGAIN_S)  # the stage follows the event a moment later
        assert printed == output.strip(), command


def curl(command: str) -> str:
    """What curl would print, on machines without it too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-u", default="")
    parser.add_argument("-d")
    options = parser.parse_args(shlex.split(command)[1:])
    body = None if options.d is None else options.d.encode()
    authorization = f"Basic {base64.b64encode(options.u.encode()).decode()}"
    asked = urllib.request.Request(f"http://{options.url}", body, {"Authorization": authorization})
    try:
        with urllib.request.urlopen(asked, timeout=COMMAND_TIMEOUT_S) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
