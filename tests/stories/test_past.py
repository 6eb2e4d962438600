"""A light curve that begins too late: frames from before its object was known are measured on request."""

from threading import Event

import pytest
from sqlmodel import delete, select

from core.database.tables import Difference, ForcedFlux, Observation, Reference, SkyObject
from core.frames.forced import add_points
from core.frames.outcome import ForcedFacts
from core.operations.command_process import CommandFailed, CommandStopped
from core.operations.past_process import PastProcess
from screens.review.screen import ReviewScreen
from tests.stories.desk import console, verdicts

LINE = "2 earlier frames not measured: :past"


@pytest.fixture
def late(night):
    """A night whose first object was found in its last frame, before anybody measured it in the others."""
    store, url, ids = night
    with store.write() as db:
        reference = db.exec(select(Reference)).one()
        first = db.get_one(SkyObject, ids[0])
        reference.sqlmodel_update({"ra": first.ra, "dec": first.dec, "radius_deg": 0.005})
        db.exec(delete(ForcedFlux).where(ForcedFlux.sky_object_id == ids[0]))
    return store, url, ids


class Measurings:
    """Stands for the process: it measures what lacks in the frames before the last one."""

    def __init__(self, monkeypatch, store):
        self.asked = []
        self.fails = ""
        self.refused = None
        self._store, self._is_free = store, Event()
        self._is_free.set()

        def run(process, words, report):
            return self._run(process, words, report)

        monkeypatch.setattr(PastProcess, "run", run)

    def hold(self):
        self._is_free.clear()

    def let_go(self):
        self._is_free.set()

    def _run(self, process, words, report):
        self.asked.append(words)
        with self._store.read() as db:
            frames = db.exec(select(Difference, Observation).join(Observation).order_by(Difference.id)).all()
        frames = frames[:-1][::-1]
        report(0, len(frames))
        assert self._is_free.wait(20)
        if process._is_stopped:
            raise CommandStopped("the measuring was given up")
        if self.fails:
            raise CommandFailed(self.fails)
        told = []
        for difference, observation in frames:
            points = [] if self.refused else [ForcedFacts(int(words[0]), 55.0, 60.0)]
            if points:
                add_points(self._store, difference.id, points, 99)
            told.append({"id": observation.id, "frame": observation.frame, "points": len(points),
                         "reason": self.refused})  # fmt: skip
        return {"points": len(told), "left": 0, "frames": told}


@pytest.fixture
def measurings(late, monkeypatch):
    return Measurings(monkeypatch, late[0])


async def past(vera):
    await vera.press("colon")
    await vera.typed("past")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_card_says_what_it_lacks_and_its_light_curve_grows_by_it(late, measurings, tmp_path, size):
    store, url, ids = late
    async with console(url, tmp_path, size) as vera:
        assert LINE in vera.text
        assert "seen once" in vera.text
        assert len(vera.screen.card.light_curve) == 1
        measurings.hold()
        await past(vera)
        await vera.until(lambda: "measuring frame 1 of 2  esc gives up" in vera.lines[1])
        await vera.press("b", "b")  # who reviews goes on
        measurings.let_go()
        await vera.until(lambda: "2 earlier frames measured" in vera.text)
        await vera.settled()
        assert measurings.asked == [[str(ids[0])]]
        assert len(vera.screen.card.light_curve) == 3
        assert "seen once, 2 limits" in vera.text
        assert "not measured" not in vera.text
        assert "measuring" not in vera.lines[1]
        assert vera.screen.card.object_id == ids[0]
        await vera.press("x")
    (verdict,) = verdicts(store)
    assert verdict.sky_object_id == ids[0]


async def test_it_changes_nothing_before_who_went_on_and_the_card_knows_of_it(late, measurings, tmp_path):
    _, url, ids = late
    async with console(url, tmp_path) as vera:
        measurings.hold()
        await past(vera)
        await vera.press("j")
        assert "not measured" not in vera.text
        measurings.let_go()
        await vera.until(lambda: "2 earlier frames measured" in vera.text)
        await vera.settled()
        assert vera.screen.card.object_id == ids[1]
        await vera.press("k")
        assert "seen once, 2 limits" in vera.text
        assert "not measured" not in vera.text


async def test_esc_gives_it_up_and_before_a_filter(late, measurings, tmp_path):
    _, url, _ = late
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("snr>1")
        assert "esc clears" in vera.lines[1]
        measurings.hold()
        await past(vera)
        await vera.until(lambda: "esc gives up" in vera.lines[1])
        assert "esc clears" not in vera.lines[1]
        await vera.press("escape")
        assert "given up, :past goes on where this was" in vera.text
        measurings.let_go()
        await vera.settled()
        assert "snr>1" in vera.lines[1]
        assert "esc clears" in vera.lines[1]
        assert LINE in vera.text
        assert "measured" not in vera.lines[-2]


async def test_marked_cards_are_measured_in_place_of_the_one_that_is_open(late, measurings, tmp_path):
    _, url, ids = late
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "j")
        await past(vera)
        await vera.until(lambda: "2 marked cards: 2 earlier frames measured" in vera.text)
        assert measurings.asked == [[str(ids[0]), str(ids[1])]]


async def test_what_cannot_be_measured_is_told_with_its_reason(late, measurings, tmp_path):
    _, url, _ = late
    async with console(url, tmp_path) as vera:
        measurings.refused = "m31-0.fits was written over"
        await past(vera)
        await vera.until(lambda: ": 2 earlier frames not measured: m31-0.fits was written over" in vera.text)
        await vera.settled()
        assert LINE in vera.text
        measurings.fails = "the store does not answer"
        await past(vera)
        await vera.until(lambda: "past: the store does not answer" in vera.text)
        assert "measuring" not in vera.lines[1]


async def test_nothing_is_begun_twice_or_in_vain(late, measurings, tmp_path):
    _, url, _ = late
    async with console(url, tmp_path) as vera:
        measurings.hold()
        await past(vera)
        await past(vera)
        assert "are measured already" in vera.text
        await vera.press("escape", "escape")
        measurings.let_go()
        await vera.settled()
        await vera.press("j")
        await past(vera)
        assert "no earlier frame lacks" in vera.text
        assert len(measurings.asked) == 1


async def test_what_changes_nothing_offers_no_measuring(late, tmp_path):
    _, url, _ = late
    async with console(url, tmp_path, read_only=True) as vera:
        assert "2 earlier frames not measured" in vera.text
        assert ":past" not in vera.text


async def test_the_help_and_the_completion_hold_it(late, tmp_path):
    _, url, _ = late
    async with console(url, tmp_path) as vera:
        assert isinstance(vera.screen, ReviewScreen)
        (command,) = (each for each in vera.screen.commands() if each.name == "past")
        assert "before it was known" in command.help
        await vera.press("colon")
        await vera.app._press_keys("pas")
        await vera.until(lambda: "past" in "\n".join(vera.lines))
