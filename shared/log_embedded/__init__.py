"""The embedded log: the port `shared/log.py` on one SQLite file, shared by the processes of one machine, durable."""

from shared.log_embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
