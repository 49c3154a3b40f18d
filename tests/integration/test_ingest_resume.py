"""An import that breaks off and is sent again: every line is in the log once."""

from __future__ import annotations

import gzip
from collections import Counter

import pytest

import services.ingest.imports.history
import services.ingest.imports.resumption
from services.ingest.imports.ledger import Ledger, import_id
from services.ingest.refusal import Rejected
from shared.event import decode
from shared.log import Entry, Log
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import EVENTS, serving

KEY = {"idempotency-key": "history-2020"}


def lines(first: int, end: int) -> bytes:
    return b"".join(
        b'{"event":"e","userId":"u%d","timestamp":"2020-01-01T00:00:00Z","messageId":"m%d"}\n' % (number % 7, number)
        for number in range(first, end)
    )


async def ids(log: Log) -> Counter[str]:
    found: Counter[str] = Counter()
    for partition, end in (await log.ends(EVENTS)).items():
        offset = 0
        while offset < end:
            records = await log.fetch(EVENTS, partition, offset, records_max=1000)
            found.update(decode(record.value).id or "end" for record in records)
            offset = records[-1].offset + 1
    return found


def each_once(count: int) -> Counter[str]:
    return Counter({f"m{number}": 1 for number in range(count)} | {"end": 3})


async def test_where_a_body_broke_off_the_next_one_may_begin(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        content = gzip.compress(lines(0, 3900))[:-500]
        line = (await client.post("/v1/import", content=content, headers=KEY)).json()["acknowledged_line"]
        answer = (await client.post(f"/v1/import?line={line + 1}", content=lines(line, 4000), headers=KEY)).json()
        found = await ids(log)

    assert (answer["accepted"], answer["lines"]) == (4000 - line, 4000)
    assert found == each_once(4000)


async def test_a_file_that_broke_off_is_completed_and_nothing_is_twice(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        broken = await client.post("/v1/import", content=gzip.compress(lines(0, 3900))[:-500], headers=KEY)
        before = await ids(log)
        again = (await client.post("/v1/import", content=lines(0, 4000), headers=KEY)).json()
        found = await ids(log)

    assert (broken.status_code, broken.json()["acknowledged_line"]) == (400, before.total())
    assert 1000 <= before.total() < 3900
    assert found == each_once(4000)
    assert (again["repeated"], again["accepted"]) == (before.total(), 4000 - before.total())


async def test_an_import_is_sent_by_one_caller_at_a_time() -> None:
    ledger = Ledger(MemoryLog(), Topics("t", 3), timeout_s=1)

    with ledger.only("a"), ledger.only("b"), pytest.raises(Rejected, match="another request"), ledger.only("a"):
        pass


async def test_a_whole_file_sent_again_adds_nothing(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        for _ in range(2):
            answer = (await client.post("/v1/import", content=lines(0, 50), headers=KEY)).json()
        found = await ids(log)

    assert found == each_once(50)
    assert (answer["accepted"], answer["repeated"], answer["ended"]) == (0, 50, True)


async def test_a_second_service_knows_what_the_first_one_took(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.ingest.imports.resumption, "IMPORT_NOTE_LINES", 1000)
    async with serving(log) as (client, _):
        await client.post("/v1/import?end=false", content=lines(0, 2500), headers=KEY)
    async with serving(log) as (client, _):
        answer = (await client.post("/v1/import?line=2001", content=lines(2000, 3000), headers=KEY)).json()
        found = await ids(log)

    assert found == each_once(3000)
    assert (answer["accepted"], answer["repeated"], answer["lines"]) == (500, 500, 3000)


async def test_lines_behind_an_ended_import_are_taken_and_it_ends_again(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        await client.post("/v1/import", content=lines(0, 10), headers=KEY)
        answer = (await client.post("/v1/import", content=lines(0, 15), headers=KEY)).json()
        again = (await client.post("/v1/import", content=lines(0, 15), headers=KEY)).json()
        found = await ids(log)

    assert (answer["accepted"], answer["repeated"]) == (5, 10)
    assert (again["accepted"], again["repeated"]) == (0, 15)
    assert found == each_once(15) | Counter(end=6)


async def test_lines_appended_to_an_ended_import_before_a_break_are_known(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        await client.post("/v1/import", content=lines(0, 10), headers=KEY)
        broken = gzip.compress(lines(0, 3000))[:-5]
        await client.post("/v1/import", content=broken, headers=KEY)
        answer = (await client.post("/v1/import", content=lines(0, 3000), headers=KEY)).json()
        found = await ids(log)

    assert answer["accepted"] + answer["repeated"] == 3000
    assert found == each_once(3000) | Counter(end=6)


async def test_a_body_that_leaves_lines_out_is_409_and_says_where_to_go_on(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        first = await client.post("/v1/import?line=6", content=lines(5, 10), headers=KEY)
        whole = (await client.post("/v1/import", content=lines(0, 10), headers=KEY)).json()
        behind = await client.post("/v1/import?line=13", content=lines(12, 20), headers=KEY)
        found = await ids(log)

    for response, line in ((first, 0), (behind, 10)):
        answer = response.json()
        assert (response.status_code, answer["code"], answer["acknowledged_line"]) == (409, "import_gap", line)
    assert whole["accepted"] == 10
    assert found == each_once(10)


async def test_a_file_sent_in_pieces_may_begin_anew_with_any_of_them(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        for first in (0, 10, 20, 10, 20):
            query = f"?line={first + 1}&end={'true' if first == 20 else 'false'}"
            content = lines(first, first + 10)
            answer = (await client.post(f"/v1/import{query}", content=content, headers=KEY)).json()
        found = await ids(log)

    assert (answer["accepted"], answer["repeated"], answer["ended"]) == (0, 10, True)
    assert found == each_once(30)


@pytest.mark.parametrize("is_ended", [False, True])
@pytest.mark.parametrize("count", [3, 5, 8])
async def test_another_file_under_the_same_key_is_422_and_adds_nothing(
    log: EmbeddedLog, is_ended: bool, count: int
) -> None:
    async with serving(log) as (client, _):
        query = "" if is_ended else "?end=false"
        await client.post(f"/v1/import{query}", content=lines(0, 5), headers=KEY)
        response = await client.post("/v1/import", content=lines(100, 100 + count), headers=KEY)
        found = await ids(log)

    assert (response.status_code, response.json()["code"]) == (422, "import_differs")
    assert found.total() - found["end"] == 5


async def test_another_file_is_seen_where_no_note_was_written_yet(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        await client.post("/v1/import?end=false", content=lines(0, 5), headers=KEY)
        await _note(log, b'{"line":0,"ends":{"0":0,"1":0,"2":0},"ended":false}')
        same = (await client.post("/v1/import?end=false", content=lines(0, 5), headers=KEY)).json()
        await _note(log, b'{"line":0,"ends":{"0":0,"1":0,"2":0},"ended":false}')
        other = await client.post("/v1/import", content=lines(100, 105), headers=KEY)

    assert (same["accepted"], same["repeated"]) == (0, 5)
    assert (other.status_code, other.json()["accepted"]) == (422, 0)


async def test_a_refused_line_is_judged_again_and_taken_when_it_was_mended(log: EmbeddedLog) -> None:
    bad = lines(0, 2) + b'{"event":"e"}\n' + lines(3, 5)
    async with serving(log) as (client, _):
        first, second, mended, last = [
            (await client.post("/v1/import", content=content, headers=KEY)).json()
            for content in (bad, bad, lines(0, 5), lines(0, 5))
        ]
        found = await ids(log)

    assert (first["accepted"], first["refused"]) == (4, 1)
    assert (second["accepted"], second["repeated"], second["rejected"][0]["line"]) == (0, 4, 3)
    assert (mended["accepted"], mended["repeated"], mended["refused"]) == (1, 4, 0)
    assert (last["accepted"], last["repeated"]) == (0, 5)
    assert found == each_once(5) | Counter(end=6)


async def test_a_file_of_which_every_line_was_refused_may_be_mended(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        refused = await client.post("/v1/import", content=b'{"event":"e"}\n' * 3000, headers=KEY)
        mended = (await client.post("/v1/import", content=lines(0, 3000), headers=KEY)).json()

    assert refused.status_code == 400
    assert (mended["accepted"], mended["repeated"]) == (3000, 0)


async def test_more_refused_lines_than_are_remembered_are_never_taken_for_done(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.ingest.imports.resumption, "IMPORT_APART_MAX", 2)
    bad = b"".join(lines(number, number + 1) + b'{"event":"e"}\n' for number in range(0, 10, 2))
    async with serving(log) as (client, _):
        await client.post("/v1/import", content=bad, headers=KEY)
        same = (await client.post("/v1/import", content=bad, headers=KEY)).json()
        some = (await client.post("/v1/import", content=_with_line(bad, 2), headers=KEY)).json()
        late = await client.post("/v1/import", content=_with_line(bad, 8), headers=KEY)

    assert (same["accepted"], same["repeated"], same["refused"]) == (0, 5, 5)
    assert (some["accepted"], some["repeated"], some["refused"]) == (1, 5, 4)
    assert (late.status_code, late.json()["code"]) == (422, "import_differs")


def _with_line(content: bytes, number: int) -> bytes:
    """The same file with a good line in this place."""
    parts = content.splitlines(keepends=True)
    return b"".join([*parts[: number - 1], lines(900 + number, 901 + number), *parts[number:]])


async def test_a_note_of_an_older_version_is_taken_at_its_word(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        await client.get("/readyz")
        await _note(log, b'{"line":10,"ends":{"0":0,"1":0,"2":0},"ended":true}')
        answer = (await client.post("/v1/import", content=lines(0, 12), headers=KEY)).json()

    assert (answer["accepted"], answer["repeated"]) == (2, 10)


async def _note(log: EmbeddedLog, value: bytes) -> None:
    """What a process wrote into the ledger before it ended."""
    name = import_id("shop", KEY["idempotency-key"])
    await log.append("stageline.imports", [Entry(name.encode(), value, partition=0)], timeout_s=5)


async def test_another_key_is_another_import(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        for name in ("a", "b"):
            await client.post("/v1/import?end=false", content=lines(0, 1), headers={"idempotency-key": name})
        found = await ids(log)

    assert found == Counter({"m0": 2})
