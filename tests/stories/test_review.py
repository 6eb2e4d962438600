"""What reviewers do at the console, and what is in the store afterwards."""

import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import SkyObject
from core.operations.backup import back_up
from core.review import chain
from core.vocabulary import ReviewState
from screens.review import draw
from tests.builders import add_night, make_store
from tests.stories.desk import Reviewer, console, verdicts

SIZES = [(80, 24), (140, 40)]


def states(store: Store) -> list[str]:
    with store.read() as db:
        return [row.review_state for row in db.exec(select(SkyObject).order_by(SkyObject.id))]


@pytest.mark.parametrize("size", SIZES)
async def test_decide_undo_redo_note_quit_and_come_back(night, tmp_path, size):
    store, url, _ids = night
    async with console(url, tmp_path, size) as vera:
        assert "1 of 5" in vera.text
        await vera.press("r", "x", "d")
        assert [row.label for row in verdicts(store)] == ["real", "artefact", "dipole"]
        assert "4 of 5" in vera.text
        await vera.until(lambda: "2 await" in vera.text)

        await vera.press("u")
        assert "3 of 5" in vera.text
        assert states(store)[2] == ReviewState.UNREVIEWED
        await vera.press("ctrl+r")
        assert states(store)[2] == ReviewState.BOGUS
        assert "judged: dipole" in vera.text

        await vera.press("j", "w")
        await vera.type("near the core")
        assert verdicts(store)[-1].note == "near the core"
        assert "near the core" in vera.text
        await vera.pilot.press("q")
    assert not vera.app.is_running

    assert states(store) == ["real", "bogus", "bogus", "unreviewed", "unreviewed"]
    assert chain.verify(store) == []
    async with console(url, tmp_path, size) as vera:
        assert "1 of 2" in vera.text
        await vera.press("u")  # the dipole, of the sitting before, is named before it is touched
        assert "u again takes back dipole of " in vera.text
        assert states(store)[2] == ReviewState.BOGUS
        await vera.press("j", "u")
        assert states(store)[2] == ReviewState.BOGUS  # something else was done between
        await vera.press("k", "u", "u")
        assert states(store)[2] == ReviewState.UNREVIEWED
        assert "1 of 3" in vera.text


async def test_a_verdict_keeps_what_was_on_the_screen(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("comma", "s", "escape")
        await vera.press("plus", "s")
    (row,) = verdicts(store)
    assert row.label == "supernova"
    assert row.reviewer == "vera"
    assert row.shown["stretch"] == "linear"
    assert row.shown["zoom"] == 1.5
    assert row.shown["terminal"] == "80x24"
    assert row.shown["config_hash"] == "cafe"
    assert row.shown["cutouts_sha256"]


async def test_the_whole_queue_and_then_what_to_do(night, tmp_path):
    _store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("r", "j", "s", "x", "z")
        assert "The end of the queue" in vera.text
        assert "4 decided, 1 passed over" in vera.text
        await vera.press("g")
        assert "1 of 5" in vera.text
        await vera.press("j", "c", "G", "j")
        assert "5 decided, 0 passed over" in vera.text
    async with console(url, tmp_path) as vera:
        assert "Nothing awaits a verdict" in vera.text
        assert "astrid ingest" in vera.text


async def test_the_card_that_comes_next_is_drawn_before_it_is_asked_for(night, tmp_path, monkeypatch):
    drawn, draw_triplet = [], draw.draw_triplet

    def noted(new, *planes, **more):
        panels = draw_triplet(new, *planes, **more)
        drawn.append(new.tobytes())
        return panels

    monkeypatch.setattr(draw, "draw_triplet", noted)
    async with console(night[1], tmp_path) as vera:
        await vera.until(lambda: len(drawn) == 2)  # the first, and the one after it
        images = vera.lines[3]
        vera.screen.move_by(1)
        assert "2 of 5" in vera.text
        assert vera.lines[3] != images
        assert drawn.count(drawn[1]) == 1  # not anew


async def test_a_filter_is_kept_shown_explained_and_cleared(night, tmp_path):
    _store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.8")
        assert "score>22.8" in vera.lines[1]
        assert "1 of 2" in vera.lines[1]
        await vera.press("slash", "ctrl+u")
        await vera.type("nonsense=7")
        assert "there is no 'nonsense' to filter by" in vera.text  # the reason, and the old filter stays
        assert "expert, disputed" in vera.lines[-2]  # all of it
        assert "score>22.8" in vera.lines[1]
        await vera.press("escape", "escape")
        await vera.until(lambda: "1 of 5" in vera.text)
        await vera.press("slash")
        await vera.type("score>1000")
        assert "No card passes the filter" in vera.text


async def test_a_notice_ends_with_the_next_action_and_where_it_is_true_no_more(night, tmp_path):
    _store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "left_square_bracket", "left_square_bracket")
        assert "there is no detection before this one" in vera.text
        await vera.press("plus")
        assert "there is no detection" not in vera.text
        await vera.press("slash", *"@bri", "enter")
        await vera.until(
            lambda: "there is no saved filter 'bri' (character 1); none was saved yet" in vera.text
        )
        await vera.press("ctrl+u")
        await vera.type("score>1000")
        assert "there is no saved filter" not in vera.text
        await vera.press("x")
        assert "art: there is no card" in vera.text
        vera.screen.choose("")
        await vera.until(lambda: "1 of 5" in vera.lines[1])
        assert "art: there is no card" not in vera.text


