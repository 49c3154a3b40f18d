"""Deliveries, customers and transitions on PostgreSQL and SQLite."""
