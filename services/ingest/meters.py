"""Ingest's metrics. Labels are closed sets: routes, results and the names of write keys."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Histogram

_requests = Counter("stageline_ingest_requests", "Requests by route and status.", ["route", "status"])
_events = Counter("stageline_ingest_events", "Events by write key and result.", ["source", "result"])

append_seconds = Histogram(
    "stageline_ingest_append_seconds",
    "Seconds until the log acknowledged one append.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


_violations = Counter(
    "stageline_ingest_schema_violations", "Events that break their schema, by write key and event.", ["source", "event"]
)


@lru_cache(maxsize=4096)  # write keys times schemas
def violation_count(source: str, event: str) -> Counter:
    """The counter of this write key's events of this name that break their schema."""
    return _violations.labels(source, event)


@lru_cache(maxsize=1024)  # routes times statuses: a few dozen
def request_count(route: str, status: int) -> Counter:
    """The counter of requests of this route answered with this status."""
    return _requests.labels(route, str(status))


@lru_cache(maxsize=1024)  # four times the number of write keys
def event_count(source: str, result: str) -> Counter:
    """The counter of events of this write key with this result: `accepted`, `refused`, `limited` or `unavailable`."""
    return _events.labels(source, result)
