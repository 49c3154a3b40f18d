"""A story: what happens to one customer, step by step, and where they must then be.

Frozen values, made by `file.py`. Knows nothing of YAML but the places to which a difference points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.document.nodes import Node

HappeningType = Literal["track", "page", "screen", "identify", "group"]
NO_STAGE = "none"  # how a story says that there is no stage


@dataclass(frozen=True, slots=True)
class Happening:
    """One event. `members` are decoded JSON: the properties, or the traits of an identify or a group.

    `late_ms`: it occurred so long before it was received. `twice`: it is sent again with the same id.
    """

    type: HappeningType
    name: str
    members: Mapping[str, Any]
    late_ms: int = 0
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """A change that must have happened; None: not said. Stages by name, NO_STAGE for none."""

    place: Node
    change: Literal["moved", "lingered"]
    from_stage: str | None = None
    to_stage: str | None = None
    nth: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """In which stage of which lifecycle (None: the story's) the customer must stand after a step.

    `lifecycle_place` is where the lifecycle is named, None where it is not.
    """

    place: Node
    lifecycle: str | None
    stage: str
    lifecycle_place: Node | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Time passes until `at_ms`, something happens (or nothing), then all that follows must be so.

    `changes` are all the changes of the step in order (None: not said), `among` some of them.
    """

    place: Node
    at_ms: int
    happening: Happening | None = None
    standings: Sequence[Standing] = ()
    among: Sequence[Expected] = ()
    changes: Sequence[Expected] | None = None
    changes_place: Node | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """`given` are the files of its lifecycles, `lifecycle` the one it is about (None: the only one)."""

    place: Node
    title: str
    given: tuple[Path, ...]
    lifecycle: str | None
    lifecycle_place: Node
    customer: str
    steps: tuple[Step, ...]
