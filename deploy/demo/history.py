"""The purchases as import lines, their dates moved so that the last one is today's."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

PURCHASES = Path(__file__).with_name("purchases.csv")


def import_lines(today: date) -> Iterator[bytes]:
    """One JSON object and a newline for each purchase, in the file's order. The same day gives the same bytes."""
    with PURCHASES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shift = today - max(date.fromisoformat(row["date"]) for row in rows)
    for number, row in enumerate(rows, start=1):
        day = date.fromisoformat(row["date"]) + shift
        # The file has days only: a customer's purchases of one day keep their order by a second each.
        moment = datetime.combine(day, time(), UTC) + timedelta(seconds=number % 60)
        yield json.dumps(_order(row, f"cdnow-{number:05d}", moment)).encode() + b"\n"


def _order(row: dict[str, str], message_id: str, moment: datetime) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": message_id,
        "userId": row["customer"],
        "event": "Order Completed",
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "properties": {"revenue": float(row["dollars"]), "currency": "USD", "quantity": int(row["cds"])},
    }
