"""What is kept of refusals for the operator."""

from __future__ import annotations

from services.ingest.refusal import Code
from services.ingest.rejects import REJECTS_KEPT_MAX, Reject, Rejects


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
