"""What goes with an image is no exposure, whatever words observatories have for it."""

import numpy as np
import pytest
from astropy.io import fits

from pipeline.files.extension_roles import IMAGE, MASK, role_of
from pipeline.files.fits_files import read_frame, read_frames
from pipeline.frame import FrameRefused

SKY = np.random.default_rng(1).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
DATE = fits.Header({"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 10.0})


def image(name: str, data=SKY, **cards) -> fits.ImageHDU:
    return fits.ImageHDU(data, fits.Header(cards), name=name)


def frames(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(header=DATE), *hdus]).writeto(path)
    return list(read_frames(path))


@pytest.mark.parametrize(
    "name", ["SCI", "sci1", "S29", "IMAGE", "CHIP1.INT1", "IM4", "DET1.DATA", "MASKED", ""]
)
def test_an_exposure(name):
    assert role_of(image(name)) == IMAGE


@pytest.mark.parametrize(
    "name",
    ["DQ", "dq_2", "MSK", "CHIP1.INT1.DQ", "BAD PIXEL MASK", "FLAG_MAP", "QUALITY", "DATA_QUALITY", "bpm1"],
)
def test_a_mask(name):
    assert role_of(image(name)) == MASK


@pytest.mark.parametrize(
    "name",
    [
        "WGT",
        "WHT",
        "VAR_POISSON",
        "CHIP1.INT1.ERR",
        "WEIGHT_MAP",
        "INVERSE VARIANCE",
        "STAT",
        "D2IMARR",
        "DIFFERENCE",
    ],
)
def test_what_goes_with_an_exposure(name):
    assert role_of(image(name)) == f"an extension named {name}"


@pytest.mark.parametrize(
    ("said", "role"), [("ERROR", "an extension named CHIP1"), ("QUALITY", MASK), ("DATA", IMAGE)]
)
def test_files_of_eso_say_it_by_a_keyword(said, role):
    assert role_of(image("CHIP1", HDUCLASS="ESO", HDUCLAS1="IMAGE", HDUCLAS2=said)) == role


@pytest.mark.parametrize("name", ["{}.DQ", "{} MASK", "{}_BPM"])
def test_a_mask_with_the_name_of_an_image_masks_no_other(tmp_path, name):
    hdus = []
    for row, chip in enumerate(("CHIP1-2", "CHIP2-1")):
        flags = np.zeros(SKY.shape, np.int16)
        flags[row, 6] = 1
        hdus += [image(chip), image(name.format(chip), flags)]
    found = [np.argwhere(raw.mask).tolist() for raw in frames(tmp_path / "a.fits", *hdus)]
    assert found == [[[0, 6]], [[1, 6]]]


def test_numbers_tell_the_masks_of_images_apart_and_one_without_is_of_all(tmp_path):
    flags = [np.zeros(SKY.shape, np.int16) for _ in range(3)]
    for row, each in enumerate(flags):
        each[row, 6] = 1
    masks = [image("DQ_1", flags[0]), image("DQ_2", flags[1]), image("BPM", flags[2])]
    found = frames(tmp_path / "a.fits", image("SCI_1"), image("SCI_2"), *masks)
    assert [np.argwhere(raw.mask)[:, 0].tolist() for raw in found] == [[0, 2], [1, 2]]


@pytest.mark.parametrize("name", ["MASK1", "DQ_1", "bpm2", "BAD_PIXEL_MASK_1"])
def test_the_number_of_a_mask_says_nothing_where_images_have_none(tmp_path, name):
    flags = np.zeros(SKY.shape, np.int16)
    flags[3, 6] = 1
    fits.HDUList([fits.PrimaryHDU(SKY, DATE), image(name, flags)]).writeto(tmp_path / "a.fits")
    (raw,) = read_frames(tmp_path / "a.fits")
    assert np.argwhere(raw.mask).tolist() == [[3, 6]]


@pytest.mark.parametrize("name", ["WEIGHT", "WHT", "IVAR", "WEIGHT_MAP", "WGT_1", "CONF"])
def test_a_pixel_without_weight_is_masked(tmp_path, name):
    weight = np.full(SKY.shape, 0.25, np.float32)
    weight[3, 6:9] = 0.0, np.nan, -1.0
    (raw,) = frames(tmp_path / "a.fits", image("SCI"), image(name, weight))
    assert np.argwhere(raw.mask).tolist() == [[3, 6], [3, 7], [3, 8]]


@pytest.mark.parametrize("name", ["ERR", "EXPMAP", "SKY", "VAR_POISSON"])
def test_zeros_of_what_is_no_weight_mask_nothing(tmp_path, name):
    (raw,) = frames(tmp_path / "a.fits", image("SCI"), image(name, np.eye(*SKY.shape, dtype=np.float32)))
    assert not raw.mask.any()


def test_weights_go_with_the_image_whose_number_they_have_and_of_zeros_alone_tell_nothing(tmp_path):
    weights = [np.ones(SKY.shape, np.int16) for _ in range(2)]
    weights[0][3, 6] = 0
    weights[1][:] = 0
    named = [image(f"WHT_{number}", each) for number, each in enumerate(weights, start=1)]
    found = frames(tmp_path / "a.fits", image("SCI_1"), image("SCI_2"), *named)
    assert [np.argwhere(raw.mask).tolist() for raw in found] == [[[3, 6]], []]


def test_what_goes_with_an_exposure_is_read_where_it_is_asked_for_by_its_name(tmp_path):
    """As is the template that another survey's pipeline puts beside its exposure. A mask is no image."""
    flags = image("DQ", np.zeros(SKY.shape, np.int16))
    (raw,) = frames(tmp_path / "a.fits", image("SCI"), image("TEMPLATE", SKY + 1.0), flags)
    assert raw.extension == 1
    template = read_frame(tmp_path / "a.fits", "TEMPLATE")
    assert template.exposure.name == "a.fits[2]"
    np.testing.assert_array_equal(template.data, SKY + 1.0)
    for which in (2, 3, "DQ"):
        with pytest.raises(FrameRefused, match="is no exposure"):
            read_frame(tmp_path / "a.fits", which)
    frames(tmp_path / "b.fits", image("TEMPLATE"))
    assert read_frame(tmp_path / "b.fits", "template").extension == 1
    with pytest.raises(FrameRefused, match="only an extension named TEMPLATE"):
        read_frame(tmp_path / "b.fits")
