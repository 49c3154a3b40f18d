"""What a simulation did, for people: a table of each lifecycle's stages and a picture of who went where.

Memory grows with stages and moves, not with transitions: stays are kept as counts of lengths, each within 3 percent.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from services.stager.explain.as_text import say_span
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.profile import Profile
from services.stager.fold.rules import Rules
from shared.transition import Transition

_BAR_MAX: Final = 30  # characters of the longest bar: a line still fits in a terminal of 80
_STEPS_PER_DOUBLING: Final = 24  # lengths of stay are told apart by a 24th of an octave: 3 percent
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_NOWHERE: Final = "(nowhere)"

Move = tuple[str | None, str | None]


class _Stays:
    """The lengths of ended visits to one stage, those within 3 percent of one another counted together."""

    def __init__(self) -> None:
        self.count = 0
        self.total_ms = 0
        self._counts: Counter[int] = Counter()
        self._totals_ms: Counter[int] = Counter()

    def take(self, stay_ms: int) -> None:
        self.count += 1
        self.total_ms += stay_ms
        length = round(math.log2(stay_ms + 1) * _STEPS_PER_DOUBLING)
        self._counts[length] += 1
        self._totals_ms[length] += stay_ms

    def add(self, other: _Stays) -> None:
        self.count += other.count
        self.total_ms += other.total_ms
        self._counts.update(other._counts)
        self._totals_ms.update(other._totals_ms)

    def median_ms(self) -> int:
        """The median: exact where few lengths are alike, else within 3 percent."""
        return (self._ranked_ms((self.count - 1) // 2) + self._ranked_ms(self.count // 2)) // 2

    def _ranked_ms(self, rank: int) -> int:
        """The length that so many shorter ones stand before, as the mean of those that are counted with it."""
        behind = 0
        for length in sorted(self._counts):
            behind += self._counts[length]
            if rank < behind:
                return self._totals_ms[length] // self._counts[length]
        return 0


class Tally:
    """One lifecycle's counts."""

    def __init__(self) -> None:
        self.moves: Counter[Move] = Counter()
        self.stays: defaultdict[str | None, _Stays] = defaultdict(_Stays)
        self.lingers: Counter[str | None] = Counter()
        self.standing: Counter[str | None] = Counter()

    def take(self, change: Transition) -> None:
        """Count one."""
        if change.change == "lingered":
            self.lingers[change.to_stage] += 1
            return
        self.moves[change.from_stage, change.to_stage] += 1
        if change.stay_ms is not None:
            self.stays[change.from_stage].take(change.stay_ms)

    def add(self, other: Tally) -> None:
        """Count what the other has counted."""
        self.moves += other.moves
        self.lingers += other.lingers
        self.standing += other.standing
        for stage, stays in other.stays.items():
            self.stays[stage].add(stays)


class Summary:
    """Counts transitions as they come, those of one customer if one is named; `render` tells what they came to."""

    def __init__(self, rules: Rules, *, customer: str | None = None) -> None:
        self._rules = rules
        self._customer = customer
        self.tallies = {lifecycle.name: Tally() for lifecycle in rules.lifecycles}

    def take(self, change: Transition) -> None:
        """Count one."""
        if self._customer is None or change.customer == self._customer:
            self.tallies[change.lifecycle].take(change)

    def stand(self, profiles: Mapping[str, Profile]) -> None:
        """Count where these customers stand at the end."""
        counted = [profile for profile in profiles.values() if self._customer in (None, profile.customer)]
        for lifecycle in self._rules.lifecycles:
            places = [profile.places[lifecycle.index] for profile in counted]
            self.tallies[lifecycle.name].standing.update(place.stage if place is not None else None for place in places)

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Count what was counted elsewhere, of other customers."""
        for name, tally in tallies.items():
            self.tallies[name].add(tally)

    def render(self) -> str:
        """The text."""
        blocks = []
        for lifecycle in self._rules.lifecycles:
            tally = self.tallies[lifecycle.name]
            lines = [*_table(lifecycle, tally), "", *_flow(lifecycle, tally)]
            blocks.append("\n".join(line.rstrip() for line in lines))
        return "\n\n".join(blocks) + "\n"


def _table(lifecycle: CompiledLifecycle, tally: Tally) -> Iterator[str]:
    """Each stage: who is there, how often it was entered and left, and how long the ended visits lasted.

    Of each stage those who entered and did not leave are there now, as everyone begins somewhere.
    """
    standing = tally.standing
    customers = standing.total()
    kind = "segment" if lifecycle.segment else "lifecycle"
    yield f"{kind} {lifecycle.name}: {customers:,} customer{'' if customers == 1 else 's'}"
    yield ""
    yield (
        f"  {'stage':<20} {'now':>9} {'share':>6} {'entered':>9} {'left':>9} {'median stay':>12} {'mean stay':>12} "
        f"{'lingered':>9}"
    )
    names: list[str | None] = [*lifecycle.stages, *([None] if standing[None] else [])]
    begin = next(iter(lifecycle.stages)) if lifecycle.segment else None  # where everyone is at first, without a move
    for name in names:
        now, stays = standing[name], tally.stays[name]
        entered = sum(count for (_, to), count in tally.moves.items() if to == name)
        entered += customers if name == begin else 0
        share = f"{now / customers:.0%}" if customers else ""
        median, mean = (
            (say_span(stays.median_ms()), say_span(stays.total_ms // stays.count)) if stays.count else ("", "")
        )
        left = sum(count for (came, _), count in tally.moves.items() if came == name)
        label = _short(name or _NOWHERE, 20)
        yield (
            f"  {label:<20} {now:>9,} {share:>6} {entered:>9,} {left:>9,} {median:>12} {mean:>12} "
            f"{tally.lingers[name]:>9,}{'' if entered or not customers else '  never entered'}"
        )


def _flow(lifecycle: CompiledLifecycle, tally: Tally) -> Iterator[str]:
    """For each stage where its visitors went: forward with an arrow to the right, back with one to the left."""
    order = {name: place for place, name in enumerate(lifecycle.stages)}
    most = max(tally.moves.values(), default=0)
    if not most:
        yield "  nobody moved"
    for source in (None, *lifecycle.stages):
        moves = {to: count for (came, to), count in tally.moves.items() if came == source}
        if not moves:
            continue
        left = sum(moves.values())
        yield f"  {source or _NOWHERE}"
        targets = sorted(moves, key=lambda name: (-moves[name], order.get(name or "", -1)))
        for target in targets:
            is_last = target is targets[-1]
            is_back = order.get(target or "", -1) < order.get(source or "", -1)
            arrow = f"{'└' if is_last else '├'}─{'◀' if is_back else '▶'}"
            count = moves[target]
            bar = _bar(count / most)
            yield f"    {arrow} {_short(target or _NOWHERE, 20):<20} {count:>9,} {count / left:>5.0%}  {bar}"


def _bar(part: float) -> str:
    """A bar in eighths of a character; never quite empty for what is there at all."""
    eighths = max(1, round(part * _BAR_MAX * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
