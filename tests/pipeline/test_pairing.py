"""What is said of a difference as such: that its noise is not known, that its frames share theirs."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from core.settings import Settings
from pipeline.pairing import contradicted_wcs, part_of_reference, told_of
from pipeline.registration.align import align
from pipeline.stellar.stars import find_stars
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair
from tests.pipeline.synthetic import rotation, star_frame


@pytest.fixture(scope="module")
def pair():
    new, reference, *_ = make_pair((400, 400), ref={"sky": 20.0, "read_noise": 2.0})
    return new, reference


def test_of_a_sound_difference_nothing_is_said(pair):
    assert told_of(subtract(*pair, Settings())) == ()


@pytest.mark.parametrize(
    ("name", "mjd", "is_part"),
    [
        ("a.fits", 5.0, True),
        ("a.fits", 4.0, True),
        ("a.fits", 3.9, False),  # of another night
        ("a.fits", 6.1, False),
        ("a.fits", None, False),
        ("b.fits[2]", 5.0, True),
        ("b.fits", 5.0, False),
        ("c.fits", 5.0, False),
    ],
)
def test_a_frame_of_a_coadd_is_known_by_its_name_and_time(pair, name, mjd, is_part):
    exposure = replace(pair[0].frame.exposure, name=name, mjd=mjd)
    coadd = replace(pair[1], names=("night/a.fits", "b.fits[2]"), epochs=(4.0, 6.0))
    assert (part_of_reference(exposure, coadd) is not None) == is_part
    alone = replace(coadd, names=(name,))
    assert part_of_reference(exposure, alone) is None, "the noise of the score tells that"


def test_of_a_smoothed_frame_it_is_told_that_its_noise_is_not_known(pair):
    new, reference = pair
    smooth = replace(
        new.frame,
        data=gaussian_filter(new.frame.data, 1.5).astype(np.float32),
        variance=new.frame.variance / 100.0,  # as its pixels say
    )
    difference = subtract(replace(new, frame=smooth), reference, Settings())
    (said,) = told_of(difference)
    assert f"scattered by {difference.score_std:.2f}, where 1 is expected" in said
    assert "what is found may be noise" in said


@pytest.mark.parametrize("scatter", [0.03, 0.25])
def test_where_each_star_is_brighter_or_fainter_it_is_told_by_how_much(scatter):
    """As behind clouds, or through another filter."""
    new, reference, truth, _ = make_pair((400, 400), seed=5, n_stars=160)
    light, random = np.zeros((400, 400)), np.random.default_rng(3)
    factors = np.exp(scatter * random.normal(size=len(truth.x)))
    for x, y, flux, factor in zip(truth.x, truth.y, truth.flux, factors, strict=True):
        rows, columns = (np.arange(max(int(at) - 20, 0), min(int(at) + 21, 400)) for at in (y, x))
        if rows.size and columns.size:
            stamp = truth.psf.stamp(x, y, rows, columns)
            light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += flux * (factor - 1.0) * stamp
    stars = replace(new.stars, flux=new.stars.flux * factors[_nearest(new.stars, truth)])
    frame = replace(new.frame, data=(new.frame.data + light).astype(np.float32))
    difference = subtract(replace(new, frame=frame, stars=stars), reference, Settings())
    assert difference.gain_scatter == pytest.approx(scatter, rel=0.4)
    said = " ".join(told_of(difference))
    assert (f"in the reference by {difference.gain_scatter:.0%}, beyond noise" in said) == (scatter > 0.1)


def _nearest(stars, truth):
    return np.hypot(stars.x[:, None] - truth.x, stars.y[:, None] - truth.y).argmin(axis=1)


SHIFT = rotation(0.0, (199.5, 199.5), (20.3, -13.6))


def _tangent(ra, dec, at, scale=0.5):
    """A WCS of so many arcsec a pixel that has a place at a pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], np.add(at, 1.0)
    wcs.wcs.cd = [[-scale / 3600.0, 0.0], [0.0, scale / 3600.0]]
    return wcs


@pytest.fixture(scope="module")
def shifted(pair):
    """A frame that the stars show 20.3 and -13.6 px off its reference, before and after it is aligned."""
    new, _ = star_frame((400, 400), 3, n_stars=160, affine=SHIFT, noise_seed=7)
    return new, align(new, find_stars(new), 3.0, pair[1], Settings())


@pytest.mark.parametrize(
    ("north", "scale", "said"),
    [
        (0.0, 0.5, None),
        (2.0 / 60.0, 0.5, None),  # degrees: an inexact header, as many are
        (4.0 / 60.0, 0.5, "4 arcmin"),
        (10.0, 0.5, "10 degrees"),
        (4.0 / 60.0, 60.0, None),  # four pixels of a camera that sees all the sky
        (20.0 / 60.0, 60.0, "20 arcmin"),
    ],
)
def test_a_wcs_that_the_stars_contradict_is_told_of_by_how_far_it_is_off(pair, shifted, north, scale, said):
    new, aligned = shifted
    reference = replace(pair[1].frame, wcs=_tangent(30.0, 0.0, (199.5, 199.5), scale))
    seen_at = (199.5 + 20.3, 199.5 - 13.6)
    new = replace(new, wcs=_tangent(30.0, north, seen_at, scale))
    told = contradicted_wcs(new, aligned, reference)
    assert len(told) == (said is not None)
    assert all(f"The stars lie {said} from where the frame's own WCS has them" in each for each in told)


def test_of_a_frame_or_a_reference_without_a_wcs_nothing_is_said_of_it(pair, shifted):
    new, aligned = shifted
    far, here = (_tangent(30.0, dec, (199.5, 199.5)) for dec in (10.0, 0.0))
    reference = pair[1].frame
    assert contradicted_wcs(replace(new, wcs=far), aligned, replace(reference, wcs=here))
    assert contradicted_wcs(replace(new, wcs=None), aligned, replace(reference, wcs=here)) == ()
    assert contradicted_wcs(replace(new, wcs=far), aligned, replace(reference, wcs=None)) == ()
