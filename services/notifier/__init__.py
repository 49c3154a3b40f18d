"""Notifier: turns transitions into messages, each decided once."""
