"""The simulator's stars and galaxies: the light that is asked for arrives where it should."""

import numpy as np
import pytest

from pipeline.simulate.galaxies import (
    DE_VAUCOULEURS,
    EXPONENTIAL,
    B,
    Profile,
    add_galaxy,
    gaussians,
)
from pipeline.simulate.psf import LOST_WINGS, MoffatField, add_stars

SHAPE = (301, 301)
LOPSIDED = MoffatField(SHAPE, fwhm=4.0, e1=0.08, e2=-0.05, curvature=0.1, tilt=0.02, coma=0.08)


def moments(image):
    """Flux, centroid and second moments of an image."""
    y, x = np.indices(image.shape)
    flux = image.sum()
    cx, cy = (image * x).sum() / flux, (image * y).sum() / flux
    xx = (image * (x - cx) ** 2).sum() / flux
    yy = (image * (y - cy) ** 2).sum() / flux
    xy = (image * (x - cx) * (y - cy)).sum() / flux
    return flux, cx, cy, xx, yy, xy


def test_the_psf_integrates_to_one_over_the_plane():
    assert LOPSIDED.integrated(150.2, 149.7, 0, 0, SHAPE).sum() == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize(("x", "y"), [(150.0, 150.0), (150.5, 149.5), (150.31, 149.86)])
def test_the_psf_is_centred_on_its_source(x, y):
    _, cx, cy, *_ = moments(LOPSIDED.integrated(x, y, 0, 0, SHAPE))
    assert (cx, cy) == pytest.approx((x, y), abs=2e-3)


def test_the_psf_is_integrated_over_pixels_not_sampled():
    psf = MoffatField(SHAPE, fwhm=2.4)
    alpha, _, _ = psf.local(150, 150)
    offsets = (np.arange(101) - 50) / 101
    xx, yy = np.meshgrid(offsets - 0.3, offsets + 0.2)
    truth = np.mean((psf.beta - 1) / (np.pi * alpha**2) * (1 + (xx**2 + yy**2) / alpha**2) ** -psf.beta)
    pixel = psf.integrated(150.3, 149.8, 150, 150, (1, 1))[0, 0]
    assert pixel == pytest.approx(truth, rel=2e-4)


def test_the_width_is_the_full_width_at_half_maximum():
    stamp = MoffatField((401, 401), fwhm=40.0).integrated(200, 200, 0, 0, (401, 401))
    assert stamp[200, 220] / stamp[200, 200] == pytest.approx(0.5, abs=2e-3)


def test_ellipticity_stretches_without_changing_the_area():
    flux, _, _, xx, yy, xy = moments(MoffatField(SHAPE, 4.0, beta=6.0, e1=0.2).stamp(150, 150, 101))
    assert flux == pytest.approx(1.0)
    assert (xx - yy) / (xx + yy) == pytest.approx(0.2, abs=0.01)
    diagonal = moments(MoffatField(SHAPE, 4.0, beta=6.0, e2=0.2).stamp(150, 150, 101))
    assert 2 * diagonal[5] / (diagonal[3] + diagonal[4]) == pytest.approx(0.2, abs=0.01)
    assert xy == pytest.approx(0.0, abs=1e-6)


def test_the_psf_grows_and_turns_towards_the_corners():
    psf = MoffatField(SHAPE, 4.0, curvature=0.1, coma=0.1)
    widths = [psf.local(x, y)[0] for x, y in ((150, 150), (300, 150), (300, 300))]
    assert widths[1] / widths[0] == pytest.approx(1.05)
    assert widths[2] / widths[0] == pytest.approx(1.10)
    assert psf.local(300, 150)[1] > 0 > psf.local(150, 300)[1]  # radial, so along x and then along y
    assert psf.noise_pixels(300, 300) == pytest.approx(1.21 * psf.noise_pixels(150, 150), rel=0.02)


def test_a_stamp_has_unit_sum_an_odd_size_and_its_centroid_on_the_central_pixel():
    flux, cx, cy, *_ = moments(LOPSIDED.stamp(20.3, 280.9, 41))
    assert flux == pytest.approx(1.0, abs=1e-12)
    assert (cx, cy) == pytest.approx((20.0, 20.0), abs=1e-5)
    with pytest.raises(ValueError, match="odd"):
        LOPSIDED.stamp(10, 10, 40)


@pytest.mark.parametrize("flux", [50.0, 1e3, 1e5, 1e7])
def test_no_star_loses_more_of_its_wings_than_is_promised(flux):
    image = np.zeros(SHAPE)
    add_stars(image, LOPSIDED, np.array([150.4]), np.array([150.1]), np.array([flux]))
    assert flux * (1 - LOST_WINGS) <= image.sum() <= flux * 1.0002


