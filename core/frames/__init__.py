"""Frames and their way: intake, queue and leases, outcome, commit."""
