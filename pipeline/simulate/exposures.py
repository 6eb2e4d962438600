"""One simulated exposure: from the scene to raw counts and a header."""

import numpy as np
from astropy.io.fits import Header
from astropy.time import Time
from numpy.typing import NDArray

from pipeline.simulate.detector import BIAS_LEVEL, GAIN, OVERSCAN, READ_NOISE, SATURATION, Detector, Ray
from pipeline.simulate.events import Streak
from pipeline.simulate.galaxies import add_galaxy
from pipeline.simulate.psf import add_stars
from pipeline.simulate.scene import Scene
from pipeline.simulate.telescope import PIXEL_SCALE, Pointing

Array = NDArray[np.float64]
Counts = NDArray[np.uint16]

FLAT_ELECTRONS = 28_000.0
TRAIL_STEPS = 7  # positions of a moving object within one exposure


def light(scene: Scene, pointing: Pointing, streak: Streak | None) -> Array:
    """The expected electrons of an exposure on a perfect detector: (height, width)."""
    psf, wcs = pointing.psf, pointing.wcs()
    height, width = psf.shape
    v, u = np.ogrid[-1.0 : 1.0 : height * 1j, -1.0 : 1.0 : width * 1j]
    slope_x, slope_y, curve = pointing.gradient
    image: Array = pointing.sky * (1.0 + slope_x * u + slope_y * v + curve * (u * u + v * v))

    x, y = wcs.all_world2pix(scene.star_ra, scene.star_dec, 0)
    add_stars(image, psf, x, y, 10.0 ** (0.4 * (pointing.zeropoint - scene.star_mag)))

    to_pixels = np.linalg.inv(wcs.wcs.cd * 3600.0)
    x, y = wcs.all_world2pix(scene.galaxy_ra, scene.galaxy_dec, 0)
    for i, profile in enumerate(scene.profiles):
        flux = pointing.electrons(float(scene.galaxy_mag[i]))
        add_galaxy(image, psf, float(x[i]), float(y[i]), flux, profile, to_pixels)

    for event in scene.events:
        flux = pointing.electrons(event.curve.magnitude(pointing.mid_mjd))
        if flux > 0.0:
            steps = TRAIL_STEPS if any(event.motion) else 1
            during = pointing.mjd + pointing.exposure / 86400.0 * (np.arange(steps) + 0.5) / steps
            places = np.array([event.position(float(mjd)) for mjd in during])
            x, y = wcs.all_world2pix(places[:, 0], places[:, 1], 0)
            add_stars(image, psf, x, y, np.full(steps, flux / steps))

    if streak is not None:
        points = int(np.ceil(streak.length))
        along = (np.arange(points) + 0.5) / points
        x = streak.x + along * (streak.x_end - streak.x)
        y = streak.y + along * (streak.y_end - streak.y)
        add_stars(image, psf, x, y, np.full(points, streak.electrons_per_px * streak.length / points))
    return image


def sky_frame(
    random: np.random.Generator,
    scene: Scene,
    detector: Detector,
    pointing: Pointing,
    streak: Streak | None = None,
) -> tuple[Counts, Header, list[Ray]]:
    """A raw frame of the sky, with its header and the cosmic rays that hit it."""
    electrons, rays = detector.expose(random, light(scene, pointing, streak), pointing.exposure)
    header = _camera_header(detector, "OBJECT", pointing.mjd, pointing.exposure)
    header["OBJECT"] = ("SIM-FIELD", "name of the field")
    header["FILTER"] = ("r", "band")
    header["AIRMASS"] = (round(pointing.airmass, 4), "secant of the zenith distance")
    header.update(pointing.wcs().to_header())
    return detector.read(random, electrons), header, rays


def bias_frame(random: np.random.Generator, detector: Detector, mjd: float) -> tuple[Counts, Header]:
    """A raw frame of no exposure."""
    return detector.read(random, np.zeros(detector.shape)), _camera_header(detector, "BIAS", mjd, 0.0)


def dark_frame(
    random: np.random.Generator, detector: Detector, mjd: float, seconds: float
) -> tuple[Counts, Header]:
    """A raw frame with the shutter closed."""
    electrons, _ = detector.expose(random, np.zeros(detector.shape), seconds)
    return detector.read(random, electrons), _camera_header(detector, "DARK", mjd, seconds)


def flat_frame(random: np.random.Generator, detector: Detector, mjd: float) -> tuple[Counts, Header]:
    """A raw frame of an evenly lit screen."""
    level = FLAT_ELECTRONS * random.uniform(0.85, 1.15)
    electrons, _ = detector.expose(random, np.full(detector.shape, level), 5.0)
    header = _camera_header(detector, "FLAT", mjd, 5.0)
    header["FILTER"] = ("r", "band")
    return detector.read(random, electrons), header


def _camera_header(detector: Detector, kind: str, mjd: float, seconds: float) -> Header:
    height, width = detector.shape
    header = Header()
    header["IMAGETYP"] = (kind, "what the exposure was taken for")
    header["OBJECT"] = (kind, "name of the field")
    header["DATE-OBS"] = (Time(mjd, format="mjd", scale="utc").isot, "UTC at the start")
    header["TIMESYS"] = "UTC"
    header["EXPTIME"] = (seconds, "[s]")
    header["TELESCOP"] = ("AstrID simulator 1.0 m", "not a real telescope")
    header["INSTRUME"] = ("SIMCAM", "camera")
    header["GAIN"] = (GAIN, "[electron/adu]")
    header["RDNOISE"] = (READ_NOISE, "[electron]")
    header["SATURATE"] = (round(SATURATION), "[adu] bias included")
    header["CCD-TEMP"] = (-60.0, "[deg C]")
    header["PIXSCALE"] = (PIXEL_SCALE, "[arcsec/pixel]")
    header["BUNIT"] = ("adu", f"bias level near {BIAS_LEVEL:.0f}")
    header["TRIMSEC"] = (f"[1:{width},1:{height}]", "light")
    header["BIASSEC"] = (f"[{width + 1}:{width + OVERSCAN},1:{height}]", "overscan")
    return header
