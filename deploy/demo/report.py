"""What the demo prints: stages, moves, stays and messages; and whether these numbers agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

DAY_MS = 86_400_000
BAR_WIDTH = 36
FLOWS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Answers:
    """What the services answered: `/lifecycles`, `/flows` and `/progress` of the stager, the notifier's summary."""

    lifecycles: list[dict[str, Any]]
    flows: list[dict[str, Any]]
    progress: dict[str, Any]
    deliveries: list[dict[str, Any]]


def show(console: Console, answers: Answers) -> None:
    """Print it all."""
    everybody = sum(stage["customers"] for stage in _shop(answers)["stages"]) or 1
    for lifecycle in answers.lifecycles:
        console.print(_stages(lifecycle, everybody))
    console.print(_flows(answers.flows))
    console.print(_messages(answers.deliveries))


def contradictions(answers: Answers, *, customers: int) -> list[str]:
    """In what the numbers contradict each other; empty when they agree."""
    found = []
    for lifecycle in answers.lifecycles:
        name = lifecycle["lifecycle"]
        flows = [flow for flow in answers.flows if flow["lifecycle"] == name]
        entered = Counter[str]()
        for flow in flows:
            entered[flow["to_stage"]] += flow["moves"]
            entered[flow["from_stage"]] -= flow["moves"]
        found += [
            f"{name}/{stage['stage']}: {stage['customers']} are in it, moves say {entered[stage['stage']]}"
            for stage in lifecycle["stages"]
            if stage["stage"] != "out" and entered[stage["stage"]] != stage["customers"]
        ]
    placed = sum(stage["customers"] for stage in _shop(answers)["stages"])
    if placed != customers:
        found.append(f"{placed} customers have a stage, {customers} have bought")
    moved = sum(flow["moves"] for flow in answers.flows)
    if moved > answers.progress["transitions"]:
        found.append(f"{moved} moves are counted, but only {answers.progress['transitions']} transitions were recorded")
    return [*found, *_undecided(answers)]


def _undecided(answers: Answers) -> Iterable[str]:
    """Each move into a campaign's stage must have been decided once."""
    decided = Counter[str]()
    for row in answers.deliveries:
        decided[row["campaign"]] += row["deliveries"]
    for campaign, stage in (("welcome-back", "active"), ("goodbye", "churned")):
        moves = sum(f["moves"] for f in answers.flows if f["lifecycle"] == "shop" and f["to_stage"] == stage)
        if decided[campaign] != moves:
            yield f"campaign {campaign}: {moves} moves into {stage}, {decided[campaign]} decided"


def _shop(answers: Answers) -> dict[str, Any]:
    return next(lifecycle for lifecycle in answers.lifecycles if lifecycle["lifecycle"] == "shop")


def _stages(lifecycle: dict[str, Any], everybody: int) -> Group:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for stage in lifecycle["stages"]:
        if lifecycle["stages"][0]["stage"] == "out" and stage["stage"] == "out":
            continue
        share = stage["customers"] / everybody
        table.add_row(
            stage["stage"], f"{stage['customers']:>6,}", f"{share:>6.1%}", Text("█" * round(share * BAR_WIDTH), "cyan")
        )
    return Group(Text(f"\n{lifecycle['lifecycle']}: customers now", "bold"), table)


def _flows(flows: list[dict[str, Any]]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("lifecycle", "left"), ("from", "left"), ("to", "left"), ("moves", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich wants its own Literal
    table.add_column("mean stay before", justify="right")
    shown = sorted(flows, key=lambda flow: -flow["moves"])[:FLOWS_SHOWN]
    for flow in shown:
        stay = f"{flow['mean_stay_ms'] / DAY_MS:.1f} days" if flow["from_stage"] else ""
        table.add_row(flow["lifecycle"], flow["from_stage"] or "-", flow["to_stage"] or "-", f"{flow['moves']:,}", stay)
    rest = len(flows) - len(shown)
    kinds = "kind" if rest == 1 else "kinds"
    more = Text(f"... and {rest} more {kinds} of moves" if rest else "", "dim")
    return Group(Text("\nMoves between stages, and how long customers had stayed", "bold"), table, more)


def _messages(deliveries: list[dict[str, Any]]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("campaign", "outcome"):
        table.add_column(heading)
    table.add_column("messages", justify="right")
    for row in deliveries:
        table.add_row(row["campaign"], row["outcome"], f"{row['deliveries']:,}")
    note = Text("History is recorded and never sent: nobody gets a win-back mail for last year.", "dim")
    return Group(Text("Messages", "bold"), table, note)
