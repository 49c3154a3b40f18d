"""The profile: all that the log has taught us about one customer, and its bytes.

Mutable, owned by the fold: only `Partition` changes one. It decides nothing; it only remembers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.stager.fold.fingerprints import DIGEST_BYTES
from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.traits import Traits

if TYPE_CHECKING:
    from services.stager.fold.rules import Rules

FORMAT: Final = 1  # raised when the bytes change their shape

RECENT_IDS_MAX: Final = 32  # LANGUAGE.md 4


class Place(msgspec.Struct, array_like=True):
    """Where a customer stands in one lifecycle.

    `version` is the fingerprint of the lifecycle it was last evaluated under; `due_ms` its next deadline (NEVER: none);
    `n` counts transitions, `lingers` those emitted in this visit, `entries` the visits to each stage; `left_ms` says
    when each stage was last left, for the stages that ask (`re_enter: {after: D}`).
    """

    version: int
    stage: str | None
    since_ms: int
    due_ms: int = NEVER
    n: int = 0
    lingers: int = 0
    entries: dict[str, int] = {}
    left_ms: dict[str, int] = {}


class _Body(msgspec.Struct, array_like=True):
    """The bytes of a profile. `metrics` is flat: the fingerprint of a meaning, its memory, the next fingerprint, ..."""

    format: int
    born: int
    clock_ms: int
    historical_ms: int | None
    recent: bytes
    traits: bytes
    metrics: list[Any]
    places: dict[str, Place]


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(_Body).decode


class Profile:
    """One customer.

    `is_new`: never evaluated. `traits_changed` is set with every change of a trait and reset by whoever keeps them.
    `historical_ms` is the log's time of the latest folded record if that is historical, else None. `memories` and
    `places` stand in the order of the rules' metrics and lifecycles; `pending`: a lifecycle has another meaning than
    when it was last evaluated, so the next record evaluates all.
    """

    __slots__ = (
        "_elsewhere",
        "born",
        "clock_ms",
        "customer",
        "due_or_never_ms",
        "historical_ms",
        "is_new",
        "memories",
        "pending",
        "places",
        "recent",
        "rules",
        "traits",
        "traits_changed",
    )

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.is_new = True
        self.born = 0
        self.clock_ms = BEGINNING
        self.historical_ms: int | None = None
        self.recent = b""
        self.traits = Traits()
        self.traits_changed = False
        self.pending = True
        self.rules: Rules | None = None
        self.memories: list[Any] = []
        self.places: list[Place | None] = []
        self._elsewhere: dict[str, Place] = {}
        self.due_or_never_ms = NEVER

    @property
    def due_ms(self) -> int | None:
        """The next deadline over all lifecycles, or None."""
        return None if self.due_or_never_ms >= NEVER else self.due_or_never_ms

    @property
    def historical(self) -> bool:
        """Whether the latest folded record is historical."""
        return self.historical_ms is not None

    def traits_json(self) -> bytes:
        """A JSON object of the current traits, in order of name."""
        return self.traits.as_json()

    def remembers(self, digest: bytes) -> bool:
        """Whether a digest is among those of the last folded records."""
        if digest not in self.recent:
            return False
        place = self.recent.find(digest)
        while place >= 0 and place % DIGEST_BYTES:
            place = self.recent.find(digest, place + 1)
        return place >= 0

    def remember(self, digest: bytes) -> None:
        """Keep the digest of a folded record, and forget the oldest."""
        self.recent = (self.recent + digest)[-RECENT_IDS_MAX * DIGEST_BYTES :]

    def live_under(self, rules: Rules) -> None:
        """Make room for the metrics and lifecycles of these rules, for a new profile."""
        self.rules = rules
        self.memories = [None] * len(rules.metrics)
        self.places = [None] * len(rules.lifecycles)

    def rearm(self) -> None:
        """Work the next deadline out again from the places."""
        due_ms = NEVER
        for place in self.places:
            if place is not None and place.due_ms < due_ms:
                due_ms = place.due_ms
        self.due_or_never_ms = due_ms

    def encode(self) -> bytes:
        """The bytes from which `decode_profile` makes the same profile: a pure function of what it holds."""
        assert self.rules is not None, "a profile that was never folded has no bytes"
        metrics: list[Any] = []
        for metric, memory in zip(self.rules.metrics, self.memories, strict=True):
            if memory is not None:
                metrics += (metric.fingerprint, memory if metric.pack is None else metric.pack(memory))
        places = dict(self._elsewhere)
        for lifecycle, place in zip(self.rules.lifecycles, self.places, strict=True):
            if place is not None:
                places[lifecycle.name] = place
        traits = self.traits.pack()
        return _encode(
            _Body(FORMAT, self.born, self.clock_ms, self.historical_ms, self.recent, traits, metrics, places)
        )

    def _load(self, body: _Body, rules: Rules) -> None:
        self.is_new = False
        self.born, self.clock_ms, self.historical_ms = body.born, body.clock_ms, body.historical_ms
        self.recent, self.traits, self.rules = body.recent, Traits(body.traits), rules
        self.memories = [None] * len(rules.metrics)
        pairs = iter(body.metrics)
        for mark, stored in zip(pairs, pairs, strict=True):
            index = rules.index_of.get(mark)
            if index is not None:
                unpack = rules.metrics[index].unpack
                self.memories[index] = stored if unpack is None else unpack(stored)
        places = body.places
        # A lifecycle that was taken away keeps its place: should it come back, its chain goes on where it stood.
        self.places = [places.pop(lifecycle.name, None) for lifecycle in rules.lifecycles]
        self._elsewhere = places
        self.pending = any(
            place is None or place.version != lifecycle.fingerprint
            for lifecycle, place in zip(rules.lifecycles, self.places, strict=True)
        )
        self.rearm()


def new_profile(customer: str) -> Profile:
    """A customer of whom nothing is known yet."""
    return Profile(customer)


def decode_profile(customer: str, body: bytes, rules: Rules) -> Profile:
    """The profile of its bytes under these rules; metrics of another meaning start anew."""
    profile = Profile(customer)
    decoded = _decode(body)
    assert decoded.format == FORMAT, f"profile bytes of format {decoded.format} are not known"
    profile._load(decoded, rules)  # noqa: SLF001  # this function is the class's second constructor
    return profile
