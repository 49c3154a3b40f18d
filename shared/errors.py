"""Every failure that Stageline names, in four families told apart by what the catcher does next.

    StagelineError
    ├── Malformed      quarantine it: the input can never be used
    ├── Refused        tell the caller: a request or a setting that cannot be granted as it stands
    ├── Conflict       reload and go on: somebody else has moved on meanwhile
    │   └── FenceLost  the partitions have another owner
    └── Unavailable    retry later: a server does not answer

Adapters translate what their libraries raise into these; nothing else crosses a port.
"""

from __future__ import annotations


class StagelineError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().partition("\n")[0])


class Malformed(StagelineError):
    """The input cannot be used, now or later."""


class Refused(StagelineError):
    """The request cannot be granted as it stands."""


class Conflict(StagelineError):
    """Somebody else has changed this meanwhile."""


class FenceLost(Conflict):
    """Another owner has claimed these partitions: drop them, nothing was saved."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"partitions {sorted(partitions)} have another owner now; nothing was saved")
        self.partitions = partitions


class Unavailable(StagelineError):
    """A server that is needed does not answer."""
