"""What is said to be true of simulated pairs, is: PSFs, fluxes, noise, and the best possible error."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.draw import FULL_WELL, KINDS, SKY, add_stars, draw, pair_of
from benchmarks.pairs.ideal import flux_error, flux_of_snr
from benchmarks.pairs.optics import HALF_PX, Optics, psf_field, width_at_half
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.pairs.scene import Geometry, geometry_of

ABERRATED = Optics(
    3.0, growth=(0.05, 0.0, 0.02), waves={"coma_x": (0.15, 0.1), "astigmatism_45": (0.1, 0.0, 0.2)}, nodes=2
)


@pytest.fixture(scope="module")
def psf():
    return psf_field(ABERRATED, (256, 256))


@pytest.fixture(scope="module")
def small():
    return draw(replace(SCENARIOS["typical"], size=320, nodes=2, transients=300), 5)


def windowed(stamp, fwhm):
    """XWIN, YWIN of a stamp, from its middle."""
    half = stamp.shape[0] // 2
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    x = y = 0.0
    for _ in range(40):
        weight = stamp * np.exp(-0.5 * ((dx - x) ** 2 + (dy - y) ** 2) * (2.355 / fwhm) ** 2)
        x += 2.0 * np.sum(weight * (dx - x)) / weight.sum()
        y += 2.0 * np.sum(weight * (dy - y)) / weight.sum()
    return x, y


@pytest.mark.parametrize("off", [(0.0, 0.0), (0.3, -0.2), (-0.5, 0.5)])
@pytest.mark.parametrize("node", [0, 1])
def test_a_psf_has_unit_sum_and_its_windowed_centroid_on_its_place(psf, node, off):
    stamp = psf.stamp(255.0 * node, 255.0 * node, HALF_PX, *off).astype(float)
    assert stamp.sum() == pytest.approx(1.0, abs=2e-6)
    width = width_at_half(psf.coefficients[node, node].astype(float))
    assert windowed(stamp, width) == pytest.approx(off, abs=3e-3)


def test_a_psf_has_unit_sum_between_the_nodes_too(psf):
    assert psf.stamp(70.0, 160.0, HALF_PX, 0.2, 0.4).sum(dtype=float) == pytest.approx(1.0, abs=2e-6)


def test_a_psf_is_asymmetric_and_varies(psf):
    stamp = psf.stamp(128, 128, 12).astype(float)
    assert np.linalg.norm(stamp - stamp[:, ::-1]) > 0.02 * np.linalg.norm(stamp)
    other = psf.stamp(255, 255, 12).astype(float)
    assert np.linalg.norm(stamp - other) > 0.05 * np.linalg.norm(stamp)


def test_a_psf_without_aberrations_has_the_width_asked_for():
    for fwhm in (1.6, 3.3):
        assert psf_field(Optics(fwhm, nodes=2), (64, 64)).fwhm == pytest.approx(fwhm, rel=0.02)


def test_a_psf_moved_by_its_samples_is_the_one_moved_by_its_transform(psf):
    """Quintic splines on four samples a pixel against the exact shift of a band-limited image."""
    whole = psf.stamp(0.0, 0.0, HALF_PX).astype(float)
    frequency = np.fft.fftfreq(whole.shape[0])
    turn = np.exp(-2j * np.pi * (0.4 * frequency[None, :] - 0.25 * frequency[:, None]))
    moved = np.fft.ifft2(np.fft.fft2(whole) * turn).real
    drawn = psf.stamp(0.0, 0.0, HALF_PX, 0.4, -0.25)
    assert np.abs(moved - drawn).max() < 5e-4 * whole.max()  # the pixel grid aliases a little at 3 px


def test_the_psf_on_another_grid_keeps_its_flux(psf):
    turn = 1.02 * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    assert psf.warped(100.0, 100.0, HALF_PX, turn).sum(dtype=float) == pytest.approx(1.0, abs=1e-3)
    assert psf.warped(100.0, 100.0, 12, np.eye(2)) == pytest.approx(psf.stamp(100.0, 100.0, 12), abs=1e-6)


def test_stars_keep_their_flux_whatever_their_place(psf):
    image = np.zeros((256, 256), dtype=np.float32)
    add_stars(image, psf, np.array([80.3, 170.5]), np.array([90.0, 150.7]), np.array([1e4, 3e4]), 0.0)
    assert image.sum(dtype=float) == pytest.approx(4e4, rel=1e-5)


def test_the_noise_of_a_frame_is_that_of_its_electrons(small):
    for frame in (small.new, small.ref):
        unlike = frame.data * frame.gain - frame.expected
        same = np.hypot(unlike, 0) < 6.0 * np.sqrt(frame.expected + frame.read_noise**2)
        pull = (unlike**2 / (frame.expected + frame.read_noise**2))[same]
        assert pull.mean() == pytest.approx(1.0, abs=0.03)
    assert small.new.expected.min() > 0.8 * SKY
    assert small.new.data.max() <= FULL_WELL / small.new.gain


def test_changes_are_where_they_are_said_to_be(small):
    changes = small.changes
    constant = draw(replace(small.scenario, transients=0), small.seed)
    assert {KINDS[k] for k in changes.kind} == set(KINDS)
    distance = np.hypot(changes.x[:, None] - changes.x, changes.y[:, None] - changes.y)
    assert distance[~np.eye(len(changes.x), dtype=bool)].min() >= 30.0
    for frame, still, mine, x, y in (
        (small.new, constant.new, changes.sign > 0, changes.x_new, changes.y_new),
        (small.ref, constant.ref, changes.sign < 0, changes.x, changes.y),
    ):
        for i in np.flatnonzero(mine):
            box = np.s_[round(y[i]) - 14 : round(y[i]) + 15, round(x[i]) - 14 : round(x[i]) + 15]
            more = (frame.expected - still.expected)[box].sum(dtype=float)
            assert more == pytest.approx(changes.flux[i] * frame.light, rel=0.03)  # the wings lie beyond
        total = (frame.expected - still.expected).sum(dtype=float)
        assert total == pytest.approx(changes.flux[mine].sum() * frame.light, rel=1e-3)


def test_a_kept_pair_is_the_pair_that_was_drawn(tmp_path, monkeypatch):
    monkeypatch.setitem(SCENARIOS, "typical", replace(SCENARIOS["typical"], size=192, nodes=2))
    drawn, again = pair_of("typical", 3, tmp_path), pair_of("typical", 3, tmp_path)
    assert np.array_equal(drawn.new.data, again.new.data)
    assert np.array_equal(drawn.changes.flux, again.changes.flux)
    assert drawn.flux_ratio == again.flux_ratio
    assert again.psf_new.fwhm == drawn.psf_new.fwhm


def test_the_map_and_its_derivative_agree():
    geometry = Geometry(512, np.array([[1.0, 0.02, 3.0], [-0.02, 1.0, 1.0]]), 4.0, np.zeros(0))
    x, y = np.array([100.0, 101.0]), np.array([200.0, 200.0])
    new_x, new_y = geometry(x, y)
    assert geometry.matrix(100.5, 200.0)[:, 0] == pytest.approx([np.diff(new_x)[0], np.diff(new_y)[0]])


def filtered(stamps, variances, size, count, rng):
    """The scatter of proper subtraction's flux of nothing, in units of the flux."""
    spectra = [np.fft.fft2(stamp, s=(size, size)) for stamp in stamps]
    powers = [np.abs(s) ** 2 for s in spectra]
    noise = variances[0] * powers[1] + variances[1] * powers[0] + 1e-12
    norm = np.mean(powers[0] * powers[1] / noise)
    images = [np.fft.fft2(rng.normal(0.0, np.sqrt(v), (count, size, size))) for v in variances]
    score = np.conj(spectra[0]) * powers[1] / noise * images[0]
    score -= np.conj(spectra[1]) * powers[0] / noise * images[1]
    return np.fft.ifft2(score).real / norm


