"""Calibration frames that do not fit, or are of no use, are set aside and told."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io.fits import Header

from core.settings import Settings
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, Choice
from pipeline.calibration.kept_masters import load, masters_for, save
from pipeline.calibration.masters import build
from pipeline.calibration.overscan import Section, remaining
from pipeline.frame import Exposure, FrameRefused, RawFrame
from tests.pipeline.raw_night import PATTERN, SHAPE, calibrator, night

ODD = {"TRIMSEC": "[11:50,1:40]"}
TRIMMED = {"TRIMSEC": "[11:60,1:40]"}  # ten columns of overscan


def cut_night(odd: dict[str, str], *odd_ones: str) -> list[Calibrator]:
    """A night of frames with an overscan, the headers of some of which name another part."""
    cut = []
    for one in night():
        raw = replace(one.read(), header=Header(odd if one.content in odd_ones else TRIMMED))
        cut.append(replace(one, read=lambda raw=raw: raw))
    return cut


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"TRIMSEC": "[11:50,1:40]"}, r"40 x 40 pixels \[11:50,1:40\]"),
        ({"DATASEC": "[1:50,1:40]"}, r"50 x 40 pixels \[1:50,1:40\]"),  # of the same size, and elsewhere
        ({}, r"60 x 40 pixels \[1:60,1:40\]"),
    ],
)
@pytest.mark.parametrize("content", ["bias-0", "bias-7", "dark-1", "flat-3"])
def test_a_frame_of_another_part_than_most_is_set_aside_and_told_and_the_others_serve(
    tmp_path: Path, odd: dict[str, str], told: str, content: str
) -> None:
    frames = cut_night(odd, content)
    expected = build(Choice(tuple(one for one in frames if one.content != content), 60.0))
    assert expected.notes == ()
    made = replace(build(Choice(tuple(frames), 60.0)), content="c")
    save(tmp_path, made)
    for found in (made, load(tmp_path, "c")):
        assert found.shape == (40, 50)
        for name in ("bias", "dark", "flat", "bad"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        (note,) = found.notes
        name = content.replace("-", "")
        assert re.match(
            rf"{name[:4]} {name} was set aside: it is {told} without overscan, "
            r"20 calibration frames 50 x 40 pixels \[11:60,1:40\]; ",
            note,
        )


def test_of_many_that_are_set_aside_some_are_named_and_a_kind_may_be_missing() -> None:
    frames = cut_night({"TRIMSEC": "[1:50,1:40]"}, *(f"flat-{n}" for n in range(4)))
    masters = build(Choice(tuple(frames), 60.0))
    assert masters.flat is None
    assert masters.bias.shape == masters.dark.shape == (40, 50)
    assert masters.notes[0].startswith("flat flat0, flat flat1, flat flat2, flat flat3 were set aside")
    odd = cut_night({"TRIMSEC": "[1:50,1:40]"}, *(f"bias-{n}" for n in range(7)))
    (note,) = build(Choice(tuple(odd), 60.0)).notes
    assert "bias bias4 and 2 more were set aside: they are" in note


@pytest.mark.parametrize("agree", [0, 1])
def test_the_part_of_the_frame_decides_however_many_are_of_another(agree: int) -> None:
    fits = ["bias-0", "bias-1", "dark-2", "flat-3"]
    cut = cut_night(*((ODD, *fits) if agree else (ODD, *{one.content for one in night()} - set(fits))))
    part, other = (Section(10, 60, 0, 40), Section(10, 50, 0, 40))[:: -1 if agree else 1]
    expected = build(Choice(tuple(one for one in cut if one.content in fits), 60.0))
    made = build(Choice(tuple(cut), 60.0), part=part)
    np.testing.assert_array_equal(made.flat, expected.flat)
    np.testing.assert_array_equal(made.bias, expected.bias)
    assert made.shape == part.size[::-1]
    (note,) = made.notes
    assert "bias bias2, bias bias3, bias bias4, bias bias5, bias bias6 and 12 more were set aside" in note
    assert f"they are {other} without overscan, the frame {part}; if TRIMSEC" in note
    assert build(Choice(tuple(cut), 60.0)).shape == other.size[::-1]  # else most of them decide


def test_where_none_is_of_the_very_part_of_the_frame_those_of_its_size_serve() -> None:
    """A TRIMSEC that is a pixel off is common; pixels of another size never fit."""
    cut = cut_night(ODD, *(f"bias-{number}" for number in range(12)))
    frame = {"TRIMSEC": "[12:51,1:40]"}
    made = build(Choice(tuple(cut), 60.0), part=remaining(Header(frame), SHAPE))
    assert made.shape == (40, 40)
    assert (made.bias is None, made.flat is None) == (False, True)


def test_darks_whose_biases_are_all_set_aside_serve_frames_of_their_own_length_alone(tmp_path: Path) -> None:
    """Without a bias a dark holds it: of two lengths of exposure one alone could be right."""
    settings = Settings(home=tmp_path)
    cut = cut_night(ODD, *(f"bias-{number}" for number in range(12)))
    darks = [one for one in cut if one.exposure.exposure_s in (0.0, 300.0)]
    for _ in range(2):
        for seconds, has_dark in ((300.0, True), (60.0, False)):
            science = Exposure("x", exposure_s=seconds, instrument="cam")
            made = masters_for(darks, science, SHAPE, settings, Section(10, 60, 0, 40))
            assert made.bias is None
            assert (made.dark is not None) is has_dark
    assert len(list((tmp_path / "masters").glob("*.npz"))) == 2


def lost(one: Calibrator, why: str = "the file is cut off") -> Calibrator:
    def read() -> RawFrame:
        raise FrameRefused(why)

    return replace(one, read=read)


@pytest.mark.parametrize("content", ["bias-0", "bias-7", "dark-1", "flat-3"])
def test_a_frame_that_cannot_be_read_is_set_aside_and_told_and_the_others_serve(content: str) -> None:
    frames = night()
    expected = build(Choice(tuple(one for one in frames if one.content != content), 60.0))
    made = build(Choice(tuple(lost(one) if one.content == content else one for one in frames), 60.0))
    for name in ("bias", "dark", "flat", "bad"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))
    name = content.replace("-", "")
    assert made.notes == (f"{name[:4]} {name} was set aside: the file is cut off",)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FrameKind.BIAS, "none of its 12 bias frames can be used, ingest others; bias0: the file is cut off"),
        (FrameKind.FLAT, "none of its 4 flat frames can be used, ingest others; flat0: the file is cut off"),
    ],
)
def test_where_none_of_a_kind_can_be_read_no_frame_goes_without_it(kind: FrameKind, said: str) -> None:
    frames = [lost(one) if one.exposure.kind is kind else one for one in night()]
    with pytest.raises(FrameRefused) as refused:
        build(Choice(tuple(frames), 60.0))
    assert str(refused.value) == said


@pytest.mark.parametrize("kind", [FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT])
def test_a_frame_goes_on_without_a_kind_of_which_nothing_fits_it_and_is_told(kind: FrameKind) -> None:
    cut = cut_night(ODD, *(one.content for one in night() if one.exposure.kind is kind))
    made = build(Choice(tuple(cut), 60.0), part=Section(10, 60, 0, 40))
    assert f"no {kind} is left" in made.notes
    assert {"bias": made.bias, "dark": made.dark, "flat": made.flat}[kind] is None


@pytest.mark.parametrize("kind", [FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT])
def test_where_one_that_may_fit_cannot_be_read_and_no_other_fits_no_frame_goes_without(
    kind: FrameKind,
) -> None:
    group = [one.content for one in night() if one.exposure.kind is kind]
    cut = cut_night(ODD, *group)
    frames = [lost(one) if one.content == group[1] else one for one in cut]
    with pytest.raises(FrameRefused) as refused:
        build(Choice(tuple(frames), 60.0), part=Section(10, 60, 0, 40))
    assert str(refused.value) == (
        f"none of its {len(group)} {kind} frames can be used, ingest others; {kind}1: the file is cut off"
    )


def test_the_only_one_of_a_kind_that_cannot_be_read_is_told_in_a_sentence() -> None:
    *others, flat = night()
    frames = [one for one in others if one.exposure.kind is not FrameKind.FLAT]
    with pytest.raises(FrameRefused) as refused:
        build(Choice((*frames, lost(flat)), 60.0))
    assert str(refused.value) == "its only flat cannot be used, ingest others; flat3: the file is cut off"


def test_masters_that_lack_a_frame_are_kept_until_it_can_be_read(tmp_path: Path) -> None:
    settings, science = Settings(home=tmp_path), Exposure("x", exposure_s=60.0, filter="r", instrument="cam")
    frames = night()
    without = [lost(frames[0]), *frames[1:]]
    made = masters_for(without, science, SHAPE, settings)
    unread = [lost(one, "nobody read it") for one in frames]
    again = masters_for(unread, science, SHAPE, settings)  # the one that is lost alone is looked at
    assert again.notes == made.notes == ("bias bias0 was set aside: the file is cut off",)
    np.testing.assert_array_equal(again.bias, made.bias)
    mended = masters_for(frames, science, SHAPE, settings)
    assert mended.notes == ()
    np.testing.assert_array_equal(mended.bias, build(Choice(tuple(frames), 60.0)).bias)


def test_flats_without_light_are_set_aside_and_told():
    dark = calibrator(FrameKind.FLAT, 9, PATTERN - 100.0, 10.0, "r")
    with pytest.raises(FrameRefused, match="its only flat cannot be used, ingest others; flat9: without"):
        build(Choice((dark,), 0.0))
    frames = night()
    found = build(Choice((*frames, dark), 60.0))
    assert found.notes == ("flat flat9 was set aside: without light once the bias is subtracted",)
    np.testing.assert_array_equal(found.flat, build(Choice(tuple(frames), 60.0)).flat)
