"""Schemas at work: off, warn and reject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.ingest.admission.schemas import Mode, read_schemas
from services.ingest.limits import REJECTS_NOTED_MAX
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_api import make_client, track


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Order Completed.json").write_text('{"required": ["revenue"]}')
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "kept", "shown", "rejected"),
    [(Mode.OFF, 2, 0, 0), (Mode.WARN, 2, 1, 0), (Mode.REJECT, 1, 1, 1)],
)
async def test_a_violation_leads_to_what_the_mode_says(
    folder: Path, mode: Mode, kept: int, shown: int, rejected: int
) -> None:
    log = MemoryLog()
    async with make_client(log, schemas=read_schemas(folder), schema_mode=mode, admin_token="secret") as client:
        answer = await client.post("/v1/batch", json={"batch": [track(), track(properties={"revenue": 1})]})
        client.auth = None
        rejects = (await client.get("/rejects", headers={"authorization": "Bearer secret"})).json()["rejects"]
        metrics = (await client.get("/metrics")).text

    assert (answer.status_code, len(log.entries), len(rejects)) == (200, kept, shown)
    assert len(answer.json().get("rejected", [])) == rejected
    if mode is not Mode.OFF:
        assert 'stageline_ingest_schema_violations_total{event="Order Completed",source="shop"}' in metrics


async def test_one_batch_of_violations_leaves_the_refusals_of_others_to_be_seen(folder: Path) -> None:
    log = MemoryLog()
    async with make_client(log, schemas=read_schemas(folder), schema_mode=Mode.WARN, admin_token="secret") as client:
        await client.post("/v1/track", json={"event": "E"}, auth=("app-key", ""))
        answer = await client.post("/v1/batch", json={"batch": [track()] * 2_500})
        client.auth = None
        rejects = (await client.get("/rejects?limit=500", headers={"authorization": "Bearer secret"})).json()["rejects"]

    assert (answer.status_code, len(log.entries)) == (200, 2_500)
    assert [reject["source"] for reject in rejects] == ["shop"] * REJECTS_NOTED_MAX + ["app"]


@pytest.mark.parametrize(
    ("mode", "kept", "shown", "refused"),
    [(Mode.OFF, 2, 0, 0), (Mode.WARN, 2, 1, 0), (Mode.REJECT, 1, 1, 1)],
)
async def test_an_import_is_held_to_the_schemas_as_a_batch_is(
    folder: Path, mode: Mode, kept: int, shown: int, refused: int
) -> None:
    log = MemoryLog()
    lines = [track(timestamp="2020-01-01T00:00:00Z", properties=properties) for properties in ({}, {"revenue": 1})]
    async with make_client(log, schemas=read_schemas(folder), schema_mode=mode, admin_token="secret") as client:
        before = _violations()
        answer = (await client.post("/v1/import?end=false", content="\n".join(map(json.dumps, lines)))).json()
        client.auth = None
        rejects = (await client.get("/rejects", headers={"authorization": "Bearer secret"})).json()["rejects"]

    assert (len(log.entries), len(rejects), answer["refused"]) == (kept, shown, refused)
    assert [item["field"] for item in answer["rejected"]] == ["properties"] * refused
    assert _violations() - before == (mode is not Mode.OFF)


async def test_one_request_that_breaks_its_schema_often_does_not_push_out_what_others_sent(folder: Path) -> None:
    async with make_client(
        MemoryLog(), schemas=read_schemas(folder), schema_mode=Mode.WARN, admin_token="secret"
    ) as client:
        lines = [json.dumps(track(timestamp="2020-01-01T00:00:00Z"))] * 1000
        await client.post("/v1/import", content="\n".join(lines))
        client.auth = None
        rejects = (await client.get("/rejects?limit=500", headers={"authorization": "Bearer secret"})).json()

    assert len(rejects["rejects"]) == REJECTS_NOTED_MAX


def _violations() -> float:
    return REGISTRY.get_sample_value("stageline_ingest_schema_violations_total", _LABELS) or 0.0


_LABELS = {"source": "shop", "event": "Order Completed"}
