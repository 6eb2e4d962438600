"""What an operator reads in Prefect's own screens."""

import pytest

from pipeline.engines.local import RunSummary
from pipeline.engines.worker import FrameEvent


@pytest.fixture(scope="module")
def words():
    """Loaded where it is tested: it brings Prefect, which no other test of this process may need."""
    from pipeline.engines import flow_words

    return flow_words


def event(state="done", reason=None):
    return FrameEvent(observation_id=1, frame="a.fits", state=state, reason=reason, seconds=2.5, candidates=7)


def summary(state="done", **counts):
    return RunSummary(4, state, 12.34, counts, ())


def record(frame="a.fits", state="done", reason=None):
    return {
        "frame": frame,
        "state": state,
        "reason": reason,
        "candidates": 3,
        "seeing_px": 2.345,
        "m50": None,
        "seconds": {"align": 0.5, "subtract": 1.0},
    }


def test_a_frame_that_is_done_says_what_it_yielded(words):
    state = words.frame_state(event())
    assert (state.type.name, state.name, state.message) == ("COMPLETED", "Done", "7 candidates in 2.5 s")


def test_a_log_line_keeps_what_became_of_a_frame_apart_from_why():
    assert event().sentence == "a.fits done in 2.5 s"
    assert event("rejected", "too few stars").sentence == "a.fits rejected in 2.5 s: too few stars"


@pytest.mark.parametrize("word", ["rejected", "quarantined", "queued", "waiting", "lost"])
def test_a_frame_that_is_not_done_has_our_word_and_our_reason(words, word):
    state = words.frame_state(event(word, "seeing 17 px, at most 15 px\x1b[2J"))
    assert (state.type.name, state.name) == ("FAILED", word.capitalize())
    assert state.message.startswith("seeing 17 px, at most 15 px")
    assert "\x1b" not in state.message


def test_a_frame_that_was_in_hand_at_the_end_was_given_back(words):
    assert words.frame_state(None).name == "Given back"


def test_a_run_counts_its_frames(words):
    assert words.counted(summary(rejected=1, done=3)) == "3 done, 1 rejected"
    assert words.counted(summary()) == "nothing was due"
    assert (words.run_state(summary(done=3)).type.name, words.run_state(summary(done=3)).message) == (
        "COMPLETED",
        "3 done",
    )
    interrupted = words.run_state(summary("interrupted", done=1))
    assert (interrupted.type.name, interrupted.name) == ("CANCELLED", "Interrupted")


def test_the_report_names_the_troubled_frames_first(words):
    text = words.report_markdown(summary(), [record("good.fits"), record("bad.fits", "rejected", "no stars")])
    rows = [line for line in text.splitlines() if ".fits" in line]
    assert rows[0] == "| bad.fits | rejected | 3 | 2.35 |  | 1.50 | no stars |"
    assert rows[1].startswith("| good.fits | done")


@pytest.mark.parametrize("name", ["a|b", "`a`", "<img src=x>", "[a](http://b)", "*a*", "\x1b[31ma", "a\nb"])
def test_a_frames_name_stays_text_within_its_cell(words, name):
    (row,) = words.report_markdown(summary(), [record(name)]).splitlines()[6:]
    cell = row.split(" | ")[0]
    assert row.count(" | ") == 6
    for position, sign in enumerate(cell[2:], 2):
        assert sign not in "|`<[*" or cell[position - 1] == "\\"
    assert row.isprintable()


def test_the_report_of_a_long_night_stays_short(words):
    text = words.report_markdown(summary(), [record() for _ in range(words.REPORTED_AT_MOST + 5)])
    assert text.count("a.fits") == words.REPORTED_AT_MOST
    assert text.endswith("and 5 more\n")
