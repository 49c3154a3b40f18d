"""Times as clients write them, to the millisecond and never beyond."""

from __future__ import annotations

import json

import pytest

from services.ingest.admission.admit import Intake, admit_item
from services.ingest.admission.moment import moment_ms
from services.ingest.refusal import Rejected

SECOND_MS = 1_577_836_799_000  # 2019-12-31T23:59:59Z


@pytest.mark.parametrize(
    ("text", "millisecond"),
    [
        ("2019-12-31T23:59:59Z", 0),
        ("2019-12-31T23:59:59.9Z", 900),
        ("2019-12-31T23:59:59.999Z", 999),
        ("2019-12-31T23:59:59.9999Z", 999),
        ("2019-12-31T23:59:59.9999999Z", 999),
        ("2019-12-31T23:59:59.0009999999Z", 0),
        ("2020-01-01T01:59:59.999999999+02:00", 999),
    ],
)
def test_what_is_finer_than_a_millisecond_is_cut(text: str, millisecond: int) -> None:
    assert moment_ms(text, "timestamp") == SECOND_MS + millisecond


@pytest.mark.parametrize("historical", [False, True])
def test_no_event_moves_into_the_next_year_by_its_nanoseconds(historical: bool) -> None:
    item = {"event": "e", "userId": "u", "messageId": "m", "timestamp": "2019-12-31T23:59:59.9999999Z"}
    intake = Intake("shop", SECOND_MS + 60_000, kind_default="track", historical=historical)

    assert admit_item(json.dumps(item).encode(), intake).occurred_at == "2019-12-31T23:59:59.999Z"


@pytest.mark.parametrize("text", ["2019-12-31T23:59:59.1234x", "2019-12-31T23:59:59.12345678", ".1234567Z"])
def test_digits_do_not_make_a_time_of_what_is_none(text: str) -> None:
    with pytest.raises(Rejected):
        moment_ms(text, "timestamp")
