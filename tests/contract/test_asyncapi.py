"""docs/asyncapi.yaml describes what really stands on the topics: real records against its schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from ruamel.yaml import YAML

from services.ingest.admission.admit import Intake, admit
from services.ingest.encode import entries, import_ends
from services.ingest.imports.ledger import Ledger, Note, import_id, marked
from services.notifier.channel.kafka import KafkaChannel
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_text
from services.stager.store import Claim, DueRow, Position
from services.stager.worker.owned import OwnedPartition
from services.stager.worker.publisher import Publisher
from services.stager.worker.stretch import decode_record
from shared.clock import DAY_MS
from shared.event import Event, tick
from shared.log import Entry
from shared.topics import Topics
from shared.transition import EventCause, StageValue, TimeCause, Transition, decode
from tests.builders_notifier import a_message
from tests.fakes.log_memory import MemoryLog
from tests.unit.stager.builders import LogRecord

DOCUMENT: dict[str, Any] = YAML(typ="safe").load(Path(__file__).parents[2] / "docs" / "asyncapi.yaml")
SCHEMAS = DOCUMENT["components"]["schemas"]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW_MS = 1_700_000_000_000
ITEMS = [
    {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}, "anonymousId": "a-1", "messageId": "1"},
    {"type": "track", "userId": "ada", "event": "Order Completed", "properties": {"revenue": 12.5}, "messageId": "2"},
    {"type": "page", "userId": "ada", "name": "Home", "context": {"ip": "10.0.0.1"}, "messageId": "3"},
    {"type": "screen", "userId": "ada", "name": "Start"},
    {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"seats": 3}},
]
ALIAS = {"type": "alias", "userId": "ada", "previousId": "a-1", "messageId": "6"}
LIFECYCLE = """
lifecycle: shop
metrics: {orders: {count: Order Completed}, last: {last: Order Completed}}
carry: [orders, last, traits.plan]
stages:
  - stage: buyer
    when: orders >= 1
    linger: 1d
  - stage: silent
    when: orders >= 1 and since(last) >= 30d
"""


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    whole = {"components": DOCUMENT["components"], **schema}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def check(message: str, entry: Entry) -> None:
    described = DOCUMENT["components"]["messages"][message]
    headers = {name: value.decode() for name, value in entry.headers}
    validator(described["payload"]).validate(json.loads(entry.value or b""))
    if "headers" in described:
        validator(described["headers"]).validate(headers)
    else:
        assert headers == {}
    if key := described.get("bindings", {}).get("kafka", {}).get("key"):
        assert entry.key is not None
        validator(key).validate(entry.key.decode())
    else:
        assert entry.key is None


def ingested(*, historical: bool = False) -> list[Entry]:
    items = [json.dumps(item | {"timestamp": "2023-11-01T10:00:00Z"}).encode() for item in ITEMS]
    admission = admit(items, Intake("web", NOW_MS, historical=historical))
    assert admission.refusals == []
    return entries(admission.events, source="web", traceparent=TRACE)


async def still_ours() -> None:
    """Nobody else has claimed meanwhile."""


async def published() -> tuple[list[Entry], list[Entry]]:
    """What the stager writes for the events above and a month of silence: transitions, stages."""
    rules = compile_rules(load_text(LIFECYCLE, file="shop.yaml").lifecycles)
    owned = OwnedPartition(0, Claim(Position(), 1, 0), rules=rules, segments=frozenset(), cache_bytes_max=1_000_000)
    records = [LogRecord(n, NOW_MS, e.key, e.value, tuple(e.headers)) for n, e in enumerate(ingested())]
    owned.fold([decode_record(record) for record in records])
    folded = owned.take()
    [row] = folded.batch.profiles
    late_ms = NOW_MS + 60 * DAY_MS
    lapsed = owned.lapse([DueRow(row.due_ms or 0, row.customer, row.body)], tick_ms=late_ms, is_last=True)
    log = MemoryLog(1)
    publisher = Publisher(log, None, Topics("stageline", 1))  # type: ignore[arg-type]
    await publisher.publish([folded, lapsed], confirm=still_ours)
    return [entry for entry in log.entries if b"cause" in entry.value], [
        entry for entry in log.entries if b"since" in entry.value
    ]


@pytest.mark.parametrize("historical", [False, True], ids=["live", "historical"])
def test_what_ingest_writes_is_as_described(historical: bool) -> None:
    for entry in ingested(historical=historical):
        check("event", entry)


def test_an_alias_is_as_described() -> None:
    admission = admit([json.dumps(ALIAS).encode()], Intake("web", NOW_MS))
    [entry] = entries(admission.events, source="web")
    check("event", entry)


async def test_what_an_import_with_a_key_writes_is_as_described() -> None:
    log, name = MemoryLog(), import_id("web", "history")
    note = Note(5, {}, marks=[(5, 4_294_967_295)], apart={3: None, 4: 17})
    await Ledger(log, Topics("stageline", 3), timeout_s=1).write(name, note)
    check("note", log.entries[0])
    [entry, *_] = marked(ingested(historical=True), name, range(1, len(ITEMS) + 1))
    check("event", entry)


def test_the_end_of_an_import_and_a_tick_are_as_described() -> None:
    for entry in import_ends(source="web", partitions=2):
        check("importEnd", entry)
    check("tick", Entry(None, tick(), (), 0))


async def test_what_the_notifier_writes_is_as_described() -> None:
    [transition, *_], _ = await published()
    log = MemoryLog(1)
    channel = KafkaChannel(log, "stageline.messages")
    message = a_message("kafka", transition=decode(transition.value))
    await channel.send(message, now_ms=NOW_MS)
    check("message", log.entries[0])


async def test_what_the_stager_writes_is_as_described() -> None:
    transitions, stages = await published()
    assert {json.loads(entry.value)["change"] for entry in transitions} == {"moved", "lingered"}
    assert {json.loads(entry.value)["cause"]["kind"] for entry in transitions} == {"event", "time"}
    assert {json.loads(entry.value)["stage"] for entry in stages} == {"buyer", "silent"}
    for entry in transitions:
        check("transition", entry)
    for entry in stages:
        check("stage", entry)


def test_a_record_with_a_member_too_many_is_not_as_described() -> None:
    with pytest.raises(ValidationError):
        check("tick", Entry(None, b'{"type":"tick","at":1}', (), 0))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Event", Event), ("Transition", Transition), ("Stage", StageValue), ("EventCause", EventCause),
        ("TimeCause", TimeCause), ("Note", Note),
    ],
)  # fmt: skip
def test_every_field_of_a_record_is_described(name: str, kind: type[msgspec.Struct]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(kind)}
    tag = {"kind"} if kind.__struct_config__.tag_field else set()
    assert SCHEMAS[name]["properties"].keys() == fields | tag


def test_every_topic_is_described_with_how_it_is_kept() -> None:
    described = {
        channel["address"].replace("{prefix}", "stageline"): channel["bindings"]["kafka"]["topicConfiguration"]
        for channel in DOCUMENT["channels"].values()
    }
    kept = {topic.name: "compact" if topic.compacted else "delete" for topic in Topics("stageline", 12).all()}
    assert {name: said["cleanup.policy"] for name, said in described.items()} == {n: [p] for n, p in kept.items()}


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _references(child)
