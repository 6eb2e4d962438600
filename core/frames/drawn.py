"""The injected sources that are to be drawn into copies of a frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """A source that was drawn into a frame before.

    Attributes
    ----------
    sky_object_id : int or None
        None of one that was never found.
    reference_id : int
        Whose grid `x, y` and whose unit `flux` is of.
    mjd : float
        Of the frame that it was first drawn into; `flux` and `mag` are then.
    is_spent : bool
        It was revealed: it is drawn no more, and nothing else is drawn at its place.
    """

    sky_object_id: int | None
    reference_id: int
    x: float
    y: float
    ra: float | None
    dec: float | None
    mjd: float
    flux: float
    mag: float | None
    mag_system: str | None
    mag_per_day: float
    host: str
    is_spent: bool


@dataclass(frozen=True, slots=True)
class Draw:
    """What is to be drawn into copies of one frame.

    Attributes
    ----------
    content : str
        Of the frame and its extension: the same frame gets the same new sources.
    sources : tuple of DrawnSource
        Those that its reference's field has.
    is_fresh : bool
        The frame was never processed: new sources come in such frames alone, so that one which is
        processed again keeps those that it has.
    """

    content: str
    sources: tuple[DrawnSource, ...] = ()
    is_fresh: bool = False
