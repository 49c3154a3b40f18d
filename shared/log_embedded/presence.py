"""A sign that a process lives, which the operating system takes down with it, kill -9 included: a lock on a small file.

Leases alone would make everybody wait out a dead process's session timeout, a restarted process its own predecessor's.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Presence:
    """One process (one open log) beside the log's file."""

    def __init__(self, log_path: str, process: str) -> None:
        self._log_path = log_path
        self.process = process
        self._descriptor: int | None = None

    def show(self) -> None:
        """Be there until `hide` or the end of the process; only who reads needs it. Errors: OSError."""
        if self._descriptor is not None:
            return
        self._descriptor = os.open(self._sign(self.process), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def hide(self) -> None:
        """Be gone for everybody who looks."""
        if self._descriptor is not None:
            self._sign(self.process).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def is_gone(self, process: str) -> bool:
        """Whether that process has ended; its sign is cleared away then. In doubt it lives, and its lease decides."""
        sign = self._sign(process)
        try:
            descriptor = os.open(sign, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            with suppress(OSError):
                sign.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    def _sign(self, process: str) -> Path:
        return Path(f"{self._log_path}-alive-{process}")