async def test_earlier_detections_of_an_object_can_be_judged(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("j")
        assert "detection 2 of 2" in vera.text
        best = vera.screen.card.candidate_id
        await vera.press("left_square_bracket")
        assert "detection 1 of 2" in vera.text
        shown = vera.screen.card.candidate_id
        assert shown != best
        await vera.press("x")
    assert verdicts(store)[0].candidate_id == shown


async def test_read_only_shows_everything_and_writes_nothing(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path, read_only=True) as vera:
        assert "READ-ONLY" in vera.lines[0]
        await vera.press("r", "u", "w", "j")
        assert "2 of 5" in vera.text
        assert "b blink" in vera.lines[-1]
        assert "real" not in vera.lines[-1]
    assert verdicts(store) == []


async def test_a_store_that_is_missing_is_one_clear_line(tmp_path):
    folder = tmp_path / "nowhere"
    folder.mkdir()
    from astrid_tui.app import Console
    from screens.terminal import Terminal

    settings = folder / "config.toml"
    settings.write_text(f'home = "{folder}"\n[store]\nurl = "sqlite:///{folder}/none.db"\n')
    app = Console(settings, False, Terminal())
    async with app.run_test(size=(80, 24)) as pilot:
        vera = Reviewer(app, pilot)
        await vera.until(lambda: "astrid init" in said(vera))
        assert "Traceback" not in vera.text
        await pilot.press("r")
        assert "store is not open" in said(vera)
        assert "astrid init" in said(vera)


async def test_a_store_that_comes_is_opened_on_every_screen(night, tmp_path, monkeypatch):
    """As where its server starts after the console, or somebody makes the store meanwhile."""
    from astrid_tui.app import Console
    from screens.terminal import Terminal

    monkeypatch.setattr("astrid_tui.opening.AGAIN_S", 0.05)
    (folder := tmp_path / "later").mkdir()
    settings = folder / "config.toml"
    settings.write_text(f'home = "{folder}"\n[store]\nurl = "sqlite:///{folder}/astrid.db"\n')
    app = Console(settings, False, Terminal())
    async with app.run_test(size=(80, 24)) as pilot:
        vera = Reviewer(app, pilot)
        await vera.until(lambda: "astrid init" in said(vera))
        await pilot.press("1")
        await vera.until(lambda: "1 ingest" in vera.lines[0] and "astrid init" in said(vera))
        back_up(night[1], folder / "astrid.db", lambda *_: None)
        await vera.until(lambda: "5 await" in vera.lines[0])
        assert "astrid init" not in said(vera)
        await pilot.press("3")
        await vera.press("r")
        assert "4 await" in vera.lines[0]


def said(reviewer: Reviewer) -> str:
    """What is on the screen, wherever its lines end."""
    return " ".join(reviewer.text.split())


async def test_commands_by_name(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("colon")
        await vera.pilot.pause(0.3)
        for character in "theme do":
            await vera.pilot.press("space" if character == " " else character)
        await vera.pilot.press("tab", "enter")
        await vera.until(lambda: vera.app.theme == "dome")
        await vera.pilot.press("ctrl+p")
        await vera.pilot.pause(0.3)
        for character in "lights":
            await vera.pilot.press(character)
        await vera.pilot.press("backspace")
        await vera.pilot.pause(0.8)
        await vera.pilot.press("enter")
        await vera.until(lambda: vera.app.theme == "light")
        await vera.ready()
    assert verdicts(store) == []


@pytest.mark.parametrize("size", [(39, 24), (80, 9), (5, 2)])
async def test_a_small_terminal_says_so_and_takes_no_verdict(night, tmp_path, size):
    store, url, _ = night
    settings_size = (80, 24)
    async with console(url, tmp_path, settings_size) as vera:
        await vera.pilot.resize_terminal(*size)
        await vera.until(lambda: "too small" in vera.text)
        await vera.pilot.press("r")
        await vera.settled()
        assert verdicts(store) == []
        await vera.pilot.resize_terminal(80, 24)
        await vera.ready()
        assert "1 of 5" in vera.text


HOSTILE = (
    "[/nothing] \x1b[2J\x1b]52;c;ZWFzeQ==\x07 [@click=app.quit]x[/] \u202egnp.exe\u202c \x9b31m e"
    + "\u0301" * 500
)


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_names_reach_no_terminal_and_stop_nothing(tmp_path, size):
    store, url = make_store(tmp_path)
    add_night(store, objects=3, object=HOSTILE, frame=HOSTILE, filter=HOSTILE, field=HOSTILE)
    async with console(url, tmp_path, size) as vera:
        await vera.press("w")
        await vera.type("[/] note [bold]")
        for keys in (("o", "escape"), ("b", "b"), ("f", "f"), ("x",), ("u",)):
            for key in keys:
                await vera.pilot.press(key)
                await vera.settled()
                screen = vera.app.screen
                for y in range(size[1]):
                    text = "".join(s.text for s in screen._compositor.render_strips()[y])
                    bad = [
                        c for c in text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E
                    ]
                    assert bad == [], (key, text)
        await vera.ready()
        assert "[/nothing]" in vera.text
    store.close()


async def test_a_decided_card_can_be_opened_and_decided_anew(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        name = vera.screen.card.name
        await vera.press("r", "x", "slash")
        await vera.type(f"object:{name}")
        assert "1 of 1" in vera.lines[1]
        assert "decided: real" in vera.lines[1]
        await vera.press("d")
        assert [row.label for row in verdicts(store)] == ["real", "artefact", "dipole"]
        await vera.press("slash", "ctrl+u")
        await vera.type("state:bogus")
        assert "1 of 2" in vera.lines[1]
        await vera.press("slash", "ctrl+u")
        await vera.type("score>22.9")
        await vera.until(lambda: "2 decided cards pass it: add state:real" in vera.text)


async def test_the_candidates_of_a_frame_are_reviewed_by_their_detections_there(night, tmp_path):
    _store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "left_square_bracket")
        frame = vera.screen.card.candidate["frame"]
        earlier = vera.screen.card.candidate_id
        await vera.press("slash")
        await vera.type(f"frame:{frame}")
        shown = set()
        for _ in range(vera.screen.queue.total):
            assert vera.screen.card.candidate["frame"] == frame
            shown.add(vera.screen.card.candidate_id)
            await vera.press("j")
        assert earlier in shown


async def test_two_consoles_of_one_person_each_take_back_their_own(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as first:
        await first.press("x")
        mine = first.text
        async with console(url, tmp_path) as second:
            await second.press("j", "v")
            await first.press("u")
            assert "taken back: artefact" in first.text
            assert states(store)[0] == ReviewState.UNREVIEWED
            assert [row.label for row in verdicts(store)][:2] == ["artefact", "variable"]
            await first.press("u")
            assert "nothing of this sitting is left: u again takes back variable" in first.text
            await second.press("u")
            assert "taken back: variable" in second.text
            await first.press("ctrl+r")
            assert "given again: artefact" in first.text
    assert "u takes it back" in mine
    assert chain.verify(store) == []


async def test_what_was_taken_back_is_not_said_under_other_cards(night, tmp_path):
    async with console(night[1], tmp_path) as vera:
        await vera.press("x", "u")
        assert "taken back: artefact" in vera.lines[-2]
        await vera.press("j")
        assert "taken back" not in vera.text


async def test_marks_that_a_filter_hides_are_named_before_one_verdict_falls_on_them(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        away = vera.screen.card.name
        await vera.press("space", "slash")
        await vera.type("score<22.8")
        await vera.press("space", "B")
        assert "one verdict on 2 marked, 1 of them out of view" in vera.screen.prompt.placeholder
        for key in (*"artefact", "enter"):
            await vera.pilot.press(key)
        await vera.until(lambda: f"1 out of view: {away}" in vera.text)
        assert verdicts(store) == []
        for key in (*"artefact", "enter"):
            await vera.pilot.press(key)
        await vera.until(lambda: len(verdicts(store)) == 2)


async def test_a_verdict_is_refused_once_the_file_of_the_store_is_gone(night, tmp_path, monkeypatch):
    monkeypatch.setattr("astrid_tui.watching.LOOK_S", 3600.0)  # else it may say so by itself
    store, url, _ = night
    async with console(url, tmp_path, (140, 40)) as vera:
        (tmp_path / "astrid.db").rename(tmp_path / "away.db")
        await vera.press("r")
        told = " ".join(" ".join(vera.lines[-4:-1]).split())
        assert "NOT written: the store's file" in told
        assert "was deleted or renamed while it was open" in told
        assert "1 of 5" in vera.lines[1]
        (tmp_path / "away.db").rename(tmp_path / "astrid.db")
        await vera.press("r")
        assert "2 of 5" in vera.lines[1]
    assert len(verdicts(store)) == 1
