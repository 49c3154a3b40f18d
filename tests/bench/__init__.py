"""The benchmark: real Kafka, real PostgreSQL, real processes; prints a table and writes JSON."""
