"""Of stars sharper than pixels can show, what differs with their place in a pixel is found and taken out."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import fft

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.calibration.variance import source_model
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration import align as registration
from pipeline.stellar.aliasing import with_noise_of, without_aliases
from pipeline.stellar.stars import find_stars, stellar_fwhm
from tests.pipeline.synthetic import star_frame

SHAPE = (384, 384)
FIELD = {"n_stars": 170, "flux_range": (3e3, 3e5), "fwhm": 1.3, "beta": 3.5, "psf_gradient": 0.06}
OFF = 0.41, -0.37  # pixels between both frames
MARGIN, BRIGHT = 20, 3e4


@cache
def field(off=(0.0, 0.0), **facts):
    """A frame, its stars and its truth, ``off`` from where the others see the same sky."""
    affine = np.array([[1.0, 0.0, off[0]], [0.0, 1.0, off[1]]])
    frame, truth = star_frame(SHAPE, affine=affine, noise_seed=int(off != (0.0, 0.0)), **(FIELD | facts))
    return frame, find_stars(frame), truth


def moved(image, dx, dy):
    """An image as a convolution has it, moved."""
    rows, columns = fft.fftfreq(image.shape[0])[:, None], fft.rfftfreq(image.shape[1])
    return fft.irfft2(fft.rfft2(image) * np.exp(-2j * np.pi * (rows * dy + columns * dx)), s=image.shape)


def bright(truth):
    """Places and fluxes of the bright stars that are well inside."""
    x, y, flux = truth.x, truth.y, truth.flux
    inside = np.minimum.reduce([x, y, SHAPE[1] - 1 - x, SHAPE[0] - 1 - y]) > MARGIN
    return np.column_stack([x, y, flux])[inside & (flux > BRIGHT)]


def boxes(image, truth, half=2):
    """The pixels around each bright star, (n, pixels)."""
    return np.array(
        [
            image[round(y) - half : round(y) + half + 1, round(x) - half : round(x) + half + 1].ravel()
            for x, y, _ in bright(truth)
        ]
    )


def typical_misfit(one, other, truth):
    """What two images differ in at bright stars, squared, in units of the variance of both."""
    square = (one.signal - other.signal) ** 2 / (one.variance + other.variance)
    return float(np.median(np.mean(boxes(square, truth), axis=1)))


def test_without_aliases_a_star_moves_within_its_pixel_as_a_convolution_moves_it():
    (frame, stars, _), (other, others, truth) = field(), field(OFF)
    assert stellar_fwhm(stars) < 2.4
    clear = [without_aliases(*each) for each in ((frame, stars), (other, others))]
    raw, mended = (
        typical_misfit(replace(a, data=(moved(a.signal, *OFF) + a.background).astype(np.float32)), b, truth)
        for a, b in ((frame, other), clear)
    )
    assert raw > 20.0
    assert mended < 0.2 * raw


def test_a_star_keeps_its_light_and_the_sky_its_pixels():
    frame, stars, truth = field()
    taken = frame.data - without_aliases(frame, stars).data
    assert taken.any()
    light = np.sum(boxes(taken, truth, half=6), axis=1) / bright(truth)[:, 2]
    assert np.median(np.abs(light)) < 0.005
    rows, columns = np.nonzero(taken)
    apart = np.hypot(rows[:, None] - truth.y, columns[:, None] - truth.x)[:, truth.flux > 1e3].min(axis=1)
    assert apart.max() < 6.0 * np.sqrt(2.0) + 1.0


def test_the_noise_of_a_sharp_star_is_where_its_light_is():
    frame, stars, truth = field(fwhm=1.6, sky=1000.0, flux_range=(1.5e3, 3e5))
    sky = frame.background + frame.read_noise**2
    smooth = sky + source_model(frame.signal, np.sqrt(sky), np.zeros(SHAPE, dtype=bool))
    alone = np.hypot(truth.x[:, None] - truth.x, truth.y[:, None] - truth.y) < 8.0
    some = (np.minimum.reduce([truth.x, truth.y, 383 - truth.x, 383 - truth.y]) > MARGIN) & (
        (truth.flux < 3e3) & (alone.sum(axis=0) == 1)
    )
    peaks = tuple(np.rint([truth.y[some], truth.x[some]]).astype(int))
    assert np.count_nonzero(some) > 30

    def share(variance):
        """Of the photons' noise in the brightest pixels of stars, how much a variance has."""
        return np.median((variance[peaks] - sky[peaks]) / truth.model[peaks])

    assert share(smooth) < 0.8
    once = without_aliases(replace(frame, variance=smooth), stars)
    assert share(once.variance) == pytest.approx(1.0, abs=0.05)
    again = without_aliases(replace(frame, variance=once.variance), stars)
    assert again.variance == pytest.approx(once.variance, rel=0.02)  # what is right stays


