"""What the stager counts, for `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_LATENESS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

FOLDED = Counter("stageline_stager_records_total", "Records of the events topic that were folded or passed.")
QUARANTINED = Counter("stageline_stager_quarantined_total", "Records that could not be used.")
TRANSITIONS = Counter("stageline_stager_transitions_total", "Transitions committed, by change.", ["change"])
MOVED = TRANSITIONS.labels("moved")
LINGERED = TRANSITIONS.labels("lingered")
RECOVERIES = Counter("stageline_stager_recoveries_total", "Times that unsaved work was dropped and claimed again.")
OWNED = Gauge("stageline_stager_partitions_owned", "Partitions that this process works off.")
SAVE_SECONDS = Histogram("stageline_stager_save_seconds", "Seconds that one SQL transaction took.")
PUBLISH_SECONDS = Histogram("stageline_stager_publish_seconds", "Seconds that writing one batch to the topics took.")
LATENESS_SECONDS = Histogram(
    "stageline_stager_lateness_seconds",
    "Seconds from the instant a transition by time was due to the commit that recorded it.",
    buckets=_LATENESS_BUCKETS,
)
