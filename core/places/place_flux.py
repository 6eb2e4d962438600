"""The flux at a place in each of some frames: a row a frame, also where there is none, with the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from core.database.records import finite
from core.database.tables import ForcedFlux
from core.objects.curve_table import COLUMNS as OF_CURVES
from core.objects.curve_table import UCDS as OF_CURVE_UCDS
from core.objects.curve_table import Column, curve_row
from core.objects.light_curve import forced_point
from core.places.story_parts import FrameStory
from core.vocabulary import OWN

MEASURED = "measured"
FAILED = "failed"  # it should have been measured, and could not be

COLUMNS = (
    Column("id", int, None, "number of the frame in the store"),
    Column("frame", str, None, "name of the frame"),
    *OF_CURVES[:5],
    Column("snr", float, None, "flux over flux_err, signed"),
    *OF_CURVES[5:],
    Column("x", float, "pix", "place on the reference's grid, from 0"),
    Column("y", float, "pix", "place on the reference's grid, from 0"),
    Column("status", str, None, "measured, or why not: masked, not covered, rejected, failed, ..."),
    Column("reason", str, None, "why there is no flux"),
)
UCDS = OF_CURVE_UCDS | {
    "id": "meta.id;obs.image", "frame": "meta.id;obs.image", "snr": "stat.snr",
    "x": "pos.cartesian.x;instr.det", "y": "pos.cartesian.y;instr.det", "status": "meta.code",
    "reason": "meta.note",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlaceFlux:
    """What one frame says of a place.

    Attributes
    ----------
    frame : FrameStory
        What became of the place when the frame was processed.
    status : str
        ``measured``, ``failed``, or the fate of the place.
    x, y : float or None
        On the reference's grid.
    flux : ForcedFlux or None
        Belongs to no object, and to no row of the store.
    reason : str or None
        Why there is no flux.
    other_settings : bool
        The frame was processed with other settings than it is measured with.
    """

    frame: FrameStory
    status: str
    x: float | None = None
    y: float | None = None
    flux: ForcedFlux | None = None
    reason: str | None = None
    other_settings: bool = False

    def row(self) -> dict[str, Any]:
        """The row of the table, by the names of `COLUMNS`; what is unknown is none."""
        values = dict.fromkeys((column.name for column in COLUMNS), None) | {
            "id": self.frame.id,
            "frame": self.frame.frame,
            "mjd": finite(self.frame.mjd),
            "source": OWN,
            "filter": self.frame.filter,
            "is_limit": False,
            "reference": self.frame.reference,
            "x": self.x,
            "y": self.y,
            "status": self.status,
            "reason": self.reason,
        }
        if self.flux is None:
            return values
        found = curve_row(forced_point(self.flux, reference=self.frame.reference))
        found["mjd"] = values["mjd"]
        near = self.frame.candidates
        return (
            values
            | found
            | {
                "snr": finite(self.flux.flux / self.flux.flux_err),
                "candidate": near[0].candidate if near else None,
            }
        )


def flux_of(
    frame: FrameStory,
    flux: float,
    flux_err: float,
    unit: str,
    zeropoint: float | None,
    mag_system: str | None,
) -> ForcedFlux:
    """A flux at a place, as one of a known object is kept."""
    return ForcedFlux(
        difference_id=0,
        sky_object_id=0,
        mjd=frame.mjd if frame.mjd is not None else math.nan,
        filter=frame.filter,
        flux=flux,
        flux_err=flux_err,
        flux_unit=unit,
        zeropoint=zeropoint,
        mag_system=mag_system,
    )
