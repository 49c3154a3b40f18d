"""What time alone will do to a customer: the real fold, run forward on a copy of the profile.

Pure: the profile it is given is left as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.stager.explain.explanation import Foreseen
from services.stager.fold.instants import NEVER, instant_of
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, decode_profile
from services.stager.fold.rules import Rules
from shared.clock import rfc3339
from shared.errors import Refused

# A window of 512 entries has at most 1,024 deadlines; a few of them together, and whoever asks still waits for less
# than a tenth of a second.
STEPS_MAX: Final = 5_000
LAPSES_MAX: Final = 50_000  # to one instant: a linger each minute for a month, and a second or two of work
_LAST_MS: Final = instant_of("9990-01-01") or NEVER  # no calendar reaches further


class Outlook(NamedTuple):
    """The next move and the next linger before it, None where there is none.

    `cut_ms`: the search was given up there, and what comes later is not known; None: it went to the end.
    """

    move: Foreseen | None
    linger: Foreseen | None
    cut_ms: int | None = None


def copied(profile: Profile, rules: Rules) -> Profile:
    """A copy that may be changed."""
    return decode_profile(profile.customer, profile.encode(), rules)


def lapsed(profile: Profile, rules: Rules, at_ms: int) -> Profile:
    """A copy of the profile at an instant, if nothing happens until then. Errors: Refused when it is too far ahead."""
    copy, partition, until_ms = copied(profile, rules), Partition(rules), min(at_ms, _LAST_MS)
    for _ in range(LAPSES_MAX):
        if copy.due_or_never_ms > until_ms:
            return copy
        partition.lapse_one(copy, [])
    reached = rfc3339(copy.clock_ms)
    raise Refused(f"{LAPSES_MAX:,} deadlines pass until {reached}, and more follow: ask for an earlier time")


def outlook(profile: Profile, rules: Rules, lifecycle: int) -> Outlook:
    """What comes next in one lifecycle by itself."""
    copy = copied(profile, rules)
    for index, place in enumerate(copy.places):
        if place is not None and index != lifecycle:
            place.due_ms = NEVER
    copy.rearm()
    partition, linger, due_ms = Partition(rules), None, copy.due_ms
    for _ in range(STEPS_MAX):
        due_ms = copy.due_ms
        if due_ms is None or due_ms > _LAST_MS:
            return Outlook(None, linger)
        changes = partition.lapse((copy,), until_ms=due_ms)
        for change in changes:
            at_ms = instant_of(change.at)
            assert at_ms is not None
            if change.change == "moved":
                then = tuple(other.to_stage for other in changes[changes.index(change) + 1 :])
                return Outlook(Foreseen("moved", change.to_stage, at_ms, 0, then), linger)
            linger = linger or Foreseen("lingered", change.to_stage, at_ms, change.nth)
    return Outlook(None, linger, cut_ms=due_ms)
