"""The topics of one Stageline, by name and shape (DESIGN.md 4)."""

from __future__ import annotations

from dataclasses import dataclass

from shared.log import Topic


@dataclass(frozen=True, slots=True)
class Topics:
    """Full topic names under a prefix, all with the same number of partitions where a customer's place matters."""

    prefix: str
    partitions: int

    @property
    def events(self) -> str:
        """What ingest writes, keyed by customer."""
        return f"{self.prefix}.events"

    @property
    def transitions(self) -> str:
        """Every change; partition p is written only by the owner of events[p]."""
        return f"{self.prefix}.transitions"

    @property
    def stages(self) -> str:
        """Compacted: each customer's current stage, keyed `lifecycle/customer`."""
        return f"{self.prefix}.stages"

    @property
    def imports(self) -> str:
        """Compacted: how far each import came, for those who send one again."""
        return f"{self.prefix}.imports"

    def all(self) -> list[Topic]:
        """Every topic as `Log.ensure` wants it.

        Only `events` is compressed: outsiders read the others, not every client knows zstd, and gzip costs an eighth of
        the stager's time.
        """
        return [
            Topic(self.events, self.partitions, codec="zstd"),
            Topic(self.transitions, self.partitions),
            Topic(self.stages, self.partitions, compacted=True),
            Topic(self.imports, 1, compacted=True),
        ]