def test_the_noise_of_a_sky_that_photons_do_not_explain_stays_beside_a_star():
    frame, *_ = field(fwhm=1.6, sky=1000.0)
    quiet = np.full(SHAPE, 400.0, dtype=np.float32)  # as of a resampled coadd
    light = np.zeros(SHAPE, dtype=np.float32)
    light[50, 60] = 300.0
    variance = with_noise_of(replace(frame, variance=quiet), light)
    assert variance[50, 60] == pytest.approx(700.0, rel=1e-4)
    assert (np.delete(variance, 50 * SHAPE[1] + 60) == 400.0).all()


@pytest.mark.parametrize("plane", ["data", "variance", "background"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_stays_where_it_is(plane, value):
    frame, stars, truth = field()
    values = getattr(frame, plane).copy()
    hit = np.random.default_rng(1).random(SHAPE) < 0.003
    hit[tuple(np.rint(bright(truth)[::3, 1::-1]).astype(int).T)] = True
    values[hit] = value
    found = without_aliases(replace(frame, **{plane: values}), stars)
    assert np.isfinite(found.data[~hit]).all()
    assert np.any(found.data[~hit] != frame.data[~hit])


def test_a_masked_star_stays_as_it_is():
    frame, _, truth = field()
    places = bright(truth)[:, :2]
    near = np.hypot(*(places[:, None] - np.column_stack([truth.x, truth.y])).T) < 16.0
    x, y = places[np.flatnonzero(near[truth.flux > 1e3].sum(axis=0) == 1)[0]]
    mask = frame.mask.copy()
    mask[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = MaskPlane.SATURATED
    hit = replace(frame, mask=mask)
    taken = hit.data - without_aliases(hit, find_stars(hit)).data
    assert taken.any()
    assert not taken[round(y), round(x)]


@pytest.mark.parametrize(
    "facts", [{"fwhm": 3.0}, {"n_stars": 8, "margin": 0.0}], ids=["wide stars", "few stars"]
)
def test_where_nothing_is_aliased_or_too_few_stars_tell_it_the_frame_is_the_same_one(facts):
    frame, stars, _ = field(**facts)
    assert without_aliases(frame, stars) is frame


def test_a_frame_and_its_reference_are_compared_without_aliases(monkeypatch):
    (frame, stars, truth), (other, others, _) = field(), field(OFF)
    settings = Settings()

    def misfit():
        prepared = prepare_image(ReferenceImage(frame, ("reference",), "electron", stars=stars), settings)
        aligned = registration.align(other, others, stellar_fwhm(others), prepared, settings)
        return typical_misfit(aligned.frame, prepared.frame, truth)

    mended = misfit()
    monkeypatch.setattr("pipeline.registration.align.without_aliases", lambda frame, stars: frame)
    monkeypatch.setattr("pipeline.reference.prepare.without_aliases", lambda frame, stars: frame)
    assert mended < 0.5 * misfit()
