"""Splines at places near the pixels: what `scipy.ndimage` gives, in blocks."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.registration.nearby import follows, spline_nearby
from pipeline.registration.pixel_map import PixelMap
from tests.pipeline.synthetic import rotation

SHAPE = (150, 290)
CENTRE = (144.5, 74.5)
MIRRORED = np.array([[-1.0, 0.0, 289.0], [0.0, 1.0, 0.0]])


def bent() -> PixelMap:
    x, y = np.random.default_rng(1).uniform(0, 150, (2, 200))
    return PixelMap.fit(x, y, x + 1.3 + 1e-4 * (y - 75) ** 2, y - 0.6 + 1e-4 * x * y / 3, SHAPE, 2)


MAPS = {
    "turned": PixelMap.from_affine(rotation(0.5, CENTRE, (2.3, -7.7)), SHAPE),
    "turned by half": PixelMap.from_affine(rotation(179.6, CENTRE, (1.3, 0.4)), SHAPE),
    "mirrored": PixelMap.from_affine(MIRRORED, SHAPE).then(rotation(0.3, CENTRE, (0.5, 0.5))),
    "far off": PixelMap.from_affine(rotation(0.1, CENTRE, (-201.4, 90.2)), SHAPE),
    "bent": bent(),
}


@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("name", MAPS)
def test_a_spline_has_the_values_that_ndimage_gives(name, order):
    to_frame = MAPS[name]
    coefficients = np.random.default_rng(0).normal(100.0, 10.0, (170, 260)).astype(np.float32)
    x, y = to_frame.grid()
    expected = ndimage.map_coordinates(coefficients, [y, x], order=order, mode="mirror", prefilter=False)
    inside = (x >= 0) & (y >= 0) & (x <= 259) & (y <= 169)
    assert inside.sum() > 1000
    assert follows(to_frame)
    found = spline_nearby(coefficients, to_frame, order)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-6)


def test_a_map_that_turns_or_scales_much_does_not_follow():
    assert not follows(PixelMap.from_affine(rotation(3.0, CENTRE), SHAPE))
    assert not follows(PixelMap.from_affine(rotation(90.0, CENTRE), SHAPE))
    assert not follows(PixelMap.from_affine(np.diag([1.1, 1.1]) @ np.eye(2, 3), SHAPE))
