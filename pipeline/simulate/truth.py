"""The truth table: one row for everything that was put into a frame and is not always there."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

from pipeline.simulate.detector import READ_NOISE, Ray
from pipeline.simulate.events import Event, Streak
from pipeline.simulate.telescope import Pointing

NAN = float("nan")
UNITS = {
    "mjd": "d",
    "ra": "deg",
    "dec": "deg",
    "x": "pix",
    "y": "pix",
    "x_end": "pix",
    "y_end": "pix",
    "mag": "mag",
    "flux_electrons": "electron",
    "change_electrons": "electron",
}
DECIMALS = {"mjd": 6, "ra": 8, "dec": 8, "mag": 4}  # others 3
DESCRIPTIONS = {
    "file": "the frame, relative to the table",
    "epoch": "reference or science",
    "kind": "transient, fading, variable, moving, streak or cosmic_ray",
    "x": "0-based pixel centre in the raw frame; of a streak or cosmic ray, where it begins",
    "mag": "empty where nothing shines",
    "flux_electrons": "above the air's losses, before the flat field's",
    "change_electrons": "flux less the mean of the reference epochs, in this frame's electrons",
    "snr": "of the flux, in a matched filter with the true PSF against sky and read noise alone",
    "snr_change": "of the change, likewise and with its sign",
    "host": "a galaxy's id in the catalogue, or none",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in one frame; the units are those of `UNITS`."""

    file: str
    epoch: str
    mjd: float
    kind: str
    id: str
    ra: float
    dec: float
    x: float
    y: float
    x_end: float
    y_end: float
    mag: float
    flux_electrons: float
    change_electrons: float
    snr: float
    snr_change: float
    host: str


def event_rows(
    file: str, epoch: str, pointing: Pointing, events: Iterable[Event], reference_mjd: Sequence[float]
) -> list[Row]:
    """The rows of one frame for all that changes; nothing for what is neither there nor gone."""
    wcs = pointing.wcs()
    height, width = pointing.psf.shape
    rows = []
    for event in events:
        ra, dec = event.position(pointing.mid_mjd)
        x, y = (float(value) for value in wcs.all_world2pix(ra, dec, 0))
        mag = event.curve.magnitude(pointing.mid_mjd)
        flux = pointing.electrons(mag)
        change = flux - _reference_flux(event, pointing, reference_mjd) if epoch == "science" else 0.0
        inside = -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
        if not inside or (flux == 0.0 and change == 0.0):
            continue
        noise = np.sqrt(pointing.psf.noise_pixels(x, y) * (pointing.sky + READ_NOISE**2))
        rows.append(
            Row(
                file=file,
                epoch=epoch,
                mjd=pointing.mid_mjd,
                kind=event.kind,
                id=event.id,
                ra=ra,
                dec=dec,
                x=x,
                y=y,
                x_end=NAN,
                y_end=NAN,
                mag=mag if np.isfinite(mag) else NAN,
                flux_electrons=flux,
                change_electrons=change,
                snr=flux / noise,
                snr_change=change / noise,
                host=event.host,
            )
        )
    return rows


def _reference_flux(event: Event, pointing: Pointing, reference_mjd: Sequence[float]) -> float:
    """What the reference holds of an event, in this frame's electrons; a moving object is never there."""
    if event.kind == "moving" or not reference_mjd:
        return 0.0
    return float(np.mean([pointing.electrons(event.curve.magnitude(mjd)) for mjd in reference_mjd]))


def streak_row(file: str, epoch: str, pointing: Pointing, streak: Streak) -> Row:
    """The row of a satellite's trail: the part within the frame."""
    streak = streak.inside(pointing.psf.shape)
    return _track_row(
        file,
        epoch,
        pointing,
        "streak",
        "streak0",
        (streak.x, streak.y, streak.x_end, streak.y_end),
        streak.electrons_per_px * streak.length,
    )


def ray_rows(file: str, epoch: str, pointing: Pointing, rays: Iterable[Ray]) -> list[Row]:
    """The rows of one frame's cosmic rays."""
    return [
        _track_row(
            file,
            epoch,
            pointing,
            "cosmic_ray",
            f"ray{i}",
            (ray.x, ray.y, ray.x_end, ray.y_end),
            ray.electrons,
        )
        for i, ray in enumerate(rays)
    ]


def _track_row(
    file: str,
    epoch: str,
    pointing: Pointing,
    kind: str,
    name: str,
    track: tuple[float, float, float, float],
    electrons: float,
) -> Row:
    wcs: WCS = pointing.wcs()
    ra, dec = (float(value) for value in wcs.all_pix2world(track[0], track[1], 0))
    return Row(
        file=file,
        epoch=epoch,
        mjd=pointing.mid_mjd,
        kind=kind,
        id=name,
        ra=ra,
        dec=dec,
        x=track[0],
        y=track[1],
        x_end=track[2],
        y_end=track[3],
        mag=NAN,
        flux_electrons=electrons,
        change_electrons=electrons,
        snr=NAN,
        snr_change=NAN,
        host="none",
    )


def as_table(rows: Sequence[Row]) -> Table:
    """The rows as a table with units and descriptions."""
    names = [field.name for field in fields(Row)]
    table = Table(rows=[astuple(row) for row in rows], names=names)
    for name, column in table.columns.items():
        column.unit = UNITS.get(name)
        column.description = DESCRIPTIONS.get(name)
        if column.dtype.kind == "f":
            column[:] = np.round(column, DECIMALS.get(name, 3))
    return table
