"""The HTTP routes: counts, flows and progress, and everything about one customer."""
