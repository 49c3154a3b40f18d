"""Ingest: customer events come in over HTTP and stand in the log before the answer goes out."""
