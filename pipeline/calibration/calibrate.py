"""From the counts of a raw frame to electrons with a variance and a mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from core.vocabulary import FrameKind, MaskPlane
from pipeline.calibration.background import sky_level
from pipeline.calibration.cosmic_rays import find_cosmic_rays
from pipeline.calibration.due import due, unless_below
from pipeline.calibration.illumination import vignetted
from pipeline.calibration.masters import Masters
from pipeline.calibration.noise import detector_of, sky_noise
from pipeline.calibration.overscan import trim
from pipeline.calibration.variance import (
    MODEL_SMOOTHING_PX,
    dark_current,
    noise_of_masters,
    sky_variance,
    source_model,
    under_flat,
    with_masters,
)
from pipeline.files.headers import gain_of
from pipeline.files.readout import stacked_of
from pipeline.frame import Exposure, Frame, FrameRefused, Image, MaskImage, RawFrame
from pipeline.neighbourhood import blurred, gaussian_taps, grown, patches, places

PLATEAU_PIXELS = 3  # so many pixels at the largest value side by side: the detector or digitiser is full
PLATEAU_SHARE = 0.25  # of all pixels, at most
PLATEAU_MARGIN = 0.98
DIGITISER_FULL = 65535.0  # of 16 bits, where nothing else tells
WHOLE_PX = 8  # every so many rows and columns tell whether pixels are whole numbers
NOISE_ROWS = 256  # at least, tell of the noise
# Of a row's pixels so many are at the least value beside one that is not: at random, 28 % are at it.
MOST_CUT_OFF = 0.2
# A sky that was not flat is cut off unevenly: of nearly half of all pixels so many are, and of borders none.
HALF, MOST_OF_HALF = 0.4, 0.12
ROUND_FIELD = 0.25  # of a square frame is no more than what a round field leaves dark
COLD_SIGMA = 10.0  # so far below the sky is no light, but a pixel that does not work
NEIGHBOUR_SIGMA_PX = 1.0  # of the weights by which a hit pixel is filled from its neighbours
NEIGHBOUR_LEAST = 0.15  # of all weight must lie on good pixels, or the sky fills it


def calibrate(raw: RawFrame, masters: Masters | None, settings: Settings) -> Frame:
    """Calibrate one frame.

    In this order: saturation is marked in the file's own values; overscan, bias, dark and flat are
    applied where there are any; gain and read noise are settled (`pipeline.calibration.noise`);
    sky, variance and cosmic rays follow. What the header says was done is not done again.

    Parameters
    ----------
    raw : RawFrame
    masters : Masters, optional
        Of the trimmed frame's shape.
    settings : Settings
        ``camera`` stands in where the header is silent.

    Returns
    -------
    Frame
        Electrons. Bad pixels and cosmic rays hold values interpolated from their neighbours
        (`MaskPlane.INTERPOLATED`), or the sky where those are bad too. Where the sky is dark because
        the optics let no light through, and no flat says so, the mask is `MaskPlane.BAD`.

    Raises
    ------
    FrameRefused
        The frame is no science frame, of another size than its masters, or has no good pixel; or the noise
        of its sky is cut off.
    """
    if raw.exposure.kind is not FrameKind.SCIENCE:
        raise FrameRefused(f"it is a {raw.exposure.kind} frame, not one of the sky")
    masters = masters and due(masters, raw.header)
    exposure = _with_settings(raw, settings)
    exposure, measured = _with_measured(exposure, raw, masters)
    _check_noise(raw.data, raw.mask == 0)
    saturation = _full(raw.data, raw.mask == 0, exposure.saturation)
    some = raw.data[::WHOLE_PX, ::WHOLE_PX]
    are_whole = bool((some == np.rint(some)).all())
    trimmed = trim(replace(raw, mask=raw.mask | _saturated(raw.data, saturation)))
    raw = trimmed.raw
    masters = masters and unless_below(masters, raw.data, exposure.exposure_s or 0.0)
    counts, mask, response = _corrected(raw, masters, exposure)
    current = dark_current(masters, exposure)
    pedestal = trimmed.pedestal
    if masters is not None and masters.bias is not None:
        pedestal += float(np.median(masters.bias[::4, ::4]))
    bad = mask != 0
    if bad.all():
        share = float(np.mean((mask & np.uint16(MaskPlane.SATURATED)) != 0))
        cause = f": {share:.0%} are saturated, at {saturation:g} and above" if share > 0 else ""
        raise FrameRefused(f"none of its pixels is good{cause}")

    sky, dark = _sky(counts, mask, bad, settings.calibrate.background_mesh_px, has_flat=response is not None)
    noise = sky_noise(counts, sky, bad)
    # What dark current and masters leave of themselves is noise, which else were taken for a wrong gain.
    added, of_flat = noise_of_masters(masters, exposure)
    noise = with_masters(noise, float(np.median(current)), added, of_flat)
    brightest = float(np.max(np.where(bad, np.float32(-np.inf), counts - sky)))
    detector = detector_of(exposure, noise, brightest, are_whole=are_whole, count=stacked_of(raw.header))

    # From here on in place: a copy more of each image would make this what takes most memory of all.
    gain = np.float32(detector.gain)
    data, level = np.multiply(counts, gain, out=counts), np.multiply(sky, gain, out=sky)
    quiet = sky_variance(
        level, current * gain + np.float32(added * detector.gain**2), response, of_flat, detector
    )
    sigma = np.sqrt(quiet)
    mask[(data - level < np.float32(-COLD_SIGMA) * sigma) & ~bad] |= np.uint16(MaskPlane.BAD)
    if settings.calibrate.cosmic_rays:
        hits = _cosmic_rays(data - level, quiet, mask, settings.calibrate.cosmic_ray_sigma)
        mask[hits] |= np.uint16(MaskPlane.COSMIC_RAY)
    fill_bad(data, level, mask)
    unknown = (mask & ~np.uint16(MaskPlane.SATURATED | MaskPlane.INTERPOLATED)) != 0
    sources = source_model(data - level, sigma, unknown)
    del sigma
    flat_error = np.float32(settings.calibrate.flat_error)
    variance = quiet
    variance += sources if response is None else sources / response
    if response is not None and of_flat > 0.0:
        variance += under_flat(sources, level, response, of_flat)
    sources *= flat_error
    variance += np.square(sources, out=sources)
    return Frame(
        data=data,
        background=level,
        variance=variance,
        mask=mask,
        exposure=exposure,
        header=raw.header,
        wcs=raw.wcs,
        gain=detector.gain,
        read_noise=detector.read_noise,
        saturation=(saturation - pedestal) * detector.gain,
        origin=trimmed.origin,
        notes=(
            *raw.notes,
            *(masters.notes if masters is not None else ()),
            *_without_length(masters, exposure),
            *measured,
            *detector.notes,
            *_told(dark),
        ),
    )


def fill_bad(data: Image, level: Image, mask: MaskImage) -> None:
    """Give masked pixels a value, in place: from good neighbours where there are enough, else the sky.

    Saturated pixels keep theirs: it is the least that they can be. What is filled from neighbours is
    marked `MaskPlane.INTERPOLATED`.
    """
    unknown = (mask & ~np.uint16(MaskPlane.SATURATED | MaskPlane.INTERPOLATED)) != 0
    if not unknown.any():
        return
    taps = gaussian_taps(NEIGHBOUR_SIGMA_PX, truncate=3.0)
    bell = np.outer(taps, taps)
    rows, columns = places(unknown & grown(~unknown, len(taps) // 2))
    good = bell * ~patches(unknown, rows, columns, len(taps))
    weight = good.sum(axis=(1, 2))
    enough = weight > NEIGHBOUR_LEAST
    rows, columns, good, weight = rows[enough], columns[enough], good[enough], weight[enough]
    around = patches(data, rows, columns, len(taps)) - patches(level, rows, columns, len(taps))
    data[unknown] = level[unknown]
    data[rows, columns] += np.einsum("nij,nij->n", good, around) / weight
    mask[rows, columns] |= np.uint16(MaskPlane.INTERPOLATED)


def _with_settings(raw: RawFrame, settings: Settings) -> Exposure:
    """The exposure with the camera's settings where its header is silent."""
    camera, exposure = settings.camera, raw.exposure
    return replace(
        exposure,
        gain=exposure.gain or gain_of(raw.header, exposure.exposure_s, camera.gain),
        read_noise=exposure.read_noise or camera.read_noise or None,
        saturation=exposure.saturation or camera.saturation or None,
    )


