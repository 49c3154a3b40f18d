"""Campaigns + transition + now = decisions; pure."""
