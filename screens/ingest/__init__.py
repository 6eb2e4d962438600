"""The ingest screen."""
