"""What makes a frame doubtful by its file alone, as its time or its place: told, and the frame is used."""

from __future__ import annotations

from pipeline.files.celestial import LEFT_OUT
from pipeline.files.headers import date_doubts, filter_doubt, unknown_length, unreadable_cards, unusable_date
from pipeline.files.scaling import WRAPPED
from pipeline.frame import RawFrame


def doubts(raw: RawFrame) -> tuple[str, ...]:
    """Whoever owns the frame should know this, a sentence each without its full stop."""
    header, seconds = raw.header, raw.exposure.exposure_s
    found = [unreadable_cards(header)]
    if raw.exposure.mjd is None:
        found.append(unusable_date(header))  # which rejects a new frame, and no reference
    else:
        found += [*date_doubts(header, seconds), unknown_length(header, seconds)]
    if raw.exposure.filter is None:
        found.append(filter_doubt(header))
    found += [note for note in raw.notes if note.startswith((LEFT_OUT, WRAPPED))]
    return tuple(each for each in found if each is not None)
