"""Metrics: one module a family; `registry` is the one place that knows them all."""