def _with_measured(
    exposure: Exposure, raw: RawFrame, masters: Masters | None
) -> tuple[Exposure, tuple[str, ...]]:
    """The exposure with the gain that flats tell where nothing else does, and what is to be said of that."""
    if exposure.gain is not None or masters is None:
        return exposure, ()
    found = masters.transfer
    gain = None if found is None else gain_of(raw.header, exposure.exposure_s, found.gain)
    if found is None or gain is None:
        return exposure, (f"its gain cannot be measured: {masters.untold}",) * bool(masters.untold)
    return replace(exposure, gain=gain, read_noise=exposure.read_noise or found.read_noise), (found.sentence,)


def _check_noise(data: Image, good: NDArray[np.bool_]) -> None:
    """Refuse a frame that was cut off at its sky: half of the noise tells nothing of what is significant."""
    rows = np.s_[:: max(1, data.shape[0] // NOISE_ROWS)]
    least = float(data[rows].min(where=good[rows], initial=np.inf))
    at_least = (data[rows] == np.float32(least)) & good[rows]
    # A border without data is at the least value too, but its pixels lie side by side.
    alone = at_least[:, :-1] & ~at_least[:, 1:]
    most = MOST_OF_HALF if at_least.mean() > HALF else MOST_CUT_OFF
    if alone.size and alone.mean() > most:
        raise FrameRefused(
            f"{at_least.mean():.0%} of its pixels hold its least value, {least:g}: the noise of its sky is "
            "cut off there, or hardly a photon fell on a pixel; give it as it was before that, or bin it",
            float(at_least.mean()),
        )


def _full(data: Image, good: NDArray[np.bool_], told: float | None) -> float:
    """Where a frame is full, in its data's units, where that may be told.

    Several good pixels beside each other at exactly the largest value are a plateau. It counts where nothing
    is told, or more than any pixel holds, as is the full well of some cameras; without one nothing is full,
    and the limit is that of 16 bits or the brightest pixel. What the file calls bad, such as a hot column,
    may hold any number.
    """
    largest = float(data.max(where=good, initial=0.0))
    if told is not None and told <= largest:
        return told
    plateau = good & (data >= largest)
    share = np.count_nonzero(plateau) / data.size
    if share < PLATEAU_SHARE and largest > 2.0 * max(float(np.median(data)), 0.0) and _touching(plateau):
        return PLATEAU_MARGIN * largest
    return told or max(largest, DIGITISER_FULL)


def _touching(pixels: NDArray[np.bool_]) -> bool:
    """Whether so many of some pixels touch one of them, itself among them, as make a plateau."""
    beside = patches(pixels, *places(pixels), 3)
    return bool((np.count_nonzero(beside, axis=(1, 2)) >= PLATEAU_PIXELS).any())


def _saturated(data: Image, saturation: float) -> MaskImage:
    """Pixels at or beyond full well, and those beside them, into which charge leaks first."""
    full = data >= saturation
    if full.any():
        full = grown(full, 1)
    marked: MaskImage = full * np.uint16(MaskPlane.SATURATED)
    return marked


def _corrected(
    raw: RawFrame, masters: Masters | None, exposure: Exposure
) -> tuple[Image, MaskImage, Image | None]:
    """Bias, dark and flat applied: the counts, the mask, and the flat by which they were divided."""
    counts, mask = raw.data.copy(), raw.mask.copy()
    if masters is None:
        return counts, mask, None
    if masters.shape is not None and masters.shape != counts.shape:
        height, width = masters.shape
        raise FrameRefused(
            f"{exposure.name} is {counts.shape[1]} x {counts.shape[0]} pixels without overscan, "
            f"its calibration frames {width} x {height}: compare TRIMSEC or DATASEC in their headers"
        )
    if masters.bias is not None:
        counts -= masters.bias
    if masters.dark is not None:
        counts -= masters.dark * np.float32(exposure.exposure_s or 0.0)
    response = masters.flat
    if response is not None:
        response = np.where(response > 0.0, response, np.float32(1.0))
        counts /= response
    if masters.bad is not None:
        mask[masters.bad] |= np.uint16(MaskPlane.BAD)
    return counts, mask, response


def _sky(
    counts: Image, mask: MaskImage, bad: NDArray[np.bool_], mesh_px: int, *, has_flat: bool
) -> tuple[Image, float]:
    """The level of the sky, and the part of what was good that lies in the dark without a flat that says so.

    That part is marked in mask and bad; what nothing was written to is bad already.
    """
    sky = sky_level(counts, bad, mesh_px)
    dark = None if has_flat else vignetted(counts, sky, bad)
    if dark is None or not dark.any():
        return sky, 0.0
    part = np.count_nonzero(dark & ~bad) / dark.size
    mask[dark] |= np.uint16(MaskPlane.BAD)
    bad |= dark
    return sky_level(counts, bad, mesh_px), part


def _without_length(masters: Masters | None, exposure: Exposure) -> tuple[str, ...]:
    """A sentence where a dark is there, and nobody knows how much of it."""
    if masters is None or masters.dark is None or exposure.exposure_s:
        return ()
    return ("no dark current is taken from it: no exposure time (EXPTIME) can be read in its header",)


def _told(dark: float) -> tuple[str, ...]:
    """A sentence where more lies in the dark than a round field leaves of a square."""
    if dark <= ROUND_FIELD:
        return ()
    return (f"{dark:.0%} of it are much darker than the rest, and left out as if no light came there",)


def _cosmic_rays(signal: Image, quiet: Image, mask: MaskImage, sigma: float) -> NDArray[np.bool_]:
    """The pixels that were hit, by the noise of the sky (electrons squared) and of a smooth model."""
    dead = (mask & MaskPlane.BAD) != 0
    noise2 = blurred(np.where(dead, np.float32(0.0), signal), MODEL_SMOOTHING_PX)
    np.maximum(noise2, np.float32(0.0), out=noise2)
    noise2 += quiet
    return find_cosmic_rays(signal, noise2, dead, (mask & MaskPlane.SATURATED) != 0, sigma)
