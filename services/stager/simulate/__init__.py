"""Simulate: the fold over a file of events, as a log with perfect ticks; what came of it, told and counted."""
