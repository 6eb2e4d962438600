"""A coadd: deeper than its frames by what theory says, with the noise it claims, and clean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from core.frames.outcome import QualityFacts
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import FrameRefused
from pipeline.measure import Measured
from pipeline.reference.coadd import build, effective_gain
from pipeline.reference.reference_file import ReferenceImage, is_reference, read, write
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stars import find_stars, stellar_fwhm
from tests.pipeline.synthetic import rotation, star_frame

SETTINGS = Settings()
SHAPE = (200, 220)
SHIFTS = [(0.0, 0.0), (3.4, -2.7), (-5.2, 1.1), (0.5, 6.3)]
TRANSPARENCY = [1.0, 0.7, 1.2, 0.5]
FWHM = [3.0, 3.6, 3.3, 4.5]


def exposure(number: int) -> Measured:
    frame, _ = star_frame(
        SHAPE,
        seed=11,
        n_stars=80,
        fwhm=FWHM[number],
        affine=rotation(0.2 * number, (110, 100), SHIFTS[number]),
        transparency=TRANSPARENCY[number],
        noise_seed=number,
    )
    frame = replace(frame, exposure=replace(frame.exposure, name=f"f{number}", mjd=60000.0 + number))
    stars = find_stars(frame)
    return Measured(frame, stars, QualityFacts(), stellar_fwhm(stars))


@pytest.fixture(scope="module")
def exposures() -> list[Measured]:
    return [exposure(number) for number in range(4)]


@pytest.fixture(scope="module")
def coadd(exposures: list[Measured]) -> ReferenceImage:
    reference, skipped, partly = build(exposures, SETTINGS)
    assert (skipped, partly) == ({}, {})
    return reference


def truth_of_best() -> np.ndarray:
    return star_frame(SHAPE, seed=11, n_stars=80, fwhm=FWHM[0])[1].model


def test_it_remembers_what_it_is_made_of(coadd: ReferenceImage) -> None:
    assert coadd.names[0] == "f0"  # the best seeing
    assert sorted(coadd.names) == ["f0", "f1", "f2", "f3"]
    assert (coadd.mjd_first, coadd.mjd_last) == (60000.0, 60003.0)
    assert coadd.flux_unit == "electron"


def test_fluxes_are_those_of_the_best_frame(coadd: ReferenceImage, exposures: list[Measured]) -> None:
    """Total light within wide apertures: whatever the seeing was, flux is kept."""
    frame = coadd.frame
    unit = frame.signal / frame.gain
    inner = (slice(20, -20), slice(20, -20))
    kept = frame.mask[inner] == 0
    total, expected = unit[inner][kept].sum(), truth_of_best()[inner][kept].sum()
    assert total == pytest.approx(expected, rel=0.02)


def test_its_noise_is_what_it_claims(exposures: list[Measured], coadd: ReferenceImage) -> None:
    """At the scale of a PSF; a single pixel's noise is smoothed by resampling."""
    frame = coadd.frame
    psf = estimate_psf(frame, find_stars(frame), 1)
    stamp = psf.at(110, 100).astype(float)
    half = stamp.shape[0] // 2
    empty = truth_of_best() < 2.0
    values = []
    for row in range(30, 170, 4):
        for column in range(30, 190, 4):
            window = (slice(row - half, row + half + 1), slice(column - half, column + half + 1))
            core = (slice(row - 6, row + 7), slice(column - 6, column + 7))
            if window[0].start < 0 or window[1].start < 0 or not empty[core].all():
                continue
            light, noise = frame.signal[window], frame.variance[window]
            if light.shape != stamp.shape:
                continue
            values.append((stamp * light).sum() / np.sqrt((stamp**2 * noise).sum()))
    assert len(values) > 60
    low, high = np.percentile(values, [15.87, 84.13])
    assert (high - low) / 2.0 == pytest.approx(1.0, abs=0.25)


def test_it_is_deeper_by_the_weights_of_theory(exposures: list[Measured], coadd: ReferenceImage) -> None:
    """The variance of a mean with weights w of layers with noise s is sum(w^2 s^2) / sum(w)^2."""
    noise = np.array([np.median(each.frame.variance) for each in exposures]) / np.square(TRANSPARENCY)
    weights = 1.0 / (noise * np.square(FWHM))
    expected = np.sum(weights**2 * noise) / weights.sum() ** 2
    found = float(np.median(coadd.frame.variance)) / coadd.frame.gain**2
    assert found == pytest.approx(expected, rel=0.05)
    assert found < 0.6 * noise[0]


