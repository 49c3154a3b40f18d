"""The store on PostgreSQL and SQLite: adapters of one port, and the tables they share."""
