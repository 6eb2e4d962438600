"""A part of a frame whose stars are not those of the other frames is no part of a coadd, and is told of."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from core.frames.outcome import QualityFacts
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import FrameRefused
from pipeline.measure import Measured
from pipeline.reference.coadd import build
from pipeline.stellar.stars import find_stars, stellar_fwhm
from tests.pipeline.synthetic import rotation, star_frame

SETTINGS = Settings()
SIDE = 420
QUARTER = np.s_[SIDE // 2 :, SIDE // 2 :]
FWHM = (3.4, 3.0, 3.8, 3.2, 4.2)  # f1 is the sharpest
SHIFTS = ((0.0, 0.0), (2.3, -1.7), (-4.2, 1.1), (0.5, 3.3), (1.4, 1.4))
TRANSPARENCY = (1.0, 0.8, 1.2, 0.3, 0.9)
OTHERS = "the stars there are not where most other frames have them, or not as bright"


@pytest.fixture(scope="module")
def frames():
    made = []
    for number, (fwhm, shift, transparency) in enumerate(zip(FWHM, SHIFTS, TRANSPARENCY, strict=True)):
        frame, _ = star_frame(
            (SIDE, SIDE),
            seed=21,
            n_stars=400,
            fwhm=fwhm,
            affine=rotation(0.1 * number, (SIDE / 2, SIDE / 2), shift),
            transparency=transparency,
            noise_seed=number,
            psf_gradient=0.05,
        )
        made.append(replace(frame, exposure=replace(frame.exposure, name=f"f{number}")))
    return made


def spoilt(frame, how, part=QUARTER):
    """Its stars moved by (rows, columns), or dimmed to a share of their light, in a part of it."""
    data, sky = frame.data.copy(), frame.background[part]
    light = data[part] - sky
    data[part] = sky + (np.roll(light, how, (0, 1)) if isinstance(how, tuple) else how * light)
    return replace(frame, data=data)


def coadd(frames):
    measured = []
    for frame in frames:
        stars = find_stars(frame)
        measured.append(Measured(frame, stars, QualityFacts(), stellar_fwhm(stars)))
    return build(measured, SETTINGS)


def light_of(image):
    return image.frame.signal / image.frame.gain


def share(said):
    """The per cent that a sentence tells."""
    return float(said.partition("%")[0])


@pytest.mark.parametrize(
    ("count", "how"), [*((3, how) for how in ((4, 0), (6, -8), (-14, 20), 0.5, 0.1)), (5, (4, 0)), (5, 0.1)]
)
def test_the_part_of_one_frame_is_left_out_and_the_others_fill_it(frames, how, count):
    image, skipped, partly = coadd([spoilt(frames[0], how), *frames[1:count]])
    assert skipped == {}
    (said,) = partly.values()
    assert [*partly] == ["f0"]
    assert said.endswith(OTHERS)
    assert share(said) == pytest.approx(25.0, abs=8.0)
    x, y = (float(word.strip(",")) for word in said.split("pixel ")[1].split()[:2])
    assert (x, y) == pytest.approx((315, 315), abs=30)
    inner = (image.frame.mask[10:-10, 10:-10] != 0).mean()
    assert inner < 0.01
    without = coadd(frames[1:count])[0]
    middle = np.s_[SIDE // 2 + 45 : -10, SIDE // 2 + 45 : -10]
    assert np.allclose(light_of(image)[middle], light_of(without)[middle], atol=0.2)


def test_what_is_saturated_in_a_part_that_is_left_out_is_not_in_the_coadd(frames):
    first = spoilt(frames[0], (6, -8))
    mask = first.mask.copy()
    mask[330:340, 330:340] |= np.uint16(MaskPlane.SATURATED)
    image, _, partly = coadd([replace(first, mask=mask), *frames[1:3]])
    assert [*partly] == ["f0"]
    assert not (image.frame.mask & MaskPlane.SATURATED).any()


@pytest.mark.parametrize("how", [(4, 0), 0.5])
def test_the_sharpest_frame_is_no_grid_where_the_others_outvote_it(frames, how):
    image, _, partly = coadd([frames[0], spoilt(frames[1], how), frames[2]])
    assert share(partly["f1"]) == pytest.approx(25.0, abs=8.0)
    assert all(share(said) < 1.5 for name, said in partly.items() if name != "f1")  # where f2 does not reach
    assert image.names[0] == "f0"
    assert sorted(image.names) == ["f0", "f1", "f2"]


@pytest.mark.parametrize("how", [(4, 0), (-14, 20), 0.5, 0.1])
def test_of_two_frames_that_differ_neither_is_taken(frames, how):
    image, _, partly = coadd([spoilt(frames[0], how), frames[1]])
    assert {*partly} == {"f0", "f1"}
    assert "not where f1 has them, or not as bright, and it takes a third frame to tell" in partly["f0"]
    assert "not where f0 has them" in partly["f1"]
    part = (image.frame.mask & MaskPlane.EDGE) != 0
    assert part[SIDE // 2 + 40 : -20, SIDE // 2 + 40 : -20].all()
    assert not part[20 : SIDE // 2 - 60, 20:-20].any()
    assert image.names[0] == "f1"  # neither is outvoted, and it is the sharper one


def test_two_frames_that_are_spoilt_in_one_way_each_do_not_outvote_the_third(frames):
    """No two agree: what is right nobody can say."""
    image, _, partly = coadd([spoilt(frames[0], (9, 6)), spoilt(frames[1], (-7, 9)), frames[2]])
    assert {*partly} == {"f0", "f1", "f2"}
    assert (image.frame.mask[SIDE // 2 + 40 : -12, SIDE // 2 + 40 : -12] != 0).all()


def test_two_frames_may_be_spoilt_at_different_places(frames):
    image, _, partly = coadd([spoilt(frames[0], (9, 6)), spoilt(frames[1], 0.3, np.s_[:150, :]), frames[2]])
    assert {*partly} == {"f0", "f1"}
    assert (image.frame.mask[12:-12, 12:-12] != 0).mean() < 0.02


def test_a_frame_that_is_spoilt_for_more_than_half_is_not_used(frames):
    first = spoilt(spoilt(frames[0], (6, -8), np.s_[:125, :]), 0.3, np.s_[-125:, :])
    image, skipped, partly = coadd([first, *frames[1:3]])
    assert partly == {}
    assert [*skipped] == ["f0"]
    assert "are not where most other frames have them, or not as bright; 50% is the most" in skipped["f0"]
    assert sorted(image.names) == ["f1", "f2"]


def test_no_frame_that_is_refused_is_the_grid():
    """The sharpest shows too little of the next one to tell that this is spoilt for more than half."""
    made = []
    for number, (fwhm, shift) in enumerate(((2.8, 230.0), (3.0, 0.0), (3.2, 5.0), (3.4, -9.0))):
        frame, _ = star_frame(
            (SIDE, SIDE),
            seed=21,
            n_stars=1500,
            fwhm=fwhm,
            affine=rotation(0.0, (SIDE / 2, SIDE / 2), (shift, 0.0)),
            margin=0.6,
            noise_seed=number,
        )
        made.append(replace(frame, exposure=replace(frame.exposure, name=f"f{number}")))
    made[0] = spoilt(made[0], 0.3, np.s_[:, 225:310])
    made[1] = spoilt(spoilt(made[1], (6, -8), np.s_[:, 190:305]), 0.3, np.s_[:, 305:])
    image, skipped, _ = coadd(made)
    assert [*skipped] == ["f1"]
    assert image.names[0] == "f2"  # whose WCS and size the image has, and so its pixels
    own, there = (
        np.column_stack([stars.x, stars.y])[:50] for stars in map(find_stars, (made[2], image.frame))
    )
    assert np.median(KDTree(there).query(own)[0]) < 0.1


def test_another_frame_of_the_name_of_one_that_is_refused_may_be_the_grid(frames):
    """Cameras use their names again every night."""
    first = spoilt(spoilt(frames[0], (6, -8), np.s_[:125, :]), 0.3, np.s_[-125:, :])
    made = [replace(each, exposure=replace(each.exposure, name="image1")) for each in (first, *frames[1:3])]
    image, skipped, _ = coadd(made)
    assert [*skipped] == ["image1"]
    assert len(image.names) == 2


def test_two_frames_that_differ_over_more_than_half_make_no_coadd(frames):
    halves = [spoilt(frames[0], (9, 6), np.s_[: SIDE // 2 - 60, :]), frames[1]]
    halves[1] = spoilt(halves[1], 0.3, np.s_[SIDE // 2 + 60 :, :])
    with pytest.raises(FrameRefused, match=r"f1 and f0 are not at the same places.*takes a third frame"):
        coadd(halves)


def test_a_sharper_frame_of_another_field_leaves_the_others_their_coadd(frames):
    other, _ = star_frame((SIDE, SIDE), seed=99, n_stars=400, fwhm=2.5)
    other = replace(other, exposure=replace(other.exposure, name="elsewhere"))
    image, skipped, _ = coadd([other, *frames[:3]])
    assert sorted(image.names) == ["f0", "f1", "f2"]
    assert [*skipped] == ["elsewhere"]


@pytest.mark.parametrize("n_stars", [60, 300, 1500])
@pytest.mark.parametrize("count", [2, 3])
def test_frames_of_unlike_seeing_depth_and_colours_are_taken_whole(n_stars, count):
    """Single stars differ by a tenth between them, as through air and filters, and some are variable."""
    random = np.random.default_rng(n_stars + count)
    places = random.uniform(-20, SIDE + 20, (2, n_stars))
    light = 3e3 / (1.0 - random.uniform(0.0, 0.99, n_stars))
    made = []
    for number, (fwhm, transparency, sky) in enumerate(
        ((2.2, 1.0, 100.0), (4.5, 0.4, 900.0), (3.2, 1.1, 300.0))
    ):
        changed = np.where(random.random(n_stars) < 0.05, random.normal(size=n_stars), 0.0)
        seen = light * np.exp(0.1 * random.normal(size=n_stars) + changed)
        frame, _ = star_frame(
            (SIDE, SIDE),
            seed=5,
            n_stars=0,
            fwhm=fwhm,
            beta=2.5 + number,
            ellipticity=0.08 * number,
            sky=sky,
            affine=rotation(0.1, (SIDE / 2, SIDE / 2), SHIFTS[number]),
            transparency=transparency,
            extra=[*zip(*places, seen, strict=True)],
            noise_seed=number,
        )
        made.append(replace(frame, exposure=replace(frame.exposure, name=f"f{number}")))
    image, skipped, partly = coadd(made[:count])
    assert (skipped, partly) == ({}, {})
    assert len(image.names) == count
