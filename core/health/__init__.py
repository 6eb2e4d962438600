"""Whether all is well: checks, events, alerts."""
