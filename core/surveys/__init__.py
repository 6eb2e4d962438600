"""Alerts of surveys: what a packet says, and its way into the store."""
