"""What makes the time or the place of a frame doubtful, by its file alone: told, and the frame is used."""

from __future__ import annotations

from pipeline.files.celestial import LEFT_OUT
from pipeline.files.headers import date_doubts, filter_doubt, unknown_length
from pipeline.frame import RawFrame


def doubts(raw: RawFrame) -> tuple[str, ...]:
    """Whoever owns the frame should know this, a sentence each without its full stop."""
    header, seconds = raw.header, raw.exposure.exposure_s
    found = [*date_doubts(header, seconds), unknown_length(header, seconds), filter_doubt(header)]
    found += [note for note in raw.notes if note.startswith(LEFT_OUT)]
    return tuple(each for each in found if each is not None)
