"""Bringing a frame onto the grid of its reference."""
