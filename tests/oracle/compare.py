"""Both readings of LANGUAGE.md on the same random cases: `python -m tests.oracle.compare --seeds 0..5000 [--spine]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from services.stager.language.definition import Lifecycle
from tests.oracle import interpreter, real
from tests.oracle.generate import Case, draw_case
from tests.oracle.shrink import shrink

Transitions = list[dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """A case on which the two disagree, and the first place."""

    case: Case
    what: str
    expected: object
    found: object

    def render(self) -> str:
        """All that is needed to judge it by hand."""
        lines = "\n".join(self.case.lines)
        places = f"expected {show(self.expected)}\nfound    {show(self.found)}"
        return f"{self.what}\n{self.case.text}\n{lines}\n--until {self.case.until_ms}\n{places}"


def compare(case: Case) -> Difference | None:
    """The first difference, or None. Cases that take too long count as equal."""
    try:
        lifecycles = real.load(case.text)
    except real.Rejected as error:
        return Difference(case, "the loader rejects the file", None, str(error))
    unlike = definition_difference(case, lifecycles)
    if unlike is not None:
        return unlike
    try:
        expected, expected_bad = interpreter.simulate(lifecycles, case.lines, case.until_ms)
    except interpreter.TooLong:
        return None
    try:
        found, found_bad = real.simulate(lifecycles, case.lines, case.until_ms)
        stored = real.simulate_stored(lifecycles, case.lines, case.until_ms)
    except Exception as error:  # whatever the real one dies of is what we want to see
        return Difference(case, f"it crashes: {type(error).__name__}", None, str(error))
    if expected_bad != found_bad:
        return Difference(case, "bad lines", expected_bad, found_bad)
    return transition_difference(case, expected, found) or stored_difference(case, expected, stored)


def definition_difference(case: Case, lifecycles: tuple[Lifecycle, ...]) -> Difference | None:
    """Whether the loader understood the file as it was meant."""
    for meant, loaded in zip(sorted(case.lifecycles, key=lambda one: one.name), lifecycles, strict=True):
        bare = replace(loaded, version=meant.version)
        if real.canonical(bare) != real.canonical(meant):
            return Difference(case, "the loader reads another file", meant, bare)
    return None


def transition_difference(case: Case, expected: Transitions, found: Transitions) -> Difference | None:
    """The first transition that is not the same, and whether only the order is another."""
    for i in range(max(len(expected), len(found))):
        ours = expected[i] if i < len(expected) else None
        theirs = found[i] if i < len(found) else None
        if plain(ours) != plain(theirs) or list(ours or ()) != list(theirs or ()):
            return Difference(case, f"transition {i + 1} of {len(expected)} (found {len(found)})", ours, theirs)
    return None


def stored_difference(case: Case, expected: Transitions, stored: Transitions) -> Difference | None:
    """Whether profiles that go through their bytes at each step tell the same."""
    for transition in stored:
        del transition["id"]
    difference = transition_difference(case, expected, stored)
    return difference and replace(difference, what=f"bytes: {difference.what}")


def plain(value: Any) -> Any:
    """A value in which 1 and true differ, and so do 1 and 1.0, however a fraction is kept."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return (type(value).__name__, value) if not isinstance(value, float) else ("Decimal", Decimal(repr(value)))


def show(value: object) -> str:
    """A value on one line."""
    return json.dumps(value, default=str, ensure_ascii=False)


def differences(seeds: range, *, spine: bool, only: tuple[str, ...]) -> Iterator[tuple[int, Difference]]:
    """Every seed on which the two disagree."""
    for seed in seeds:
        difference = compare(draw_case(seed, spine=spine, only=only))
        if difference is not None:
            yield seed, difference


def shrunk(difference: Difference) -> Difference:
    """The same fault in its smallest case."""

    def differs(case: Case) -> bool:
        other = compare(case)
        return other is not None and kind_of(other) == kind_of(difference)

    return compare(shrink(difference.case, differs)) or difference


def kind_of(difference: Difference) -> str:
    """What sort of fault it is, so that shrinking does not end at another one."""
    return difference.what.split(" ")[0] + str(type(difference.found).__name__ if "crashes" in difference.what else "")


def main() -> int:
    """Print every difference, shrunk; 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0..500", help="FROM..TO")
    parser.add_argument("--spine", action="store_true", help="only the plainest metrics")
    parser.add_argument("--only", nargs="*", default=[], help="only metrics of these functions")
    parser.add_argument("--most", type=int, default=5, help="stop after so many differences")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split(".."))
    count = 0
    seeds = range(first, last)
    for seed, difference in differences(seeds, spine=options.spine, only=tuple(options.only)):
        count += 1
        sys.stdout.write(f"==== seed {seed}: {shrunk(difference).render()}\n")
        sys.stdout.flush()
        if count >= options.most:
            break
    sys.stdout.write(f"{count} differences\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
