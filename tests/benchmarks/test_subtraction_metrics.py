"""The judge judged: white noise and a perfect score get what is known of them."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.pairs.draw import KINDS
from benchmarks.subtraction.metrics import (
    Truth,
    change_radius,
    deviation,
    discs,
    flux_intervals,
    forced,
    half_complete,
    judge,
    peaks,
    poisson_interval,
    threshold_for,
    white_noise_peaks,
    white_noise_region,
    worst_region,
)
from benchmarks.subtraction.report import HEAD, HEAD_OFF_MASKS, line, line_off_masks, pooled

SIZE, SIGMA = 900, 1.3
FWHM = 2.355 * SIGMA


def white(rng, size=SIZE):
    """The score of noise alone: matched-filtered by a Gaussian PSF, unit variance."""
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), SIGMA, mode="wrap")
    return (field / field.std()).astype(np.float32)


def truth_in(rng, score=None, stars=60):
    """Changes on a grid, added to a score as a perfect subtraction would show them."""
    x, y = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size) for grid in np.mgrid[40:860:41, 40:860:41])
    snr = np.exp(rng.uniform(np.log(3.0), np.log(50.0), len(x)))
    sign = rng.choice([-1.0, 1.0], len(x))
    rows, columns = np.mgrid[-12:13, -12:13]
    if score is not None:
        for a, b, s in zip(x, y, snr * sign, strict=True):
            i, j = round(b), round(a)
            shape = np.exp(-((rows - b + i) ** 2 + (columns - a + j) ** 2) / (4.0 * SIGMA**2))
            score[i - 12 : i + 13, j - 12 : j + 13] += s * shape
    star_x, star_y = rng.uniform(20, SIZE - 20, (2, stars))
    return Truth(
        x=x,
        y=y,
        snr=snr,
        sign=sign,
        kind=np.arange(len(x)) % 3,
        flux=snr,
        star_x=star_x,
        star_y=star_y,
        star_snr=np.full(stars, 200.0),
        star_flux=np.full(stars, 1e4),
        usable_star=np.ones(stars, dtype=bool),
        fwhm=FWHM,
        reach=np.exp(-(np.arange(20.0) ** 2) / (4.0 * SIGMA**2)),
    )


def test_white_noise_has_as_many_peaks_as_is_said():
    score = white(np.random.default_rng(1), 1400)
    everywhere = np.ones(score.shape, dtype=bool)
    _, _, value = peaks(score, everywhere)
    for threshold in (3.5, 4.0):
        expected = white_noise_peaks(score, everywhere, threshold) * score.size
        assert np.sum(np.abs(value) > threshold) == pytest.approx(expected, abs=4.0 * np.sqrt(expected))
    assert 0.2 < white_noise_peaks(score, everywhere) * 1e6 < 0.8


def test_regions_of_white_noise_differ_as_much_as_is_said():
    scores = [white(np.random.default_rng(seed), 800) for seed in range(8)]
    sky = np.ones(scores[0].shape, dtype=bool)
    expected = white_noise_region(scores[0], sky)
    assert np.mean([worst_region(score, sky) for score in scores]) == pytest.approx(expected, rel=0.25)


def test_a_perfect_score_is_judged_perfect():
    rng = np.random.default_rng(2)
    score = white(rng)
    truth = truth_in(rng, score)
    judged = judge(score, np.ones(score.shape, dtype=bool), truth)
    assert judged.sigma == pytest.approx(1.0, abs=0.02)
    assert judged.worst_region < 0.1
    assert np.sum(judged.false_peaks > 5.0) <= 3
    assert judged.masked == 0.0
    hit = judged.found > 5.0
    assert half_complete(judged.snr, hit) == pytest.approx(4.7, abs=0.4)  # peaks are chosen, so a bit high
    assert hit[judged.snr > 8.0].all()
    assert np.median(judged.chi2) == pytest.approx(judged.chi2_sky, rel=0.3)


def test_a_score_twice_too_large_is_seen():
    rng = np.random.default_rng(3)
    score = white(rng) * 2.0
    judged = judge(score, np.ones(score.shape, dtype=bool), truth_in(rng))
    assert judged.sigma == pytest.approx(2.0, rel=0.02)
    assert np.sum(judged.false_peaks > 5.0) > 10 * judged.expected


def test_residuals_of_stars_are_seen_and_blamed_on_sources():
    rng = np.random.default_rng(4)
    score, truth = white(rng), truth_in(rng)
    rows, columns = np.rint(truth.star_y).astype(int), np.rint(truth.star_x).astype(int)
    score[rows, columns] = 9.0
    judged = judge(score, np.ones(score.shape, dtype=bool), truth)
    assert np.mean(judged.cause[judged.false_peaks > 5.0] == 1) > 0.95
    assert judged.sigma == pytest.approx(1.0, abs=0.02)
    assert np.median(judged.chi2) > 3.0 * judged.chi2_sky


def test_what_is_masked_is_neither_false_nor_lost():
    rng = np.random.default_rng(5)
    score = white(rng)
    truth = truth_in(rng, score)
    good = np.ones(score.shape, dtype=bool)
    good[:, :450] = False
    score[:, :450] = 30.0
    judged = judge(score, good, truth)
    assert judged.masked == 0.5
    assert judged.masked_changes == pytest.approx(np.mean(np.rint(truth.x) < 450), abs=0.01)
    assert np.sum(judged.false_peaks > 5.0) <= 2


def test_the_light_of_a_bright_change_is_no_false_peak():
    rng = np.random.default_rng(6)
    truth = truth_in(rng)
    radius = change_radius(truth)
    assert radius.min() == pytest.approx(FWHM)
    lifted = truth.snr * np.exp(-((radius + 1.0) ** 2) / (4.0 * SIGMA**2))
    assert lifted.max() < 0.5


def test_discs_hold_what_lies_within_and_nothing_beyond_the_edges():
    mask = discs((30, 20), np.array([5.0, -3.0, 19.5, 90.0]), np.array([6.0, 2.0, 29.0, 5.0]), np.array(2.5))
    assert mask[6, 5]
    assert mask[8, 5]
    assert not mask[9, 5]
    assert mask.sum() == 21 + np.sum(discs((30, 20), np.array([19.5]), np.array([29.0]), np.array(2.5)))


def test_the_threshold_leaves_the_rate_asked_for():
    values = np.arange(1.0, 101.0)
    assert np.sum(values > threshold_for(values, 5e6)) == 5
    assert np.sum(values > threshold_for(values, 5e6, rate=2.0)) == 10


def test_half_complete_finds_the_middle_of_a_logistic():
    rng = np.random.default_rng(7)
    snr = np.exp(rng.uniform(np.log(3), np.log(50), 4000))
    found = rng.uniform(size=4000) < 1.0 / (1.0 + (snr / 7.0) ** -9.0)
    assert half_complete(snr, found) == pytest.approx(7.0, rel=0.02)
    assert np.isnan(half_complete(snr[:5], found[:5]))


def test_poisson_intervals():
    assert poisson_interval(0)[0] == 0.0
    low, high = poisson_interval(100)
    assert (low, high) == pytest.approx((90.0, 111.0), abs=1.2)


def test_forced_fluxes_are_compared_with_the_best_error():
    rng = np.random.default_rng(8)
    true = rng.choice([-1.0, 1.0], 20_000) * 1000.0
    snr = np.full(20_000, 25.0)
    error = np.full(20_000, 80.0)
    flux = true * 1.01 + rng.normal(0.0, 80.0, 20_000)
    flux[:7] = np.nan
    result = forced(flux, error, true, snr)
    summary = result.summary()
    assert summary["n"] == 20_000 - 7
    assert summary["bias"] == pytest.approx(0.01, abs=0.003)
    assert summary["over_ideal"] == pytest.approx(2.0, rel=0.05)
    assert summary["pull"] == pytest.approx(1.0, rel=0.05)


def test_the_intervals_of_forced_fluxes_hold_what_scatters_between_pairs():
    rng = np.random.default_rng(11)
    true, error, snr = np.full(40, 1000.0), np.full(40, 40.0), np.full(40, 25.0)

    def pairs(scatter):  # of all fluxes of a pair, of themselves
        return [
            forced(true * (1.0 + rng.normal(0.0, scatter)) + rng.normal(0.0, error), error, true, snr)
            for _ in range(60)
        ]

    def width(interval):
        return interval[1] - interval[0]

    calm, restless = flux_intervals(pairs(0.0)), flux_intervals(pairs(0.04))
    assert calm["pull"][0] < 1.0 < calm["pull"][1]
    assert width(calm["pull"]) == pytest.approx(4.0 * np.sqrt(1.36 / 2400), rel=0.3)
    assert restless["pull"][0] < np.sqrt(2.0) < restless["pull"][1]
    assert width(restless["bias"]) > 3.0 * width(calm["bias"])


def test_deviation_ignores_outliers():
    values = np.random.default_rng(9).normal(size=50_000).astype(np.float32)
    values[:200] = 100.0
    assert deviation(values) == pytest.approx(1.0, abs=0.02)


def test_the_table_has_a_figure_under_every_heading():
    rng = np.random.default_rng(10)
    score = white(rng)
    truth = truth_in(rng, score)
    judged = judge(score, np.ones(score.shape, dtype=bool), truth)
    fluxes = forced(truth.flux * 1.0, np.ones(len(truth.x)), truth.flux, truth.snr)
    names = ("map_px", "left_px", "gain", "psf_new", "psf_ref", "rms_px", "gain_scatter")
    facts = dict.fromkeys(names, 0.01)
    costs = {"core_ffts": 100.0, "whole_ffts": 500.0, "bytes_per_pixel": 90.0}
    result = pooled([judged], [fluxes], [judged.chi2], [(judged.chi2, 0.8)], 3, (9, 10), [facts], [costs])
    assert set(result["complete"]) == set(KINDS)
    assert len(line("typical", "zogy", result)) == len(HEAD)
    assert len(line_off_masks("typical", "zogy", result)) == len(HEAD_OFF_MASKS)
    assert "nan" not in line("typical", "zogy", result)
    assert line("typical", "sfft", {"says": "not installed"}).endswith("not installed")
