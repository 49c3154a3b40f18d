"""From records to decisions: repeats and rubbish come to nothing and cost their neighbours nothing."""

from __future__ import annotations

import pytest

from services.notifier.delivery.deliveries import Claim, Position
from services.notifier.plan.decisions import PartitionDecided, decide_partition
from shared.transition import encode
from tests.builders_notifier import NOW_MS, a_campaign, a_transition, records

START = Position()


def decide(*values: object, position: Position = START) -> PartitionDecided:
    batch = records(*values, first_offset=position.offset)
    return decide_partition(3, Claim(position, epoch=7), batch, [a_campaign()], now_ms=NOW_MS)


def test_the_position_stands_behind_the_last_record():
    decided = decide(a_transition(seq=1), a_transition(seq=2), position=Position(10, 0))
    assert decided.batch.position == Position(12, 2)


def test_a_record_that_was_published_twice_is_decided_once():
    decided = decide(a_transition(seq=1), a_transition(seq=2), a_transition(seq=1), a_transition(seq=2))
    assert [d.transition.seq for d in decided.batch.decisions] == [1, 2]


def test_what_an_earlier_batch_has_decided_is_not_decided_again():
    decided = decide(a_transition(seq=4), a_transition(seq=5), position=Position(9, 4))
    assert [d.transition.seq for d in decided.batch.decisions] == [5]


def test_records_that_are_no_transitions_are_skipped_and_their_neighbours_decided():
    decided = decide(b"{", a_transition(seq=1), None, a_transition(seq=2, at="never"), a_transition(seq=2))
    assert [skipped.offset for skipped in decided.skipped] == [0, 2, 3]
    assert [d.transition.seq for d in decided.batch.decisions] == [1, 2]
    assert decided.batch.position == Position(5, 2)


def test_a_transition_that_no_database_could_keep_is_skipped():
    decided = decide(a_transition(customer="a\0b"), a_transition(seq=2**63), a_transition(seq=0))
    assert (len(decided.skipped), decided.batch.decisions) == (3, [])


NESTED = b"[" * 50_000 + b"]" * 50_000


@pytest.mark.parametrize("carried", [b'{"x":' + NESTED + b"}", b'{"x":"\xff"}', b'{"x":1e999}', b'{"x":"\\ud800"}'])
def test_a_record_that_no_reader_can_read_is_skipped(carried: bytes):
    poison = encode(a_transition(seq=1))[:-1] + b',"carried":' + carried + b"}"
    decided = decide(poison, a_transition(seq=2))
    assert ([skipped.offset for skipped in decided.skipped], decided.batch.position.seq) == ([0], 2)


def test_the_fence_is_the_claim():
    batch = decide(a_transition(), position=Position(4, 0)).batch
    assert (batch.partition, batch.epoch, batch.was) == (3, 7, Position(4, 0))
