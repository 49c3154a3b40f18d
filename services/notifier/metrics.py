"""The notifier's metrics; what each counts stands in its HELP text."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DECIDED = Counter(
    "stageline_notifier_decisions_total",
    "Deliveries decided, by channel and by the outcome they begin with.",
    ["channel", "outcome"],
)
ATTEMPTS = Counter(
    "stageline_notifier_deliveries_total", "Delivery attempts, by channel and outcome.", ["channel", "outcome"]
)
JUDGED = Counter(
    "stageline_notifier_judged_total", "Deliveries that the send contract did not let out, by outcome.", ["outcome"]
)
UNKNOWN_ZONES = Counter(
    "stageline_notifier_unknown_zones_total", "Customers' time zones that are none: the default was used instead."
)
CIRCUITS_OPEN = Gauge("stageline_notifier_circuits_open", "Endpoints that are left alone for a while.", ["channel"])
SEND_SECONDS = Histogram(
    "stageline_notifier_send_seconds",
    "How long one attempt took.",
    ["channel"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
)
SKIPPED = Counter("stageline_notifier_skipped_records_total", "Records of `transitions` that are no transitions.")
LAG = Gauge("stageline_notifier_lag_records", "Records of `transitions` not yet decided, over all owned partitions.")
OUTAGES = Counter("stageline_notifier_outages_total", "How often a server that is needed did not answer.", ["during"])
