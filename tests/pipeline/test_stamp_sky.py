"""How a packet's cutout lies on the sky, against astropy, and what no header may do."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pipeline.surveys.stamps import read_image
from tests.pipeline.packets import as_fits

IMAGE = np.zeros((21, 21), dtype=np.float32)
TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 30.0,
    "CRVAL2": 10.0,
    "CRPIX1": 11.0,
    "CRPIX2": 11.0,
}
CD = {"CD1_1": -3e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 3e-4}


@pytest.mark.parametrize(
    "cards",
    [
        CD,
        {"CD1_1": 3e-4, "CD2_2": 3e-4},
        {"CDELT1": -3e-4, "CDELT2": 3e-4},
        {"CDELT1": -3e-4, "CDELT2": 3e-4, "CROTA2": 30.0},
        {"CDELT1": -3e-4, "CDELT2": 4e-4, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    ],
)
def test_it_is_what_astropy_says(cards):
    _, to_sky = read_image(as_fits(IMAGE, **TAN, **cards))
    assert to_sky is not None
    expected = WCS(fits.Header(TAN | cards)).pixel_scale_matrix * 3600
    np.testing.assert_allclose(to_sky, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        CD,
        TAN,
        TAN | {"CD1_1": 0.0},
        TAN | CD | {"CTYPE1": "GLON-TAN"},
        TAN | CD | {"CUNIT1": "rad"},
        TAN | CD | {"CD1_1": "hello"},
        TAN | CD | {"CD1_1": 1e300},
        TAN | {"CDELT1": 0.0, "CDELT2": 3e-4, "CROTA2": 30.0},
        TAN | {"CDELT1": 3e-4, "CDELT2": 0.0},
    ],
)
def test_what_is_no_celestial_wcs_is_none_and_leaves_the_image_readable(cards):
    plane, to_sky = read_image(as_fits(IMAGE, **cards))
    assert to_sky is None
    assert plane.shape == (21, 21)