def test_a_star_beyond_the_edge_shines_into_the_frame():
    image = np.zeros((60, 80))
    psf = MoffatField((60, 80), 4.0)
    add_stars(image, psf, np.array([-4.0, 900.0]), np.array([30.0, 30.0]), np.array([1e5, 1e5]))
    wide = psf.integrated(-4.0, 30.0, 0, 0, (60, 80)) * 1e5
    np.testing.assert_allclose(image[:, :10], wide[:, :10], atol=0.1)
    assert image[:, -1].max() == 0.0


@pytest.mark.parametrize("index", [EXPONENTIAL, DE_VAUCOULEURS])
def test_the_sum_of_gaussians_follows_the_sersic_profile(index):
    parts = gaussians(index)
    radius = np.geomspace(0.05, 4.0, 40)
    surface = sum(w / (2 * np.pi * s**2) * np.exp(-0.5 * (radius / s) ** 2) for w, s in parts)
    ratio = surface / np.exp(-B[index] * (radius ** (1 / index) - 1))
    assert sum(w for w, _ in parts) == pytest.approx(1.0)
    assert ratio.max() / ratio.min() < 1.05
    half_light = sum(w * (1 - np.exp(-0.5 / s**2)) for w, s in parts)
    assert half_light == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("index", [EXPONENTIAL, DE_VAUCOULEURS])
def test_a_galaxy_has_its_flux_and_its_place(index):
    image = np.zeros(SHAPE)
    add_galaxy(image, LOPSIDED, 150.3, 149.6, 2e4, Profile(index, 3.0, 0.6, 0.4), np.eye(2))
    flux, cx, cy, *_ = moments(image)
    assert flux == pytest.approx(2e4, rel=5e-3)
    assert (cx, cy) == pytest.approx((150.3, 149.6), abs=0.01)


def test_a_galaxy_lies_along_its_angle_and_turns_with_the_frame():
    def tilt(angle, to_pixels):
        image = np.zeros(SHAPE)
        add_galaxy(
            image, MoffatField(SHAPE, 3.0), 150, 150, 1e4, Profile(EXPONENTIAL, 6.0, 0.3, angle), to_pixels
        )
        *_, xx, yy, xy = moments(image)
        return 0.5 * np.arctan2(2 * xy, xx - yy)

    assert tilt(0.5, np.eye(2)) == pytest.approx(0.5, abs=0.01)
    assert tilt(0.5, np.diag([-1.0, 1.0])) == pytest.approx(-0.5, abs=0.01)


def test_a_tiny_galaxy_is_a_star():
    galaxy, star = np.zeros(SHAPE), np.zeros(SHAPE)
    add_galaxy(galaxy, LOPSIDED, 150.3, 149.6, 1e4, Profile(EXPONENTIAL, 1e-3, 1.0, 0.0), np.eye(2))
    add_stars(star, LOPSIDED, np.array([150.3]), np.array([149.6]), np.array([1e4]))
    np.testing.assert_allclose(galaxy, star, atol=1.0)


@pytest.mark.parametrize(("x", "y"), [(-3.0, 20.0), (49.0, 41.0), (500.0, 20.0), (20.0, -500.0)])
def test_a_galaxy_at_or_beyond_the_edge_is_cut_by_it(x, y):
    whole, part = np.zeros((1100, 1100)), np.zeros((40, 50))
    psf = MoffatField((40, 50), 4.0)
    profile = Profile(EXPONENTIAL, 3.0, 0.7, 0.2)
    add_galaxy(part, psf, x, y, 1e4, profile, np.eye(2))
    # The same PSF in a wider image: its field is that of the small one.
    add_galaxy(whole[500:, 500:], psf, x, y, 1e4, profile, np.eye(2))
    np.testing.assert_allclose(part, whole[500:540, 500:550], atol=1e-9)


def test_hosts_are_hit_where_their_light_is():
    random = np.random.default_rng(1)
    profile = Profile(EXPONENTIAL, 2.0, 0.5, 0.7)
    offsets = np.array([profile.draw_offset(random) for _ in range(3000)])
    shape = profile.covariance()
    along, across = np.linalg.eigh(shape)[1].T[::-1]
    assert np.std(offsets @ across) / np.std(offsets @ along) == pytest.approx(0.5, rel=0.08)
    distance = np.sqrt(np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(shape), offsets))
    assert np.median(distance) == pytest.approx(1.0, rel=0.05)  # the effective radius holds half the light
