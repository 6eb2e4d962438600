"""What a process loads that finds the rooms where they are, and no more: in milliseconds."""

import json

import astrid_tui
import core
import pipeline

LOADED = (json, astrid_tui, core, pipeline)


def loaded(*_: object) -> None:
    """Stands for what such a process would do."""
