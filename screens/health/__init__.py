"""The health screen."""
