"""What a detector's noise says of its gain and read noise.

A header's gain is checked against the photons: on empty sky of level ``L`` (data units) the variance
of a pixel is ``L / g + (r / g)**2`` for a gain ``g`` (electrons per data unit) and a read noise ``r``
(electrons), the relation of the photon-transfer method (Janesick 2001, *Scientific CCDs*, chapter 2).
Gain wrong by a few per cent spoils the significance of everything, so what disagrees is replaced, and
said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Exposure, Image
from pipeline.neighbourhood import blurred, grown
from pipeline.quantile import MAD_TO_SIGMA, quantile

TOLERANCE = 0.2  # of the sky's standard deviation, beyond which the header is not believed
SCALED = 0.01  # a bias of 65535 counts and a noise of 3 electrons are above it
RESAMPLED = 0.45  # of the noise may be left to pixels that were resampled: less has another reason
# How many times the noise of the mean is left; a median of many has that of normal noise.
COMBINED_BY = {"mean": 1.0, "median": math.sqrt(math.pi / 2.0)}
SURELY_SECONDS = 15.0  # of shorter exposures resampled frames have as much less noise
QUIET_SHARE = 0.25  # of the good pixels, those with least light from sources, are the sky
FULL_WELL = 2e5  # electrons; hardly any pixel holds more, which bounds a gain that nothing else tells
MOST_WELLS = 5.0  # of a pixel in some exposures that were added up: of more they are no counts a second
LARGEST_READ_NOISE = 50.0  # electrons
HARDLY_SKY = 9.0  # electrons: their noise is less than that of reading
LEAST_OWN = 0.01  # of a sky's variance is the frame's own, however noisy its masters

NO_NOISE = 1e-6  # data units: taken where there is none

ENOUGH = 2**18  # pixels tell the noise to three parts in a thousand: of larger images some bands of rows do
BAND_ROWS = 64


@dataclass(frozen=True, slots=True)
class SkyNoise:
    """Level and standard deviation of a pixel of empty sky, in data units.

    To a detector's noise a dark current that was subtracted is a part of that level. ``beside`` is the
    variance that is neither of photons nor of reading: that of few calibration frames.
    """

    level: float
    sigma: float
    beside: float = 0.0

    @property
    def own_variance(self) -> float:
        """Of photons and of reading."""
        return max(self.sigma**2 - self.beside, LEAST_OWN * self.sigma**2)


CONTRADICTS = "contradicts the sky's noise"


@dataclass(frozen=True, slots=True)
class Detector:
    """The numbers that turn data units into electrons and their noise.

    ``sky_variance_factor`` is what the model's variance of the sky must be multiplied by to be what
    was measured; 1 where they agree.
    """

    gain: float
    read_noise: float
    sky_variance_factor: float
    notes: tuple[str, ...]


def sky_noise(data: Image, background: Image, bad: NDArray[np.bool_]) -> SkyNoise:
    """Measure the noise of empty sky in one image.

    The noise is that of second differences, so that neither stars in a crowded field nor gradients
    count; it is right for pixels whose noise is independent, which those of a resampled image are not.

    Parameters
    ----------
    data, background : (height, width) float32
    bad : (height, width) bool
        Pixels to leave out.
    """
    rows = some_rows(data)
    if bad[rows].all():
        rows = np.arange(len(data))
    data, bad = data[rows], bad[rows]
    excess: Image = np.where(bad, np.float32(0.0), data - background[rows])
    rough = roughness(excess)
    usable = ~grown(bad, 1)
    if not usable.any():
        usable = ~bad
    light = blurred(excess, 2.0)
    quiet = usable & (light <= quantile(light[usable], QUIET_SHARE))
    sample = rough[quiet]
    sigma = MAD_TO_SIGMA * quantile(np.abs(sample), 0.5)
    if sigma == 0.0:  # coarse digitisation: most neighbours are equal
        sigma = float(sample.std())
    return SkyNoise(level=quantile(data[quiet], 0.5), sigma=sigma if sigma > 0.0 else NO_NOISE)


def some_rows(image: Image) -> NDArray[np.intp]:
    """Bands of rows that tell an image's noise well enough."""
    every = max(1, image.size // ENOUGH)
    return np.flatnonzero(np.arange(len(image)) // BAND_ROWS % every == 0)


def roughness(image: Image) -> Image:
    """Second differences along both axes: blind to any slope and nearly blind to a resolved star.

    The noise of independent pixels stays what it is (Immerkær 1996, Computer Vision and Image
    Understanding 64, 300).
    """
    padded = np.pad(image, 1, mode="edge")
    down = padded[:-2] + padded[2:] - np.float32(2.0) * padded[1:-1]
    both: Image = down[:, :-2] + down[:, 2:] - np.float32(2.0) * down[:, 1:-1]
    both /= np.float32(6.0)
    return both


def detector_of(
    exposure: Exposure, sky: SkyNoise, brightest: float, *, are_whole: bool = False, count: int = 1
) -> Detector:
    """Settle the gain and the read noise of a frame.

    A known gain and read noise stand where the sky's noise agrees with them within 20 per cent. Else:

    - more noise than they explain, and no read noise known: the rest is read noise, if it is at most
      50 electrons;
    - more noise in spite of a known read noise: the gain is what makes the sky consistent; but of fractions
      that would be hardly an electron of sky, the sky was subtracted and its noise is as read noise;
    - that of the mean, the median or the sum of as many exposures as the header says it is of: it is that.
      But of whole numbers, which may have a pedestal, it is no mean, nor where resampled pixels have as much
      less noise: the header's gain may be that of the mean;
    - less noise: the level has a pedestal or frames were averaged. The gain stands, which
      overstates rather than understates the noise of sources, and the sky's variance is as measured;
    - as much less as counts a second have, and no whole numbers: that they are. Less than any pedestal
      explains: pixels were scaled, such as to 1 at most, and the gain is not theirs;
    - no gain known, nor measured (`pipeline.calibration.photon_transfer`): the one that makes the sky
      consistent, bounded so that the brightest pixel does not exceed 200,000 electrons, for a pedestal makes
      it too large without limit.

    Parameters
    ----------
    exposure : Exposure
        ``gain`` and ``read_noise`` as the header or the settings have them.
    sky : SkyNoise
        In data units.
    brightest : float
        The largest value above the sky, in data units.
    are_whole : bool
        Whether the pixels of the file are whole numbers: then they are a camera's counts, on a pedestal.
    count : int
        Of how many exposures the frame is, as its header counts them.
    """
    read_noise = exposure.read_noise or 0.0
    if exposure.gain is None:
        return _without_gain(sky, read_noise, brightest)
    gain = exposure.gain
    expected = max(sky.level, 0.0) / gain + (read_noise / gain) ** 2 + sky.beside
    ratio = sky.sigma / math.sqrt(expected) if expected > 0.0 else math.inf
    if abs(ratio - 1.0) <= TOLERANCE:
        return Detector(gain, read_noise, 1.0, ())
    if (combined := _of_combined(exposure, sky, ratio, count, are_whole=are_whole)) is not None:
        return combined
    if ratio < 1.0:
        return _quieter(exposure, sky, ratio, brightest, are_whole=are_whole)
    return _noisier(exposure, sky, are_whole=are_whole)


def _noisier(exposure: Exposure, sky: SkyNoise, *, are_whole: bool) -> Detector:
    """The detector of a frame whose noise is more than its gain implies."""
    gain, read_noise = exposure.gain or 1.0, exposure.read_noise or 0.0
    implied = gain * math.sqrt(max(sky.own_variance - max(sky.level, 0.0) / gain, 0.0))
    if exposure.read_noise is None and implied <= LARGEST_READ_NOISE:
        return Detector(gain, implied, 1.0, (f"read noise estimated from the sky: {implied:.1f} electrons",))
    estimated = _consistent_gain(sky, read_noise) if sky.level > 0.0 else 0.0
    if sky.level <= 0.0 or (not are_whole and estimated * sky.level < max(read_noise**2, HARDLY_SKY)):
        # Sky-subtracted: no photons to take a gain from.
        return Detector(
            gain, implied, 1.0, (f"the sky's noise, {implied:.1f} electrons, taken as read noise",)
        )
    note = f"gain {gain:.3g} {CONTRADICTS}: {estimated:.3g} estimated from it"
    return Detector(estimated, read_noise, 1.0, (note,))


def _of_combined(
    exposure: Exposure, sky: SkyNoise, ratio: float, count: int, *, are_whole: bool
) -> Detector | None:
    """That of exposures which were combined, where the header tells their number and the noise how.

    A mean of ``n`` has a gain of ``n g``, so that its sources have less noise as well as its sky.
    """
    gain, read_noise = exposure.gain or 1.0, exposure.read_noise or 0.0
    if count < 2 or sky.level <= 0.0:
        return None
    if not are_whole and ratio < RESAMPLED:
        off = {how: abs(ratio * math.sqrt(count) / noise - 1.0) for how, noise in COMBINED_BY.items()}
        how = min(off, key=lambda each: off[each])
        if off[how] <= TOLERANCE:
            as_mean = count / COMBINED_BY[how] ** 2
            note = f"its noise is that of the {how} of {count} exposures: gain {gain * as_mean:.3g}"
            return Detector(gain * as_mean, read_noise * math.sqrt(as_mean), 1.0, (note,))
    read_noise *= math.sqrt(count)
    of_sum = sky.sigma / math.sqrt(sky.level / gain + (read_noise / gain) ** 2 + sky.beside)
    if abs(of_sum - 1.0) <= TOLERANCE:
        return Detector(gain, read_noise, 1.0, (f"its noise is that of the sum of {count} exposures",))
    return None


def _quieter(
    exposure: Exposure, sky: SkyNoise, ratio: float, brightest: float, *, are_whole: bool
) -> Detector:
    """The detector of a frame whose noise is less than its gain implies, by the ratio of both."""
    gain, read_noise = exposure.gain or 1.0, exposure.read_noise or 0.0
    if not are_whole and (rate := _of_rate(exposure, sky, brightest)) is not None:
        return rate
    if not are_whole and ratio < SCALED:
        scaled = _without_gain(sky, read_noise, brightest)
        note = f"its pixels were scaled, and gain {gain:.3g} is not theirs: {scaled.gain:.3g} is assumed"
        return replace(scaled, notes=(note,))
    note = f"the sky's noise is {ratio:.2g} of what gain {gain:.3g} implies: taken as measured"
    return Detector(gain, read_noise, ratio**2, (note,))


def _of_rate(exposure: Exposure, sky: SkyNoise, brightest: float) -> Detector | None:
    """The detector of counts that were divided by their exposure, where their noise tells so.

    That of counts on a bias may be alike; but then the brightest pixel were one of too many electrons.
    """
    seconds, read_noise = exposure.exposure_s or 0.0, exposure.read_noise or 0.0
    gain = (exposure.gain or 1.0) * seconds
    if seconds < SURELY_SECONDS or sky.level <= 0.0 or brightest * gain > MOST_WELLS * FULL_WELL:
        return None
    expected = sky.level / gain + (read_noise / gain) ** 2
    if abs(sky.sigma / math.sqrt(expected) - 1.0) > TOLERANCE:
        return None
    note = "its noise is that of counts a second, and so they are taken, though BUNIT does not say it"
    return Detector(gain, read_noise, sky.sigma**2 / expected, (note,))


def _without_gain(sky: SkyNoise, read_noise: float, brightest: float) -> Detector:
    """The detector of a frame whose gain nobody tells."""
    bound = FULL_WELL / max(brightest, sky.sigma)
    gain = min(_consistent_gain(sky, read_noise), bound) if sky.level > 0.0 else min(1.0, bound)
    note = f"gain unknown: {gain:.3g} electrons per data unit assumed from the sky's noise"
    expected = max(sky.level, 0.0) / gain + (read_noise / gain) ** 2 + sky.beside
    if expected <= 0.0:
        return Detector(gain, gain * sky.sigma, 1.0, (note,))
    return Detector(gain, read_noise, sky.sigma**2 / expected, (note,))


def _consistent_gain(sky: SkyNoise, read_noise: float) -> float:
    """The gain that makes level and noise agree: the positive root of V g² - L g - r² = 0."""
    variance = sky.own_variance
    return (sky.level + math.sqrt(sky.level**2 + 4.0 * variance * read_noise**2)) / (2.0 * variance)
