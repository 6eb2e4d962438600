"""Reading what observatories write."""
