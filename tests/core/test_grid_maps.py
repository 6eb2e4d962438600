"""Maps from grid to sky and frame, against the projections they stand for."""

import math

import numpy as np
import pytest
from astropy.wcs import WCS

from core.places.grid_maps import PlaneMap, SkyMap

SIZE = 400


def tangent(ra: float, dec: float, scale_deg: float, *, turn: float = 0.0, mirrored: bool = False) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [SIZE / 2, SIZE / 3]
    c, s = math.cos(turn), math.sin(turn)
    side = 1.0 if mirrored else -1.0
    wcs.wcs.cd = scale_deg * np.array([[side * c, s], [side * s, -c]])
    return wcs


def fitted(wcs: WCS) -> SkyMap:
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, SIZE, 11), np.linspace(0, SIZE, 11)))
    return SkyMap.fit(*wcs.all_pix2world(x, y, 0), x, y)


@pytest.mark.parametrize(
    ("ra", "dec", "scale", "turn", "mirrored"),
    [
        (150.0, 2.0, 1e-4, 0.0, False),
        (0.0, -30.0, 3e-4, 1.0, True),  # across right ascension 0
        (200.0, 89.95, 2e-4, 0.3, False),  # the pole is in the image
        (33.0, 60.0, 2e-2, 0.0, False),  # eight degrees on a side
    ],
)
def test_positions_and_pixels_follow_the_wcs(ra, dec, scale, turn, mirrored):
    wcs = tangent(ra, dec, scale, turn=turn, mirrored=mirrored)
    found = fitted(wcs)
    random = np.random.default_rng(1)
    for x, y in random.uniform(0, SIZE, (40, 2)):
        position = [float(angle) for angle in wcs.all_pix2world(x, y, 0)]
        assert found.to_grid(*position) == pytest.approx((x, y), abs=0.02)
        back = found.to_sky(x, y)
        assert back is not None
        assert wcs.all_world2pix(*back, 0) == pytest.approx((x, y), abs=0.02)
    assert found.pixel_scale == pytest.approx(3600.0 * scale, rel=0.02)


def test_what_is_far_away_is_nowhere():
    found = fitted(tangent(150.0, 2.0, 1e-4))
    assert found.to_grid(150.0, 2.5) is None
    assert found.to_grid(330.0, -2.0) is None  # the antipode
    assert found.to_sky(1e6, 0.0) is None
    assert found.to_grid(150.0, 2.0 + 0.4 * SIZE * 1e-4) is not None  # just outside: how far can be told


def test_a_distorted_map_is_undone():
    random = np.random.default_rng(2)
    x, y = random.uniform(0, 1000, (2, 200))

    def bent(x, y):
        u, v = x / 500 - 1, y / 500 - 1
        return 3.0 - 1.01 * y + 4.0 * u**3, 0.99 * x + 3.0 * u * v**2 - 7.0

    plane = PlaneMap.fit(x, y, *bent(x, y))
    assert plane(300.0, 700.0) == pytest.approx(bent(300.0, 700.0), abs=1e-6)
    assert plane.inverse(*bent(120.0, 910.0)) == pytest.approx((120.0, 910.0), abs=1e-3)
    assert plane.inverse(5e4, 0.0) is None


def test_a_map_that_goes_to_one_point_has_no_inverse():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(6.0), np.arange(6.0)))
    assert PlaneMap.fit(x, y, np.ones(36), np.ones(36)).inverse(1.0, 1.0) is None


@pytest.mark.parametrize("dec", [-80.0, -33.3, 0.0, 45.0, 79.9])
def test_the_middle_of_a_stack_at_ra_0_is_there_and_not_at_360(dec):
    """What rounding leaves of a tiny negative angle is 360 degrees."""
    offsets = np.linspace(-0.01, 0.01, 10)
    ra, d = (axis.ravel() for axis in np.meshgrid(offsets - 1e-18, dec + offsets))
    sky = SkyMap.fit(ra % 360.0, d, ra, d)
    assert 0.0 <= sky.ra < 360.0
