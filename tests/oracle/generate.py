"""A random case from a seed: lifecycles as values and as text, the lines of a history, and `until`."""

from __future__ import annotations

from dataclasses import dataclass

from services.stager.language.definition import Lifecycle
from tests.oracle.draw_file import draw_lifecycles
from tests.oracle.draw_history import draw_history
from tests.oracle.render import render_file
from tests.oracle.world import draw_world


@dataclass(frozen=True)
class Case:
    """What both interpreters get."""

    lifecycles: tuple[Lifecycle, ...]
    lines: tuple[str, ...]
    until_ms: int | None

    @property
    def text(self) -> str:
        """The YAML file that says the same."""
        return render_file(self.lifecycles)


def draw_case(seed: int, *, spine: bool = False, only: tuple[str, ...] = ()) -> Case:
    """The case of a seed, the same for ever."""
    world = draw_world(seed, spine=spine, only=only)
    lifecycles = draw_lifecycles(world)
    lines, until_ms = draw_history(world)
    return Case(lifecycles, tuple(lines), until_ms)
