"""What became of a place, as the console tells it."""

import pytest

from core.places.place_facts import Place
from core.places.story_parts import Detected, Fate, FrameStory, Judged, Step
from core.places.why import Story
from screens.lines import plain
from screens.review.why_sheet import story_lines

JUDGED = (Judged("supernova", "ada", 0.0),)
FOUND = Detected(7, "AID J1", 1.0, 2.0, 0.3, -32.5, 0.9, "real", "supernova", JUDGED)


def frame(number: int, fate: Fate, text: str, **changes: object) -> FrameStory:
    steps = (Step("detect", fate, text),)
    return FrameStory(number, f"n{number}.fits", 60748.1, "r", "done", fate, steps, **changes)  # type: ignore[arg-type]


STORY = Story(
    Place(157.2388, -20.3717),
    (
        frame(1, Fate.BELOW, "the most significant within 6 px is -1.6 σ, 5 σ are needed"),
        frame(2, Fate.CANDIDATE, "number 7 is AID J1, real; verdict supernova", candidates=(FOUND,)),
        frame(3, Fate.DROPPED, "detected 1 px from the place, and dropped: \x1b[2J [/bold]"),
    ),
    "more",
    ({"id": 3, "object": "ZTF1", "source": "ztf", "mjd": 60748.0, "filter": "g", "snr": 9.0, "mag": None,
      "arcsec": 0.4, "body": '6281, 1.00"; ZTF \x1b[2J itself'},),
)  # fmt: skip


@pytest.mark.parametrize("width", [37, 77, 137, 300])
def test_each_frame_says_how_it_ended_and_nothing_of_what_was_decided(width):
    lines = [plain(line) for line in story_lines(STORY, width)]
    told = " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines)
    assert "\x1b" not in told
    shown = ("below threshold", "dropped", "candidate 7 at -32.5 σ is AID J1", "ZTF1", "solar system 6281")
    for words in shown:
        assert words in told
    for hidden in ("real", "supernova", "ada"):
        assert hidden not in told


def test_a_place_that_no_frame_shows_is_said_so():
    lines = [plain(line) for line in story_lines(Story(Place(reference=2, x=3.0, y=4.0), ()), 77)]
    assert lines[0] == "pixel 3.0, 4.0 of reference 2"
    assert any("none shows the place" in line for line in lines)
