"""What is said alike of many frames is told once; what is said of few, or of no use, stays with them."""

import pytest

from core.operations.told_once import MANY, Heard, told_once

GAIN = "Gain unknown: {} electrons per data unit assumed from the sky's noise."
FLAT = "No flat of its filter (r) is there: those of its camera are of no filter."
OWN = "30% of it are much darker than the rest."


def frames(*reasons, state="done"):
    return [(f"f{number}.fits", state, reason) for number, reason in enumerate(reasons)]


def test_a_sentence_of_many_frames_is_told_once_and_each_keeps_its_own():
    told = told_once(frames(FLAT, f"{FLAT} {OWN}", FLAT, None))
    assert told.lines == [f"3 frames (f0.fits, f1.fits, f2.fits): {FLAT}"]
    assert told.reasons == [None, OWN, None, None]


def test_the_first_of_those_that_share_it_are_named_unless_all_do():
    assert told_once(frames(*[FLAT] * 7)).lines == [f"7 frames: {FLAT}"]
    told = told_once(frames(None, *[FLAT] * 7)).lines
    assert told == [f"7 frames (f1.fits, f2.fits, f3.fits, f4.fits, f5.fits ...): {FLAT}"]


def test_sentences_that_differ_in_numbers_are_one_in_those_of_the_first():
    told = told_once(frames(*(GAIN.format(gain) for gain in (1.5, 1.6, 1.52))))
    assert told.lines == [f"3 frames, in the numbers of f0.fits: {GAIN.format(1.5)}"]
    assert told.reasons == [None] * 3


def test_what_is_said_of_each_of_two_chips_is_a_line_of_each():
    told = told_once(frames(*(GAIN.format(gain) for gain in (1.5, 1.6, 1.5, 1.6, 1.5, 1.6, 9.9))))
    assert told.lines == [
        f"3 frames (f0.fits, f2.fits, f4.fits): {GAIN.format(1.5)}",
        f"3 frames (f1.fits, f3.fits, f5.fits): {GAIN.format(1.6)}",
    ]
    assert told.reasons == [None] * 6 + [GAIN.format(9.9)]


def test_sentences_of_ingest_are_told_apart_too():
    said = [f"its WCS is left out; its time is local{end}" for end in ("", "", "; it is old")]
    told = told_once(frames(*said, state="queued"))
    assert told.lines == ["3 frames: its WCS is left out", "3 frames: its time is local"]
    assert told.reasons == [None, None, "it is old"]


@pytest.mark.parametrize(
    "reason",
    [
        "Its dates are 9 days apart; DATE-OBS is believed. Its year is 1920.",
        "its dates are 9 days apart; its year is 1920",
    ],
)
def test_what_stays_is_joined_as_it_was(reason):
    assert told_once(frames(reason)).reasons == [reason]
    assert Heard().rest("f0.fits", "done", reason, 1) == reason


@pytest.mark.parametrize("count", [1, MANY - 1])
def test_what_is_said_of_few_stays_with_them(count):
    told = told_once(frames(*[f"{FLAT} {OWN}"] * count, None, None))
    assert (told.lines, told.reasons) == ([], [f"{FLAT} {OWN}"] * count + [None, None])


@pytest.mark.parametrize("state", ["rejected", "quarantined", "waiting"])
def test_why_frames_are_of_no_use_stays_with_each(state):
    told = told_once(frames("it has no stars", "it has no stars", "it has no stars", state=state))
    assert (told.lines, told.reasons) == ([], ["it has no stars"] * 3)


def test_of_frames_that_come_one_by_one_a_sentence_is_told_once_a_night():
    heard = Heard()
    local, old = "its time is local", "its WCS is left out"
    assert heard.rest("a", "queued", local, 1) == local
    assert heard.rest("b", "queued", f"{local}; {old}", 1) == f"{old}; what was said of a"
    assert heard.rest("c", "queued", f"{old}; {local}", 1) == "what was said of b; what was said of a"
    assert heard.rest("d", "queued", None, 1) is None
    assert heard.rest("e", "rejected", local, 1) == local  # why it is of no use
    assert heard.rest("f", "queued", local, 2) == local  # another night
