"""docs/campaigns.md cannot fall behind: its examples load, and everything there is stands on it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from services.notifier.campaign.campaign import Cap, Sample
from services.notifier.campaign.condition import Surroundings
from services.notifier.delivery.customers import CustomerNow, Whose
from services.notifier.delivery.delivery import Outcome
from services.notifier.file.campaigns import _CAMPAIGN_KEYS, Loaded, Rules, load_text
from services.notifier.file.trigger_fields import _KEYS
from services.notifier.http.api import Progress, make_app
from services.notifier.http.operate import make_router
from services.notifier.operate.trial import Trial
from services.notifier.store_sql.deliveries import SqlDeliveries
from services.notifier.unsubscribe import UnsubscribeLinks
from services.stager.condition import compile_condition, offer_of
from services.stager.language.file import load_text as load_lifecycle
from shared.clock import DAY_MS, SystemClock
from shared.database import make_engine

PAGE = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text()
LIFECYCLE, *EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def load(example: str) -> Loaded:
    lifecycles = load_lifecycle(LIFECYCLE, file="shop.yaml")
    assert lifecycles.faults == ()
    offers = {one.name: Surroundings(*offer_of(one)) for one in lifecycles.lifecycles}
    return load_text(example, Rules(compile_condition, offers), file="campaigns.md")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.partition("\n")[0])
def test_every_example_loads(example: str):
    loaded = load(example)
    assert [fault.render() for fault in loaded.faults] == []
    assert loaded.campaigns


def test_the_examples_mean_what_the_page_says():
    campaigns = {one.name: one for example in EXAMPLES for one in load(example).campaigns}
    assert campaigns["win-back"].cap == Cap(2, 7 * DAY_MS)
    assert campaigns["spring-offer"].sample == Sample("spring", 100_000, 100_000)
    end_ms, start_ms = campaigns["spring-offer"].end_ms, campaigns["spring-offer"].start_ms
    assert end_ms is not None
    assert start_ms is not None
    assert end_ms - start_ms == 31 * DAY_MS
    assert campaigns["reach-somehow"].fallbacks == {2}
    assert campaigns["welcome"].trigger.came_from == {"prospect", None}


@pytest.mark.parametrize("word", [*_CAMPAIGN_KEYS, *_KEYS, *map(str, Outcome)])
def test_every_key_and_outcome_is_explained(word: str):
    assert re.search(rf"`{word}`|^{word}:", PAGE, re.MULTILINE), word


class NoCustomers:
    """Nobody is known."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def look(self, wanted: Collection[Whose]) -> dict[Whose, CustomerNow]:
        return dict.fromkeys(wanted, CustomerNow())


async def no_progress() -> Progress:
    return Progress(behind=0, pending=0)


async def test_every_route_is_listed(tmp_path: Path):
    deliveries = SqlDeliveries(make_engine(f"sqlite+aiosqlite:///{tmp_path}/none.db"))
    links, clock = UnsubscribeLinks(), SystemClock()
    trial = Trial({}, NoCustomers(), {}, partitions=1, links=links, clock=clock)
    routes = make_router(deliveries, trial, clock=clock, on_enabled=lambda: None)
    app = make_app(deliveries, admin_token="", is_ready=lambda: None, progress=no_progress, operate=routes)
    paths = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}
    await deliveries.close()
    assert {path for path in paths if path not in PAGE} == set()
