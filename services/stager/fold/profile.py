"""The profile: all that the log has taught us about one customer, and its bytes.

Mutable, owned by the fold: only `Partition` changes one. It decides nothing; it only remembers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.stager.fold.fingerprints import DIGEST_BYTES, id_digest
from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.traits import Traits

if TYPE_CHECKING:
    from services.stager.fold.rules import Rules

FORMAT: Final = 2  # raised when the bytes change their shape

RECENT_IDS_MAX: Final = 32  # LANGUAGE.md 4
_RECENT_BYTES_MAX: Final = RECENT_IDS_MAX * DIGEST_BYTES


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


class Body(msgspec.Struct, array_like=True, frozen=True):
    """What the bytes of a profile hold. `marks` are those of the metrics whose memories follow, in the same order."""

    format: int
    born: int
    clock_ms: int
    historical_ms: int | None
    recent: bytes
    traits: bytes
    marks: bytes
    memories: list[Any]
    places: dict[str, Place]


_UNKNOWN: Final = Body(FORMAT, 0, BEGINNING, None, b"", b"", b"", [], {})
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Body).decode


class Profile:
    """One customer.

    `is_new`: never evaluated. `traits_changed` is set with every change of a trait and reset by whoever keeps them.
    `historical_ms` is the log's time of the latest folded record if that is historical, else None. `memories` and
    `places` stand in the order of the rules' metrics and lifecycles; `pending`: a lifecycle has another meaning than
    when it was last evaluated, so the next record evaluates all.
    """

    __slots__ = (
        "_packed_traits",
        "_places_by_name",
        "_traits",
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
        "traits_changed",
    )

    def __init__(self, customer: str, body: Body, places: dict[str, Place]) -> None:
        self.customer = customer
        self.born = body.born
        self.clock_ms = body.clock_ms
        self.historical_ms = body.historical_ms
        self.recent = body.recent
        self.traits_changed = False
        self._packed_traits = body.traits
        self._traits: Traits | None = None
        self._places_by_name = places
        self.is_new = self.pending = True
        self.due_or_never_ms = NEVER
        self.rules: Rules | None = None
        self.memories: list[Any] = []
        self.places: list[Place | None] = []

    @property
    def due_ms(self) -> int | None:
        """The next deadline over all lifecycles, or None."""
        return None if self.due_or_never_ms >= NEVER else self.due_or_never_ms

    @property
    def historical(self) -> bool:
        """Whether the latest folded record is historical."""
        return self.historical_ms is not None

    @property
    def traits(self) -> Traits:
        """The traits, opened when somebody first asks."""
        if self._traits is None:
            self._traits = Traits(self._packed_traits)
        return self._traits

    def traits_json(self) -> bytes:
        """A JSON object of the current traits, in order of name."""
        return self.traits.as_json()

    def remembers(self, event_id: str) -> bool:
        """Whether an id is among those of the last folded records."""
        return holds(self.recent, id_digest(event_id))

    def remember(self, event_id: str) -> bool:
        """Keep the digest of a record's id, and forget the oldest; false when it is there already: nothing changes."""
        recent, digest = self.recent, id_digest(event_id)
        if digest in recent and holds(recent, digest):
            return False
        self.recent = recent + digest if len(recent) < _RECENT_BYTES_MAX else recent[DIGEST_BYTES:] + digest
        return True

    def live_under(self, rules: Rules) -> None:
        """Make room for the metrics and lifecycles of these rules, for a new profile."""
        self.rules = rules
        self.memories = [None] * len(rules.metrics)
        self.places = [None] * len(rules.lifecycles)

    def put(self, index: int, name: str, place: Place) -> None:
        """Keep the first place in a lifecycle, given by its index and name."""
        self.places[index] = self._places_by_name[name] = place

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
        marks, memories = b"", []
        for (mark, pack), memory in zip(self.rules.packing, self.memories, strict=True):
            if memory is not None:
                marks += mark
                memories.append(memory if pack is None else pack(memory))
        traits = self._packed_traits if self._traits is None else self._traits.pack()
        heading = (FORMAT, self.born, self.clock_ms, self.historical_ms, self.recent, traits)
        return _encode((*heading, marks, memories, self._places_by_name))

    def go_on(self, rules: Rules, marks: bytes, stored: list[Any]) -> None:
        """Live under these rules with the memories that were stored; a metric of another meaning starts anew."""
        self.rules, self.is_new, self.pending = rules, False, False
        self.memories = memories = [None] * len(rules.metrics)
        for (index, unpack), memory in zip(rules.unpacking(marks), stored, strict=True):
            if index is not None:
                memories[index] = memory if unpack is None else unpack(memory)
        for lifecycle in rules.lifecycles:
            # A lifecycle that was taken away keeps its place by name: should it come back, its chain goes on.
            place = self._places_by_name.get(lifecycle.name)
            self.places.append(place)
            if place is None or place.version != lifecycle.fingerprint:
                self.pending = True
            if place is not None and place.due_ms < self.due_or_never_ms:
                self.due_or_never_ms = place.due_ms


def holds(digests: bytes, digest: bytes) -> bool:
    """Whether it is one of them, and not the end of one and the begin of the next."""
    place = digests.find(digest)
    while place >= 0 and place % DIGEST_BYTES:
        place = digests.find(digest, place + 1)
    return place >= 0


def new_profile(customer: str) -> Profile:
    """A customer of whom nothing is known yet."""
    return Profile(customer, _UNKNOWN, {})


def decode_profile(customer: str, body: bytes, rules: Rules) -> Profile:
    """The profile of its bytes under these rules; metrics of another meaning start anew."""
    decoded = _decode(body)
    assert decoded.format == FORMAT, f"profile bytes of format {decoded.format} are not known"
    profile = Profile(customer, decoded, decoded.places)
    profile.go_on(rules, decoded.marks, decoded.memories)
    return profile
