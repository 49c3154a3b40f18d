"""Explain: why a customer is where they are, clause by clause, and when that changes by itself. Pure."""
