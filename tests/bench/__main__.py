"""`make bench`: measure everything one after the other, print the table, write `.bench/figures.json`.

Options: `--events N` and `--customers N` of the drain (2,000,000 over 1,000,000), `--only drain,http`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.drain import DrainFigures, measure_drain
from tests.bench.fold import measure_fold
from tests.bench.http import measure_http
from tests.bench.latency import measure_latency
from tests.bench.load import Load
from tests.bench.notifier import measure_notifier
from tests.bench.simulate import measure_simulate
from tests.servers.kafka import FAST_JAVA, KafkaServer
from tests.servers.postgres import find_server

OUTPUT = Path(".bench/figures.json")
CALM_EVENTS_S = 2_000
ENDPOINTS = (1, 10, 100)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--only", default="fold,simulate,drain,http,latency,notifier")
    parser.add_argument("--drains", default="uniform:2,skewed:2,uniform:1", help="shape:stagers,..")
    options = parser.parse_args()
    figures = asyncio.run(_measure(options, set(options.only.split(","))))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2))
    _show(figures)


async def _measure(options: argparse.Namespace, wanted: set[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    if "fold" in wanted:
        figures["fold"] = asdict(measure_fold())
    if "simulate" in wanted:
        with tempfile.TemporaryDirectory() as name:
            figures["simulate"] = [asdict(each) for each in measure_simulate(Path(name))]
    if "notifier" in wanted:
        with tempfile.TemporaryDirectory() as name, find_server(durable=True) as postgres:
            figures["notifier"] = [
                asdict(await measure_notifier(postgres, endpoints=count, folder=Path(name))) for count in ENDPOINTS
            ]
    if not wanted & {"drain", "http", "latency"}:
        return figures
    kafka = KafkaServer(java=FAST_JAVA)
    with tempfile.TemporaryDirectory() as name, find_server(durable=True) as postgres:
        folder = Path(name)
        kafka.start()
        try:
            if "http" in wanted:
                figures["http"] = asdict(measure_http(kafka, folder))
            drained: list[DrainFigures] = []
            if "drain" in wanted:
                for shape, _, stagers in (part.partition(":") for part in options.drains.split(",")):
                    load = Load(options.events, options.customers, shape)
                    drained.append(await measure_drain(kafka, postgres, load, stagers=int(stagers), folder=folder))
                figures["drain"] = [asdict(drain) for drain in drained]
            if "latency" in wanted:
                half = int(drained[0].events_s / 2) if drained else 13_000
                figures["latency"] = [
                    asdict(await measure_latency(kafka, postgres, events_s=rate, stagers=2, folder=folder))
                    for rate in (CALM_EVENTS_S, half)
                ]
        finally:
            kafka.close()
    return figures


def _show(figures: dict[str, Any]) -> None:
    table = Table(title=f"Stageline on {figures['machine']}")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for name, value in _rows(figures):
        table.add_row(name, f"{value:,.1f}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}")
    Console().print(table)


def _rows(figures: dict[str, Any]) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    for part in ("fold", "simulate", "http", "drain", "latency", "notifier"):
        entries = figures.get(part, [])
        for entry in [entries] if isinstance(entries, dict) else entries:
            label = " ".join(str(entry[key]) for key in ("shape", "stagers") if key in entry)
            if part == "latency":
                label = f"at {entry['events_s']:,}/s"
            if part == "notifier":
                label = f"{entry['endpoints']} endpoints"
            rows += [
                (f"{part} {label} {key}".replace("  ", " "), value)
                for key, value in entry.items()
                if key not in ("shape", "stagers", "endpoints")
            ]
    return rows


if __name__ == "__main__":
    main()
