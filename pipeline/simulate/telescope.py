"""The telescope and its conditions: where a frame points, when, and through what air."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from core.epochs import J2000_MJD
from pipeline.simulate.psf import MoffatField

PIXEL_SCALE = 0.6  # arcsec
ZEROPOINT = 23.8  # the magnitude of one electron a second above the air
EXTINCTION = 0.12  # magnitudes an airmass
CENTRE = (157.2, -20.4)  # right ascension and declination of the field, degrees
LATITUDE, LONGITUDE = -29.26, -70.73  # degrees
DITHER_ARCSEC = 10.0
ROTATION_DEG = 0.4
READOUT_S = 20.0

SCIENCE_START = 60748.0 + 2.5 / 24.0  # MJD: the night of 14 March 2025
REFERENCE_START = 60646.0 + 7.6 / 24.0  # the night of 2 December 2024


@dataclass(frozen=True, slots=True)
class Pointing:
    """One exposure on the sky.

    Attributes
    ----------
    mjd : float
        UTC at the start.
    exposure : float
        Seconds.
    ra, dec, rotation : float
        Of the frame's centre, degrees; the rotation is that of the detector.
    airmass, transparency : float
        The share of light that arrives is ``transparency``, extinction included.
    sky_mag : float
        Magnitudes a square arcsecond as the detector sees it.
    gradient : (float, float, float)
        The sky's relative slope along x and y, and its curvature, from the centre to the edge.
    psf : MoffatField
    """

    mjd: float
    exposure: float
    ra: float
    dec: float
    rotation: float
    airmass: float
    transparency: float
    sky_mag: float
    gradient: tuple[float, float, float]
    psf: MoffatField

    @property
    def mid_mjd(self) -> float:
        """UTC at mid-exposure."""
        return self.mjd + self.exposure / 2.0 / 86400.0

    @property
    def zeropoint(self) -> float:
        """The magnitude of a source that leaves one electron in this exposure."""
        return ZEROPOINT + 2.5 * float(np.log10(self.exposure * self.transparency))

    @property
    def sky(self) -> float:
        """Electrons of sky a pixel, at the centre."""
        rate = 10.0 ** (0.4 * (ZEROPOINT - self.sky_mag)) * PIXEL_SCALE**2
        return float(rate * self.exposure)

    def electrons(self, magnitude: float) -> float:
        """The electrons of a source in this exposure; none for an infinite magnitude."""
        return float(10.0 ** (0.4 * (self.zeropoint - magnitude)))

    def wcs(self) -> WCS:
        """The frame's tangential projection."""
        return tangential(self.ra, self.dec, self.psf.shape, self.rotation)


def tangential(ra: float, dec: float, shape: tuple[int, int], rotation: float = 0.0) -> WCS:
    """A TAN projection centred on a frame: north up and east left, turned by ``rotation`` degrees."""
    c, s = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2.0, (shape[0] + 1) / 2.0]
    wcs.wcs.cd = np.diag([-1.0, 1.0]) @ np.array([[c, -s], [s, c]]) * PIXEL_SCALE / 3600.0
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def airmass(mjd: float, ra: float, dec: float) -> float:
    """The secant of the zenith distance at the simulated site."""
    sidereal = 280.46062 + 360.98564737 * (mjd - J2000_MJD) + LONGITUDE
    hour_angle = np.deg2rad(sidereal - ra)
    phi, delta = np.deg2rad(LATITUDE), np.deg2rad(dec)
    altitude = np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.cos(hour_angle)
    return float(1.0 / max(altitude, 0.2))


def science_night(
    random: np.random.Generator, shape: tuple[int, int], frames: int, cadence_s: float
) -> list[Pointing]:
    """A night that changes: seeing wanders, a thin cloud passes, the moon comes up."""
    phase = random.uniform(0.0, 2.0 * np.pi)
    cloud_at, cloud_depth = random.uniform(0.3, 0.8), random.uniform(0.25, 0.45)
    night = []
    for i in range(frames):
        t = i / max(frames - 1, 1)
        cloud = cloud_depth * np.exp(-0.5 * ((t - cloud_at) / 0.12) ** 2)
        seeing = 1.75 + 0.35 * np.sin(phase + 4.0 * t) + 0.35 * t + random.normal(0.0, 0.08)
        night.append(
            _pointing(
                random,
                shape,
                mjd=SCIENCE_START + i * cadence_s / 86400.0,
                exposure=60.0,
                seeing=float(seeing),
                cloud=float(cloud),
                sky_mag=20.4 - 0.8 * t**2 - 0.3 * cloud,
            )
        )
    return night


def reference_night(random: np.random.Generator, shape: tuple[int, int], frames: int) -> list[Pointing]:
    """A good night months before: longer exposures, steady seeing, a dark sky."""
    exposure = 150.0
    return [
        _pointing(
            random,
            shape,
            mjd=REFERENCE_START + i * (exposure + READOUT_S) / 86400.0,
            exposure=exposure,
            seeing=1.55 + float(random.normal(0.0, 0.08)),
            cloud=0.0,
            sky_mag=20.8,
        )
        for i in range(frames)
    ]


def _pointing(
    random: np.random.Generator,
    shape: tuple[int, int],
    *,
    mjd: float,
    exposure: float,
    seeing: float,
    cloud: float,
    sky_mag: float,
) -> Pointing:
    east, north = random.uniform(-DITHER_ARCSEC, DITHER_ARCSEC, 2) / 3600.0
    air = airmass(mjd, *CENTRE)
    fwhm = max(seeing * air**0.6, 1.4) / PIXEL_SCALE
    return Pointing(
        mjd=mjd,
        exposure=exposure,
        ra=CENTRE[0] + float(east) / float(np.cos(np.deg2rad(CENTRE[1]))),
        dec=CENTRE[1] + float(north),
        rotation=float(random.uniform(-ROTATION_DEG, ROTATION_DEG)),
        airmass=air,
        transparency=(1.0 - cloud) * 10.0 ** (-0.4 * EXTINCTION * air),
        sky_mag=sky_mag,
        gradient=(
            float(random.normal(0.0, 0.02)),
            float(random.normal(0.0, 0.02)),
            float(random.normal(0.0, 0.015)),
        ),
        psf=MoffatField(
            shape,
            fwhm,
            beta=float(random.uniform(2.9, 3.4)),
            e1=float(random.normal(0.0, 0.02)),
            e2=float(random.normal(0.0, 0.02)),
            curvature=float(random.uniform(0.05, 0.10)),
            tilt=float(random.normal(0.0, 0.015)),
            coma=float(random.uniform(0.04, 0.08)),
        ),
    )