def test_the_best_error_is_what_proper_subtraction_reaches(psf):
    rng = np.random.default_rng(1)
    new = psf.stamp(0, 0, 20).astype(float)
    ref = psf_field(Optics(2.2, nodes=2), (64, 64)).stamp(0, 0, 20).astype(float)
    said = flux_error(
        *(np.array([a]) for a in (new, ref)), np.full((1, 41, 41), 9.0), np.full((1, 41, 41), 2.0)
    )
    flux = filtered((new, ref), (9.0, 2.0), 64, 60, rng)
    assert flux.std() == pytest.approx(said[0], rel=0.03)


def test_a_perfect_reference_leaves_the_error_of_a_fit_to_one_image(psf):
    stamp = psf.stamp(0, 0, 20).astype(float)[None]
    variance = np.full((1, 41, 41), 4.0)
    alone = 2.0 / np.sqrt(np.sum(stamp**2))
    assert flux_error(stamp, stamp, variance, variance * 1e-9)[0] == pytest.approx(alone, rel=1e-3)
    assert flux_error(stamp, stamp, variance, variance)[0] == pytest.approx(alone * np.sqrt(2.0), rel=1e-3)


def test_the_flux_of_a_ratio_has_its_own_noise_in_it(psf):
    stamp = psf.stamp(0, 0, 20).astype(float)[None]
    dark = np.full((1, 41, 41), 1e-6)
    flux = flux_of_snr(np.array([30.0]), np.array([True]), stamp, stamp, dark, dark * 1e-3, (1.0, 1.0))
    # A fit with weights P counts sum(P^3) / sum(P^2)^2 of the source's own electrons.
    share = np.sum(stamp**3) / np.sum(stamp**2) ** 2
    assert flux[0] == pytest.approx(30.0**2 * share, rel=0.01)


def test_in_the_corner_alone_places_are_displaced():
    wanted = SCENARIOS["corner"]
    moved, still = (
        geometry_of(each, np.random.default_rng(3)) for each in (wanted, replace(wanted, warp_px=0.0))
    )
    x, y = (each.ravel() for each in np.meshgrid(np.arange(8.0, 1024.0, 16.0), np.arange(8.0, 1024.0, 16.0)))
    by = np.hypot(*(a - b for a, b in zip(moved(x, y), still(x, y), strict=True)))
    inside = (x < 300.0) & (y < 300.0)
    beyond = (x > 620.0) | (y > 620.0)
    assert 0.2 < np.sqrt(np.mean(by[inside] ** 2) / 2.0) < 0.6  # a corner is a small sample of it
    assert by[beyond].max() < 0.01
