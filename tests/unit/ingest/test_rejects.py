"""What is kept of refusals for the operator."""

from __future__ import annotations

import pytest

from services.ingest.http.rejects import EXCERPT_BYTES_MAX, REJECTS_KEPT_MAX, Reject, Rejects, excerpt_of
from services.ingest.refusal import Code


def reject(source: str | None, number: int) -> Reject:
    return Reject("2026-01-01T00:00:00.000Z", source, "/v1/track", Code.NOT_JSON, f"{number}", None, "x")


def said(rejects: Rejects, count: int = REJECTS_KEPT_MAX, *, source: str | None = None) -> list[str]:
    return [kept.message for kept in rejects.newest(count, source=source)]


def test_the_newest_come_first_whoever_sent_them() -> None:
    rejects = Rejects()
    for number, source in enumerate(["shop", "app", None, "shop"]):
        rejects.add(reject(source, number))

    assert said(rejects) == ["3", "2", "1", "0"]
    assert said(rejects, 2) == ["3", "2"]
    assert said(rejects, source="shop") == ["3", "0"]
    assert said(rejects, source="nobody") == []


def test_the_flood_of_one_sender_pushes_out_its_own_only() -> None:
    rejects = Rejects()
    for number, source in enumerate(["app", None] + ["shop"] * (REJECTS_KEPT_MAX + 10)):
        rejects.add(reject(source, number))

    assert len(said(rejects)) == REJECTS_KEPT_MAX
    assert said(rejects)[-2:] == ["1", "0"]
    assert said(rejects, source="shop")[-1] == "14"  # twelve of its own are gone


_WITH_KEYS = [
    b'{"writeKey": "wk1-secret", "userId": null}', b'{"batch":[],"writeKey":"wk1-secret"}',
    b'{"writeKey":"a\\"wk1-secret"}',
    b"{'writeKey': 'wk1-secret'}", b"writeKey=wk1-secret&x=1", b'{writeKey: wk1-secret}', b'{"api_key":"wk1-secret"}',
    b'{"a":"{\\"writeKey\\":\\"wk1-secret\\"}"}', b'{"WriteKey"\n:\n"wk1-secret', b'{"writeKey":"wk1-secret\\',
]  # fmt: skip


@pytest.mark.parametrize("text", _WITH_KEYS, ids=range(len(_WITH_KEYS)))
def test_a_write_key_is_not_shown(text: bytes) -> None:
    excerpt = excerpt_of(text)

    assert "secret" not in excerpt
    assert '"(hidden)"' in excerpt


def test_a_key_that_the_excerpt_cuts_is_not_shown_either() -> None:
    head = b'{"a":"' + b"x" * (EXCERPT_BYTES_MAX - 24) + b'","writeKey":"'

    assert "wk1" not in excerpt_of(head + b'wk1-secret"}')


def test_the_rest_of_an_excerpt_is_what_was_sent() -> None:
    assert excerpt_of(b'{"writeKey": "k", "userId": null}\xff') == '{"writeKey": "(hidden)", "userId": null}\ufffd'
    assert excerpt_of(b'{"keys": "k"}') == '{"keys": "k"}'
