"""A simulated pair: what its attributes say is what its pixels hold."""

import numpy as np
import pytest

from pipeline.simulate import simulate_pair


@pytest.fixture(scope="module")
def pair():
    return simulate_pair(
        (280, 360),
        seed=4,
        shift=(7.3, -4.6),
        rotation_deg=0.4,
        variation=0.1,
        flux_ratio=0.7,
        gradient=0.2,
        n_galaxies=6,
        n_transients=12,
        n_vanished=6,
        snr_range=(20.0, 60.0),
    )


def test_the_same_seed_gives_the_same_pair():
    one, two, other = (simulate_pair(64, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.new, two.new)
    np.testing.assert_array_equal(one.ref, two.ref)
    assert not np.array_equal(one.new, other.new)


def test_the_noise_is_what_the_variance_says(pair):
    for image, variance in ((pair.new, pair.variance_new), (pair.ref, pair.variance_ref)):
        clean = variance - pair.read_noise**2
        pull = (image - clean) / np.sqrt(variance)
        assert np.mean(pull) == pytest.approx(0.0, abs=0.015)
        assert np.std(pull) == pytest.approx(1.0, abs=0.015)


def test_the_affine_map_and_the_two_projections_agree(pair):
    x, y = np.array([0.0, 359.0, 100.0]), np.array([0.0, 279.0, 200.0])
    through_sky = pair.wcs_new.all_world2pix(*pair.wcs_ref.all_pix2world(x, y, 0), 0)
    through_map = pair.to_new @ np.stack([x, y, np.ones(3)])
    np.testing.assert_allclose(through_sky, through_map, atol=1e-6)


def test_transients_are_in_one_image_with_their_flux(pair):
    """A matched filter on image minus everything else returns the flux within its error."""
    pulls = []
    for row in pair.transients:
        appeared = row["flux"] > 0
        x, y = (row["x_new"], row["y_new"]) if appeared else (row["x"], row["y"])
        field = pair.field_new if appeared else pair.field_ref
        image, variance = (pair.new, pair.variance_new) if appeared else (pair.ref, pair.variance_ref)
        flux = row["flux"] if appeared else -row["flux_ref"]
        psf = field.integrated(x, y, 0, 0, image.shape)
        # The variance is the noiseless image: without this source, the rest is the background.
        rest = variance - pair.read_noise**2 - flux * psf
        estimate = np.sum((image - rest) * psf / variance) / np.sum(psf**2 / variance)
        pulls.append((estimate - flux) * np.sqrt(np.sum(psf**2 / variance)))
        at_place = rest[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        assert at_place.min() > 300  # nothing of the source is missing from the model
    assert np.abs(pulls).max() < 4
    assert np.std(pulls) == pytest.approx(1.0, abs=0.4)


def test_the_signal_to_noise_ratio_is_that_of_a_matched_filter_on_the_sky():
    pair = simulate_pair(200, seed=2, n_stars=0, n_transients=4, n_vanished=2, read_noise=5.0, sky_new=300.0)
    for row in pair.transients[:4]:
        psf = pair.psf_new(row["x_new"], row["y_new"])
        assert row["flux"] * np.sqrt(np.sum(psf**2) / 325.0) == pytest.approx(row["snr"])
    assert (pair.transients["flux"][4:] < 0).all()


def test_fluxes_of_the_two_images_are_in_the_given_ratio(pair):
    np.testing.assert_allclose(pair.stars["flux_new"], 0.7 * pair.stars["flux_ref"])
    np.testing.assert_allclose(pair.transients["flux"], 0.7 * pair.transients["flux_ref"])


def test_every_second_transient_has_a_host(pair):
    hosts = list(pair.transients["host"])
    assert hosts[0::2] == ["none"] * 9
    assert all(host.startswith("galaxy") for host in hosts[1::2])


def test_the_psf_varies_only_when_asked(pair):
    assert np.abs(pair.psf_new(0, 0) - pair.psf_new(180, 140)).max() > 1e-3
    flat = simulate_pair(64, n_transients=0)
    np.testing.assert_array_equal(flat.psf_new(0, 0), flat.psf_new(60, 30))
    assert flat.psf_new(3, 3, 31).shape == (31, 31)
    assert len(flat.transients) == 0
