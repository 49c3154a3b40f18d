"""What the customers promise (services/notifier/delivery/customers.py), over the stager's tables in both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.notifier.delivery.customers import CustomerNow, Whose
from services.notifier.store_sql.customers import SqlCustomers
from shared.database import make_engine
from shared.errors import Refused, Unavailable
from tests.builders_notifier import a_transition
from tests.integration.staged_customers import StagedCustomers

ANN = Whose(3, "ann", "shop", "at_risk")


@pytest.fixture
async def staged(notifier_address: str) -> AsyncIterator[StagedCustomers]:
    staged = StagedCustomers(notifier_address)
    yield staged
    await staged.close()


@pytest.fixture
async def customers(notifier_address: str) -> AsyncIterator[SqlCustomers]:
    engine = make_engine(notifier_address)
    customers = SqlCustomers(engine)
    await customers.open()
    yield customers
    await engine.dispose()


async def test_a_customer_is_seen_in_his_visit_with_traits(staged: StagedCustomers, customers: SqlCustomers) -> None:
    await staged.move(a_transition(entry=4), partition=3)
    await staged.identify("ann", partition=3, plan="pro", tags=["a", {"b": 1}])
    assert await customers.look([ANN]) == {ANN: CustomerNow(4, {"plan": "pro", "tags": ["a", {"b": 1}]})}


async def test_whoever_has_moved_on_is_no_longer_there(staged: StagedCustomers, customers: SqlCustomers) -> None:
    await staged.move(a_transition(), a_transition(from_stage="at_risk", to_stage="active", entry=2), partition=3)
    assert (await customers.look([ANN]))[ANN].entry is None
    active = ANN._replace(stage="active")
    assert (await customers.look([active]))[active].entry == 2


async def test_the_unknown_have_neither_visit_nor_traits(customers: SqlCustomers) -> None:
    assert await customers.look([ANN]) == {ANN: CustomerNow()}
    assert await customers.look([]) == {}


async def test_many_are_looked_for_at_once(staged: StagedCustomers, customers: SqlCustomers) -> None:
    names = [f"customer-{number}" for number in range(200)]
    await staged.move(*(a_transition(customer=name) for name in names[::2]), partition=3)
    seen = await customers.look([ANN._replace(customer=name) for name in names * 2])
    assert [seen[ANN._replace(customer=name)].entry for name in names] == [1, None] * 100


async def test_a_database_without_the_stagers_tables_is_refused(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    with pytest.raises(Refused, match="stageline migrate"):
        await SqlCustomers(engine).open()
    await engine.dispose()


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    engine = make_engine("postgresql+asyncpg://x:y@127.0.0.1:1/x")
    with pytest.raises(Unavailable):
        await SqlCustomers(engine).look([ANN])
    await engine.dispose()
