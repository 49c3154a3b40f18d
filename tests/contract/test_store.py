"""The promises of `services/stager/store.py` about owning and writing, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from services.stager.store import (
    Claim,
    CountRow,
    Kept,
    MoveRow,
    PartitionBatch,
    Position,
    QuarantineRow,
    StageCount,
    Store,
)
from shared.errors import FenceLost
from tests.builders.batch import batch, profile, transition, visit
from tests.servers.fixtures_stager import NOW_MS, make_store


async def test_a_new_partition_stands_at_the_beginning(store: Store) -> None:
    assert await store.claim([3, 1]) == {1: Claim(Position(), 1, 0), 3: Claim(Position(), 1, 0)}


async def test_every_claim_raises_the_epoch_and_keeps_the_position(store: Store) -> None:
    first = (await store.claim([0]))[0]
    position = Position(offset=7, clock_ms=11, seq=2, import_ms=9)
    await store.save([PartitionBatch(0, first.epoch, 0, position)])

    assert await store.claim([0]) == {0: Claim(position, first.epoch + 1, 0)}


@pytest.mark.parametrize("import_ms", [1_800_000_000_000, 1_800_000_000_000 - 2**61, 0, None])
async def test_the_time_of_an_import_is_kept_whether_it_runs_or_is_closed(store: Store, import_ms: int | None) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([PartitionBatch(0, claim.epoch, 0, Position(offset=1, import_ms=import_ms))])

    assert (await store.claim([0]))[0].position.import_ms == import_ms


async def test_claiming_nothing_is_fine(store: Store) -> None:
    assert await store.claim([]) == {}


async def test_saving_nothing_is_fine(store: Store) -> None:
    assert await store.save([]) == NOW_MS


async def test_save_returns_when_it_was_recorded(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    assert await store.save([batch(claim)]) == NOW_MS


async def test_a_saved_profile_is_loaded_byte_for_byte(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, profiles=[profile("ann", b"\x00\xff", due_ms=5, historical=True)])])

    assert await store.load({0: ["ann", "bob"]}) == {"ann": Kept(b"\x00\xff", 5, True)}


async def test_profiles_of_several_partitions_are_loaded_together(store: Store) -> None:
    claims = await store.claim([0, 1])
    await store.save([batch(claims[0], 0, profiles=[profile("ann")]), batch(claims[1], 1, profiles=[profile("bob")])])

    assert (await store.load({0: ["ann"], 1: ["bob", "ann"]})).keys() == {"ann", "bob"}


async def test_thousands_of_profiles_are_saved_changed_and_loaded_at_once(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    names = [f"customer-{number}" for number in range(12_000)]
    await store.save([batch(claim, profiles=[profile(name) for name in names])])
    again = [profile(name, name.encode(), due_ms=1, is_new=False) for name in names]
    await store.save([PartitionBatch(0, claim.epoch, 1, Position(offset=2), profiles=again)])

    assert await store.load({0: names}) == {name: Kept(name.encode(), 1, False) for name in names}


async def test_a_profile_that_exists_is_changed_whole(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, profiles=[profile("ann", due_ms=5, historical=True)])])
    await store.save([PartitionBatch(0, 1, 1, Position(offset=2), profiles=[profile("ann", b"two", is_new=False)])])

    assert await store.load({0: ["ann"]}) == {"ann": Kept(b"two", None, False)}


async def test_a_deadline_moves_without_its_profile(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, profiles=[profile("ann", due_ms=5), profile("bob", due_ms=6)])])
    await store.save([PartitionBatch(0, 1, 1, Position(offset=2), due_only=[("ann", 9), ("bob", None)])])

    assert await store.load({0: ["ann", "bob"]}) == {"ann": Kept(b"body", 9, False), "bob": Kept(b"body", None, False)}


async def test_a_position_may_stay_while_work_is_saved(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, to_offset=0, profiles=[profile("ann")])])
    await store.save([batch(claim, to_offset=0, profiles=[profile("bob")])])

    assert len(await store.load({0: ["ann", "bob"]})) == 2


async def test_an_older_owner_loses_and_nothing_of_its_batch_is_visible(store: Store, other_store: Store) -> None:
    old = (await store.claim([0]))[0]
    await other_store.claim([0])
    everything = batch(
        old,
        seq=1,
        profiles=[profile("ann")],
        transitions=[transition(1)],
        counts=[CountRow("shop", "new", 1)],
        moves=[MoveRow("shop", "", "new", 0, 1, 0)],
    )

    with pytest.raises(FenceLost) as caught:
        await store.save([everything])

    assert caught.value.partitions == {0}
    assert await store.load({0: ["ann"]}) == {}
    assert await store.transitions_after(0, seq=0, limit=9) == []
    assert (await store.stage_counts(), await store.moves()) == ([], [])
    assert (await store.claim([0]))[0].position == Position()


async def test_one_lost_partition_of_several_undoes_the_whole_batch(store: Store, other_store: Store) -> None:
    old = await store.claim([0, 1, 2])
    await other_store.claim([1])

    with pytest.raises(FenceLost) as caught:
        await store.save([batch(old[each], each, profiles=[profile(f"in-{each}")]) for each in (2, 1, 0)])

    assert caught.value.partitions == {1}
    assert await store.load({0: ["in-0"], 1: ["in-1"], 2: ["in-2"]}) == {}


async def test_an_owner_that_lost_one_partition_goes_on_with_the_others(store: Store, other_store: Store) -> None:
    old = await store.claim([0, 1])
    await other_store.claim([1])
    with pytest.raises(FenceLost):
        await store.save([batch(old[0]), batch(old[1], 1)])

    await store.save([batch(old[0], profiles=[profile("ann")])])

    assert (await store.load({0: ["ann"]})).keys() == {"ann"}


async def test_the_same_batch_is_never_saved_twice(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    once = batch(claim, counts=[CountRow("shop", "new", 1)])
    await store.save([once])

    with pytest.raises(FenceLost):
        await store.save([once])

    assert await store.stage_counts() == [StageCount("shop", "new", 1)]


async def test_a_partition_that_nobody_has_claimed_cannot_be_saved(store: Store) -> None:
    with pytest.raises(FenceLost):
        await store.save([batch(Claim(Position(), 1, 0), 5)])


async def test_a_batch_that_cannot_be_written_changes_nothing(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, seq=1, transitions=[transition(1)])])
    wrong = PartitionBatch(0, 1, 1, Position(offset=2), profiles=[profile("ann")], transitions=[transition(1)])

    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.save([wrong])

    assert await store.load({0: ["ann"]}) == {}
    assert (await store.claim([0]))[0].position == Position(offset=1, seq=1)


async def test_of_two_owners_saving_at_once_only_the_newer_gets_through(store: Store, other_store: Store) -> None:
    for offset in range(12):
        old = (await store.claim([0]))[0]
        new = (await other_store.claim([0]))[0]
        name = f"c{offset}"

        outcomes = await asyncio.gather(
            store.save([batch(old, profiles=[profile(name, b"old")])]),
            other_store.save([batch(new, profiles=[profile(name, b"new")])]),
            return_exceptions=True,
        )

        assert isinstance(outcomes[0], FenceLost)
        assert outcomes[1] == NOW_MS
        assert (await store.load({0: [name]}))[name].body == b"new"


async def test_a_claim_during_a_save_sees_all_of_it_or_wins(store: Store, other_store: Store) -> None:
    for number in range(12):
        mine = await store.claim([0, 1])
        rows = [profile(f"{number}-{each}") for each in range(200)]
        work = [batch(mine[0], profiles=rows), batch(mine[1], 1)]

        saved, theirs = await asyncio.gather(store.save(work), other_store.claim([1, 0]), return_exceptions=True)

        assert not isinstance(theirs, BaseException)
        is_saved = not isinstance(saved, BaseException)
        assert theirs[0].position.offset == mine[0].position.offset + is_saved
        assert theirs[1].position.offset == mine[1].position.offset + is_saved
        assert len(await other_store.load({0: [row.customer for row in rows]})) == 200 * is_saved


async def test_prove_tells_which_epochs_still_hold(store: Store, other_store: Store) -> None:
    await store.claim([0, 1])
    await other_store.claim([1])

    assert await store.prove({0: 1, 1: 1, 9: 1}) == {0}
    assert await store.prove({}) == frozenset()


async def test_what_is_published_is_remembered_for_the_next_owner(store: Store) -> None:
    await store.claim([0, 1])
    await store.mark_published({0: 4, 1: 6}, {0: 1, 1: 1})

    assert {each: claim.published_seq for each, claim in (await store.claim([0, 1])).items()} == {0: 4, 1: 6}


async def test_a_stale_epoch_marks_nothing_as_published(store: Store, other_store: Store) -> None:
    await store.claim([0, 1])
    await other_store.claim([1])

    await store.mark_published({0: 4, 1: 6}, {0: 1, 1: 1})

    assert {each: claim.published_seq for each, claim in (await store.claim([0, 1])).items()} == {0: 4, 1: 0}


async def test_what_is_published_never_goes_back(store: Store) -> None:
    await store.claim([0])
    await store.mark_published({0: 4}, {0: 1})
    await store.mark_published({0: 3}, {0: 1})

    assert (await store.claim([0]))[0].published_seq == 4


async def test_what_is_saved_outlives_the_process(stager_address: str, store: Store) -> None:
    claim = (await store.claim([0]))[0]
    await store.save([batch(claim, profiles=[profile("ann")], quarantine=[QuarantineRow(0, "bad", b"\x00")])])
    await store.close()

    later = make_store(stager_address)
    await later.open()
    kept = await later.load({0: ["ann"]})
    await later.close()
    assert kept.keys() == {"ann"}


async def test_a_visit_row_for_no_stage_at_all_is_nothing(store: Store) -> None:
    claim = (await store.claim([0]))[0]
    assert await store.save([batch(claim, visits=[visit("ann", None)])]) == NOW_MS