def test_what_is_in_one_frame_alone_is_left_out(exposures: list[Measured], coadd: ReferenceImage) -> None:
    data = exposures[0].frame.data.copy()
    data[100, 20:200] += 800.0  # a satellite
    struck = replace(exposures[0], frame=replace(exposures[0].frame, data=data))
    with_streak = build([struck, *exposures[1:]], SETTINGS).image
    sky = truth_of_best()[100, 20:200] < 2.0
    change = (with_streak.frame.signal / with_streak.frame.gain)[100, 20:200] - (
        coadd.frame.signal / coadd.frame.gain
    )[100, 20:200]
    sigma = np.sqrt(np.median(coadd.frame.variance)) / coadd.frame.gain
    assert np.median(np.abs(change[sky])) < 1.5 * sigma
    assert np.abs(change[sky]).max() < 6.0 * sigma


def test_a_masked_pixel_is_filled_by_the_other_frames(exposures: list[Measured]) -> None:
    mask = np.zeros(SHAPE, dtype=np.uint16)
    mask[:, 110] = MaskPlane.BAD
    mask[50, 50] = MaskPlane.SATURATED
    holed = replace(exposures[0], frame=replace(exposures[0].frame, mask=mask))
    frame = build([holed, *exposures[1:]], SETTINGS).image.frame
    assert (frame.mask[20:-20, 110] == 0).all()
    assert np.median(frame.variance[20:-20, 110]) > 1.2 * np.median(frame.variance)
    assert frame.mask[50, 50] & MaskPlane.SATURATED  # no other frame knows that star's profile


def test_no_pixel_is_nan_where_no_frame_reaches(exposures: list[Measured]) -> None:
    mask = np.full(SHAPE, MaskPlane.BAD, dtype=np.uint16)
    mask[:150] = 0
    blind = [replace(each, frame=replace(each.frame, mask=mask)) for each in exposures[:3]]
    frame = build(blind, SETTINGS).image.frame
    for plane in (frame.data, frame.background, frame.variance):
        assert np.isfinite(plane).all()
    assert (frame.variance > 0).all()
    assert (frame.mask[165:] != 0).all()


def test_the_grid_is_of_a_whole_frame_though_a_crop_is_sharper(exposures: list[Measured]) -> None:
    sharpest, *others = exposures
    rows = slice(40, 160)
    crop = replace(
        sharpest.frame,
        **{name: getattr(sharpest.frame, name)[rows] for name in ("data", "background", "variance", "mask")},
    )
    stars = find_stars(crop)
    cut = Measured(crop, stars, QualityFacts(), stellar_fwhm(stars))
    reference, skipped, _ = build([cut, *others], SETTINGS)
    assert skipped == {}
    assert cut.fwhm < min(each.fwhm for each in others)
    assert reference.frame.shape == SHAPE
    assert reference.names[0] == "f2"
    assert "f0" in reference.names


def test_a_frame_of_another_field_is_skipped_with_its_reason(exposures: list[Measured]) -> None:
    frame, _ = star_frame(SHAPE, seed=99, n_stars=80, fwhm=3.5)
    frame = replace(frame, exposure=replace(frame.exposure, name="elsewhere"))
    stars = find_stars(frame)
    other = Measured(frame, stars, QualityFacts(), stellar_fwhm(stars))
    reference, skipped, _ = build([*exposures[:2], other], SETTINGS)
    assert set(skipped) == {"elsewhere"}
    assert len(reference.names) == 2
    with pytest.raises(FrameRefused, match="at least 2 frames"):
        build([exposures[0], other], SETTINGS)
    with pytest.raises(FrameRefused, match="at least 2 frames"):
        build(exposures[:1], SETTINGS)


def test_a_frame_that_aligns_and_has_no_good_pixel_is_skipped_with_its_reason(
    exposures: list[Measured],
) -> None:
    blind = replace(exposures[1].frame, mask=np.full(SHAPE, MaskPlane.BAD, dtype=np.uint16))
    reference, skipped, _ = build([exposures[0], replace(exposures[1], frame=blind), exposures[2]], SETTINGS)
    assert "no usable pixel" in skipped["f1"]
    assert reference.names == ("f0", "f2")


def test_the_effective_gain_of_equal_frames_is_their_number() -> None:
    assert effective_gain([1, 1, 1, 1], [1, 1, 1, 1]) == pytest.approx(4.0)
    assert effective_gain([1.0], [1.0]) == pytest.approx(1.0)
    # A hazy frame alone: its Poisson noise in clear-sky electrons is larger.
    assert effective_gain([1.0], [0.5]) == pytest.approx(0.5)


