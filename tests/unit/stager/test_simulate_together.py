"""A simulation that is shared gives, byte for byte, what one alone gives."""

from __future__ import annotations

import json
import multiprocessing
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pytest

from services.stager.commands.simulate import Report, run_simulation
from services.stager.fold.rules import Rules, compile_rules
from services.stager.simulate.share import Share
from services.stager.simulate.simulation import Simulation, simulate
from services.stager.simulate.summary import Summary
from services.stager.simulate.together import Together, hands_in_processes
from shared.errors import Refused
from shared.transition import encode_lines
from tests.oracle.generate import draw_case
from tests.oracle.real import load

P = ParamSpec("P")
R = TypeVar("R")

SHOP = """
lifecycle: shop
metrics:
  orders: {count: Order Completed}
  last_order: {last: Order Completed}
stages:
  - stage: new
  - stage: active
    when: orders >= 1
  - stage: silent
    when: since(last_order) >= 2d
    linger: 1d
"""


class NearHand:
    """A share in this process, which answers at once."""

    def __init__(self, share: Share) -> None:
        self._share = share

    def ask(self, method: Callable[Concatenate[Share, P], R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        answered: Future[R] = Future()
        answered.set_result(method(self._share, *arguments, **named))
        return answered


def near_hands(rules: Rules, count: int, *, summarised: bool = False) -> Sequence[NearHand]:
    return [NearHand(Share(rules, summary=Summary(rules) if summarised else None)) for _ in range(count)]


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_however_many_share_the_customers_the_transitions_are_the_same(first: int) -> None:
    for seed in range(first, first + 20):
        case = draw_case(seed)
        rules, lines = compile_rules(load(case.text)), [line.encode() + b"\n" for line in case.lines]
        bad_alone: list[int] = []
        bad_together: list[int] = []
        alone = simulate(
            lines, rules, until_ms=case.until_ms, on_bad_line=lambda number, _, bad=bad_alone: bad.append(number)
        )
        expected = encode_lines(list(alone))

        together = Together(
            near_hands(rules, 1 + seed % 4),
            until_ms=case.until_ms,
            on_bad_line=lambda number, _, bad=bad_together: bad.append(number),
        )
        found = b"".join(together.run(lines, page_lines=1 + seed % 7))

        assert (found, bad_together) == (expected, bad_alone), f"seed {seed}"


@pytest.mark.parametrize("first", range(200, 240, 20))
def test_however_many_share_the_customers_the_summary_is_the_same(first: int) -> None:
    for seed in range(first, first + 20):
        case = draw_case(seed)
        rules, lines = compile_rules(load(case.text)), [line.encode() for line in case.lines]
        simulation, alone, summed = Simulation(rules), Summary(rules), Summary(rules)
        for change in simulate(lines, rules, until_ms=case.until_ms, on_bad_line=ignored, simulation=simulation):
            alone.take(change)
        alone.stand(simulation.profiles)

        together = Together(near_hands(rules, 3, summarised=True), until_ms=case.until_ms, on_bad_line=ignored)
        printed = b"".join(together.run(lines, page_lines=5))
        together.add_to(summed)

        assert (printed, summed.render()) == (b"", alone.render()), f"seed {seed}"
        assert together.seen("u1") == simulation.seen("u1")


def test_a_share_hears_of_the_import_of_others() -> None:
    importing, late, present = (customer_of_share(share) for share in (0, 1, 0))
    lines = [
        historical(importing, received="2026-02-01T00:09:00Z"),
        historical(late, received="2026-02-01T00:00:00Z"),  # sleeps until 10 minutes after the line above, not before
        order(present, at="2026-02-01T00:12:00Z"),
    ]
    rules = compile_rules(load(SHOP))
    alone = encode_lines(list(simulate(lines, rules, until_ms=None, on_bad_line=ignored)))

    together = Together(near_hands(rules, 2), until_ms=None, on_bad_line=ignored)

    assert b"".join(together.run(lines, page_lines=1)) == alone


def customer_of_share(share: int) -> str:
    return next(name for name in iter(lambda: secrets.token_hex(4), "") if hash(name) % 2 == share)


def historical(customer: str, *, received: str) -> bytes:
    return order(customer, at="2026-01-01T00:00:00Z", receivedAt=received, historical=True)


def order(customer: str, *, at: str, **others: object) -> bytes:
    return json.dumps({"userId": customer, "event": "Order Completed", "timestamp": at, **others}).encode()


def ignored(number: int, reason: str) -> None:
    """A bad line that does not matter."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A lifecycle, and 9,000 lines of 300 customers: some twice, some bad, one empty."""
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    lines = [
        json.dumps(
            {
                "messageId": number % 8_500,
                "userId": number * 7 % 300,
                "event": "Order Completed",
                "timestamp": f"2026-01-{1 + number // 300:02d}T{number // 13 % 24:02d}:00:00Z",
            }
        )
        for number in range(9_000)
    ]
    lines[100], lines[5_000], lines[8_000] = "{", '{"userId": 7, "timestamp": "2026-01-09"}', ""
    (tmp_path / "events.ndjson").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "report", [Report(), Report(customer="7"), Report(summary=True), Report(customer="7", summary=True)]
)
def test_processes_print_what_one_prints(shop: Path, report: Report, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def printed(processes: int) -> tuple[int, bytes, bytes]:
        events = str(shop / "events.ndjson")
        code = run_simulation(
            [shop / "shop.yaml"], events=events, until="2026-03-01", report=report, processes=processes
        )
        out, error = capfdbinary.readouterr()
        return code, out, error

    code, out, error = printed(1)

    assert (code, error.count(b"\n"), bool(out)) == (1, 2, True)
    assert printed(2) == (code, out, error)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_speed_counts_the_lines_that_were_folded(
    shop: Path, processes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    report = Report(summary=True, speed=True)

    run_simulation(
        [shop / "shop.yaml"], events=str(shop / "events.ndjson"), until="2026-01-30", report=report, processes=processes
    )

    assert "\n8,710 events of 300 customers in " in capfd.readouterr().err  # of 9,000: 3 are none, 287 come later


def test_a_process_that_dies_is_an_error_with_a_name() -> None:
    with pytest.raises(Refused, match="a process of the simulation was killed"):
        simulate_and_kill()


def simulate_and_kill() -> None:
    with hands_in_processes(2, load(SHOP), summarised=False, customer=None) as hands:
        assert hands[0].ask(Share.seen, None).result(timeout=60).customers == 0
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        list(Together(hands, until_ms=None, on_bad_line=ignored).run([b"{}"]))
