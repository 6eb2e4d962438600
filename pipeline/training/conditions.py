"""What makes some fields harder: stars as sharp as cosmic rays, or bright and varying, crowds, more noise.

Cameras are not as their headers say: electronics add noise of their own, resampling ties neighbouring pixels
together, flat fields leave each pixel its own response. Such a share of all fields is drawn under such
conditions, by random numbers of their own, so that every other field is as it was without them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

HARD_SHARE = 0.6  # of fields
CROWDED_SHARE = 0.65  # of those
CROWD_DENSITY = (5e3, 4e4)  # stars on 1024 x 1024 px: at the upper end one on every 26 px
CROWD_FAINTEST = (4.0, 30.0)  # sigma on empty sky: in deep frames all that are counted are seen
CROWD_BRIGHTEST = (2e6, 3e7)  # flux in electrons: each cutout shows stars near saturation
CROWD_SLOPE = (0.5, 0.8)  # counts of stars brighter than a flux go as its power of minus this
SHARP_FWHM = (1.5, 2.6)  # px, of cameras whose pixels hardly resolve a star
EXCESS = (0.3, 2.0)  # of the noise of an empty pixel, as are those below
CORRELATED, CORRELATION_PX = (0.2, 1.0), (0.4, 1.2)
BANDING = (0.05, 0.4)
RESPONSE = (0.002, 0.02)  # of a pixel's light


@dataclass(frozen=True, slots=True)
class Noise:
    """What a camera adds to the photons, in the noise of an empty pixel.

    Attributes
    ----------
    excess : float
        White noise of the electronics.
    correlated, correlation_px : float
        Noise that neighbours share, and the sigma of the Gaussian that they share it by.
    banding : float
        Of whole rows.
    response : float
        Error of the flat field, of each pixel's own light.
    """

    excess: float = 0.0
    correlated: float = 0.0
    correlation_px: float = 0.5
    banding: float = 0.0
    response: float = 0.0

    @property
    def total(self) -> float:
        """Of an empty pixel's noise, what is added to it in all."""
        return float(np.sqrt(self.excess**2 + self.correlated**2 + self.banding**2))

    def add(self, random: np.random.Generator, electrons: Array, noise: float) -> None:
        """Add it to a plate whose empty pixels have some noise, in place."""
        shape = electrons.shape
        if self.response:
            electrons *= 1.0 + random.normal(0.0, self.response, shape)
        if self.excess:
            electrons += random.normal(0.0, self.excess * noise, shape)
        if self.correlated:
            smooth = ndimage.gaussian_filter(random.normal(0.0, 1.0, shape), self.correlation_px)
            electrons += smooth * (self.correlated * noise / float(smooth.std()))
        if self.banding:
            electrons += random.normal(0.0, self.banding * noise, (shape[0], 1))


@dataclass(frozen=True, slots=True)
class Crowd:
    """A dense field, as towards the bulge of our Galaxy or of a near one.

    Attributes
    ----------
    density : float
        Stars on 1024 x 1024 px.
    brightest : float
        Flux that none exceeds, electrons.
    faintest : float
        Flux of the faintest that are counted, sigma on empty sky.
    slope : float
        Counts of stars brighter than a flux go as the flux to the power of minus this.
    """

    density: float
    brightest: float
    faintest: float
    slope: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """How hard a field is.

    Attributes
    ----------
    crowd : Crowd, optional
        Where there are many stars, and bright ones.
    variable_share : float
        Of point events, those that are stars that vary.
    bright_variables : bool
        Whether stars of any flux below saturation vary, by amounts that their own photons let be seen; else
        faint ones, by amounts that would be seen on empty sky.
    changes : float
        How many times as many point events there are as usual.
    fwhm : tuple of float, optional
        Of the stars in new and reference, px, where they are sharp; else as drawn.
    new, ref : Noise
    """

    crowd: Crowd | None = None
    variable_share: float = 0.1
    bright_variables: bool = False
    changes: float = 1.0
    fwhm: tuple[float, float] | None = None
    new: Noise = Noise()
    ref: Noise = Noise()

    @property
    def camera(self) -> str:
        """What examples call the instrument."""
        return "simulated" if self == PLAIN else "simulated, harder"


PLAIN = Conditions()


def draw_conditions(random: np.random.Generator) -> Conditions:
    """Random conditions: `PLAIN` for the fields that are not hard."""
    if random.random() > HARD_SHARE:
        return PLAIN
    many, sharp = random.random(2) < 0.5
    fwhm = _log_uniform(random, SHARP_FWHM), _log_uniform(random, SHARP_FWHM)
    return Conditions(
        crowd=_crowd(random) if random.random() < CROWDED_SHARE else None,
        variable_share=0.35 if many else PLAIN.variable_share,
        bright_variables=bool(many),
        fwhm=fwhm if sharp else None,
        new=_noise(random, 0.4),
        ref=_noise(random, 0.25),
    )


def _crowd(random: np.random.Generator) -> Crowd:
    return Crowd(
        density=_log_uniform(random, CROWD_DENSITY),
        brightest=_log_uniform(random, CROWD_BRIGHTEST),
        faintest=_log_uniform(random, CROWD_FAINTEST),
        slope=random.uniform(*CROWD_SLOPE),
    )


def _noise(random: np.random.Generator, share: float) -> Noise:
    drawn = random.random(4) < share
    return Noise(
        excess=_log_uniform(random, EXCESS) * drawn[0],
        correlated=_log_uniform(random, CORRELATED) * drawn[1],
        correlation_px=random.uniform(*CORRELATION_PX),
        banding=_log_uniform(random, BANDING) * drawn[2],
        response=_log_uniform(random, RESPONSE) * drawn[3],
    )


def _log_uniform(random: np.random.Generator, between: tuple[float, float]) -> float:
    return float(np.exp(random.uniform(*np.log(between))))