def test_a_file_brings_back_what_was_written(coadd: ReferenceImage, tmp_path: Path) -> None:
    hostile = replace(coadd.frame, exposure=replace(coadd.frame.exposure, field="M31 \x1b[31m é", filter="r"))
    path = tmp_path / "deep" / "reference.fits"
    write(replace(coadd, frame=hostile, zeropoint=25.5, mag_system="ab"), path)
    assert is_reference(path)
    back = read(path)
    for name in ("data", "background", "variance"):
        np.testing.assert_allclose(
            getattr(back.frame, name), getattr(coadd.frame, name), rtol=1e-5, atol=1e-2
        )
    assert np.array_equal(back.frame.mask, coadd.frame.mask)
    assert back.frame.gain == pytest.approx(coadd.frame.gain)
    assert back.frame.saturation == pytest.approx(coadd.frame.saturation)
    assert (back.zeropoint, back.mag_system, back.flux_unit) == (25.5, "ab", "electron")
    assert (back.mjd_first, back.mjd_last) == (60000.0, 60003.0)
    assert back.names == coadd.names
    assert back.frame.exposure.filter == "r"
    assert list(path.parent.iterdir()) == [path]  # nothing unfinished stays


@pytest.mark.parametrize("length", [1, 65, 66, 67, 72, 132, 133, 300])
def test_a_name_is_brought_back_however_long_it_is(
    coadd: ReferenceImage, tmp_path: Path, length: int
) -> None:
    names = (
        "first.fits",
        "frame " * (length // 6) + "x" * (length % 6 or 6),
        "x" * length,
        "",
        "last frame .fits",
    )
    write(replace(coadd, names=names), tmp_path / "reference.fits")
    assert read(tmp_path / "reference.fits").names == names


def test_the_tables_of_a_distortion_are_kept(coadd: ReferenceImage, tmp_path: Path) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, -30.0], [100.0, 100.0]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    height, width = coadd.frame.shape
    bent = np.linspace(0.0, 3.0, 16, dtype=np.float32).reshape(4, 4)
    step = (width / 3.0, height / 3.0)
    wcs.cpdis1, wcs.cpdis2 = (DistortionLookupTable(bent, (1.0, 1.0), (1.0, 1.0), step) for _ in "xy")
    pixels = np.array([[0.0, 0.0], [90.0, 17.0], [width - 1.0, height - 1.0]])
    sky = wcs.all_pix2world(pixels, 0)
    assert np.abs(sky - wcs.wcs_pix2world(pixels, 0)).max() > 1e-4
    write(replace(coadd, frame=replace(coadd.frame, wcs=wcs)), tmp_path / "reference.fits")
    back = read(tmp_path / "reference.fits").frame
    np.testing.assert_allclose(back.wcs.all_pix2world(pixels, 0), sky, atol=1e-9)
    np.testing.assert_array_equal(back.mask, coadd.frame.mask)


def test_a_file_that_is_gone_is_told_of_once(tmp_path: Path) -> None:
    with pytest.raises(FrameRefused) as refused:
        read(tmp_path / "gone.fits")
    where = f"the reference {tmp_path}/gone.fits"
    assert str(refused.value) == f"{where} cannot be read: No such file or directory"


def test_a_damaged_file_is_refused_in_a_sentence(coadd: ReferenceImage, tmp_path: Path) -> None:
    path = tmp_path / "reference.fits"
    write(coadd, path)
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(FrameRefused, match="cannot be read"):
        read(path)
    with pytest.raises(FrameRefused, match="cannot be read"):
        read(tmp_path / "missing.fits")
    assert not is_reference(tmp_path / "missing.fits")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("GAIN", 0.0, "gain"),
        ("MJD-AVG", "yesterday", "cannot be read"),
        ("VARIANCE", np.ones((3, 3), dtype=np.float32), "one size"),
        ("BACKGROUND", None, "one size"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    coadd: ReferenceImage, tmp_path: Path, key: str, value: object, words: str
) -> None:
    path = tmp_path / "reference.fits"
    write(coadd, path)
    with fits.open(path, memmap=False) as layers:
        if key in layers[0].header:
            layers[0].header[key] = value
        else:
            layers[key].data = value
        layers.writeto(path, overwrite=True)
    with pytest.raises(FrameRefused, match=words):
        read(path)
