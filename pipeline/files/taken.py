"""What is taken of a file's header, in lines for whoever wonders whether it was read as it is meant."""

from __future__ import annotations

from astropy.wcs.utils import proj_plane_pixel_scales

from pipeline.files.doubts import doubts
from pipeline.frame import Exposure, RawFrame


def taken(raw: RawFrame) -> list[str]:
    """What a frame was taken for, its time, its detector and its place, and a line for each doubt."""
    exposure = raw.exposure
    doubtful = dict.fromkeys((*raw.notes, *doubts(raw)))
    return [_taken_when(exposure), _detector(exposure), _place(raw), *doubtful]


def _taken_when(exposure: Exposure) -> str:
    time = "at an unknown time" if exposure.mjd is None else f"middle at MJD {exposure.mjd:.5f} UTC"
    length = "of unknown length" if exposure.exposure_s is None else f"{exposure.exposure_s:g} s"
    with_what = f"filter {exposure.filter or '-'}, instrument {exposure.instrument or '-'}"
    return f"{exposure.kind}, {length}, {time}, {with_what}"


def _detector(exposure: Exposure) -> str:
    told = (
        ("gain", exposure.gain, "electrons a unit"),
        ("read noise", exposure.read_noise, "electrons"),
        ("full at", exposure.saturation, "units"),
        ("airmass", exposure.airmass, ""),
    )
    return ", ".join(
        f"{name} -" if value is None else f"{name} {value:.5g} {unit}".rstrip() for name, value, unit in told
    )


def _place(raw: RawFrame) -> str:
    if raw.wcs is None:
        return "no WCS"
    height, width = raw.data.shape
    ra, dec = raw.wcs.all_pix2world([[(width - 1) / 2.0, (height - 1) / 2.0]], 0)[0]
    scales = " x ".join(f"{3600.0 * scale:.4g}" for scale in proj_plane_pixel_scales(raw.wcs))
    return f"centre {ra % 360.0:.5f} {dec:+.5f}, pixels of {scales} arcsec"
