"""A draft turns transitions into the rows of the read models."""

from __future__ import annotations

from services.stager.store import CountRow, MoveRow, VisitRow
from services.stager.worker.draft import Draft
from shared.clock import HOUR_MS
from tests.unit.stager.builders import moved


def test_several_moves_of_one_customer_become_one_visit_from_the_first_stage_to_the_last() -> None:
    draft = Draft(frozenset())
    draft.add_transitions([moved(source="new", target="active", at_ms=5, n=1)])
    draft.add_transitions([moved(source="active", target="loyal", at_ms=9, n=2)])
    assert draft.visits() == [VisitRow("ada", "shop", "new", "loyal", 9, 1, 2)]


def test_a_move_there_and_back_leaves_the_counts_as_they_were() -> None:
    draft = Draft(frozenset())
    draft.add_transitions([moved(source="new", target="active"), moved(source="active", target="new")])
    assert draft.counts() == []


def test_a_first_stage_counts_one_more_customer() -> None:
    draft = Draft(frozenset())
    draft.add_transitions([moved(source=None, target="new")])
    assert draft.counts() == [CountRow("shop", "new", 1)]


def test_being_out_of_a_segment_is_no_visit_but_the_move_counts() -> None:
    draft = Draft(frozenset({"shop"}))
    draft.add_transitions([moved(source="out", target="in", stay_ms=7)])
    assert draft.visits() == [VisitRow("ada", "shop", None, "in", 0, 1, 1)]
    assert draft.counts() == [CountRow("shop", "in", 1)]
    assert draft.moves() == [MoveRow("shop", "out", "in", 0, 1, 7)]


def test_a_stage_that_is_called_out_in_a_lifecycle_is_a_stage() -> None:
    draft = Draft(frozenset())
    draft.add_transitions([moved(source="out", target="in")])
    assert draft.visits() == [VisitRow("ada", "shop", "out", "in", 0, 1, 1)]


def test_moves_are_summed_by_the_hour_in_which_they_happened() -> None:
    draft = Draft(frozenset())
    for at_ms in (HOUR_MS - 1, HOUR_MS, HOUR_MS + 1):
        draft.add_transitions([moved(source="new", target="active", at_ms=at_ms, stay_ms=10)])
    assert draft.moves() == [
        MoveRow("shop", "new", "active", 0, 1, 10),
        MoveRow("shop", "new", "active", HOUR_MS, 2, 20),
    ]


def test_a_linger_changes_no_read_model() -> None:
    draft = Draft(frozenset())
    draft.add_transitions([moved(source="new", target="new", change="lingered", nth=1)])
    assert (draft.visits(), draft.counts(), draft.moves(), len(draft.rows)) == ([], [], [], 1)


def test_a_long_reason_is_cut() -> None:
    draft = Draft(frozenset())
    draft.add_quarantined(offset=3, reason="x" * 10_000, value=None)
    assert len(draft.quarantine[0].reason) == 500
    assert draft.quarantine[0].value == b""
