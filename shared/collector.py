"""Python's cyclic garbage collector, told to leave hot paths in peace: what they make is much, and forms no cycles."""

from __future__ import annotations

import gc

GC_THRESHOLD = 100_000  # a batch makes some 50,000 short-lived objects; the default collects 70 times within it


def tune_collector() -> None:
    """What start-up made stays for good, and a batch leaves no cycles: collecting often costs a fifth of the speed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
