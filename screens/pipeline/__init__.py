"""The pipeline screen."""
