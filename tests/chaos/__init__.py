"""Exactly once, shown: kills, outages and zombies, and at the end nothing missing and nothing doubled."""
