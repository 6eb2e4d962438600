"""The frame of the console: going from screen to screen, coming back, keys, commands, themes."""

from datetime import UTC, datetime

import pytest
from sqlmodel import select
from textual.command import CommandList

from core.database.tables import Run, Verdict
from screens.action import SCREENS, Where
from screens.frame.host import Target
from screens.frame.memory import file_of
from screens.themes import THEMES
from screens.widgets.confirm import Confirm
from tests.builders import add_night, make_night, make_store
from tests.stories.desk import console, verdicts
from tests.stories.test_review import HOSTILE

DIGITS = "123456"


@pytest.fixture
def night(tmp_path):
    """A store with five objects that await a verdict."""
    store, url, _ = make_night(tmp_path)
    yield store, url
    store.close()


def told(vera):
    """The notice, however many lines it takes."""
    return " ".join(line.strip() for line in vera.lines[-4:-1])


def cells(app):
    """Every piece of text on the terminal with its style."""
    return [segment for strip in app.screen._compositor.render_strips() for segment in strip]


async def test_each_digit_is_a_screen_and_each_screen_stays_as_it_was_left(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.2")
        await vera.press("j")
        for digit, where in zip(DIGITS, SCREENS, strict=True):
            await vera.pilot.press(digit)
            await vera.until(lambda where=where: f"{where.value}" in vera.lines[0])
            assert vera.app.here.WHERE is where
        await vera.press("3")
        assert "score>22.2" in vera.lines[1]
        assert "2 of 4" in vera.lines[1]


async def test_keys_of_the_configuration_are_the_keys(night, tmp_path):
    store, url = night
    keys = '[keys]\n"verdict:real" = ["Y"]\nnext = ["n", "down"]\n"verdict:nuclear" = ["N"]\n'
    async with console(url, tmp_path, more=keys) as vera:
        assert "Y real" in vera.lines[-1]
        await vera.press("r", "n")
        assert "2 of 5" in vera.text
        await vera.press("Y")
    with store.read() as db:
        assert [row.label for row in db.exec(select(Verdict))] == ["real"]


async def test_keys_that_clash_are_one_sentence_on_the_screen(night, tmp_path):
    _, url = night
    async with console(url, tmp_path, more='[keys]\nundo = ["r"]\n', ready=False) as vera:
        await vera.until(lambda: "'verdict:real' and 'undo' would share" in " ".join(vera.text.split()))
        await vera.pilot.press("q")
    assert not vera.app.is_running


async def test_counts_and_their_hints(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("0", "3", "j")
        assert "4 of 5" in vera.text
        await vera.pilot.press("0", "2")
        await vera.until(lambda: "count 2" in vera.lines[-1])
        await vera.pilot.press("G")
        await vera.until(lambda: "2 of 5" in vera.text)
        assert "count" not in vera.lines[-1]
        await vera.press("8", "escape", "j")
        assert "3 of 5" in vera.text


async def test_a_menu_lets_no_verdict_through(night, tmp_path):
    store, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("comma", "s", "r", "x")
        await vera.until(lambda: "view menu" in vera.lines[-1])
        assert "linear" in vera.text
    with store.read() as db:
        assert db.exec(select(Verdict)).all() == []


async def test_a_jump_leads_there_and_esc_back(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.2")
        await vera.until(lambda: "score>22.2  esc clears" in vera.lines[1])
        await vera.pilot.press("1")
        await vera.until(lambda: "ingest" in vera.lines[0])
        vera.app.jump(Where.REVIEW, Target(filter="frame:m31-1.fits"))
        await vera.until(lambda: "frame:m31-1.fits  esc back" in vera.lines[1])
        await vera.pilot.press("escape")
        await vera.until(lambda: "ingest" in vera.lines[0])
        vera.app.jump(Where.REVIEW, Target(filter="frame:none.fits"))
        await vera.until(lambda: "esc leads back, / changes it." in vera.text)
        await vera.pilot.press("escape")
        await vera.until(lambda: "ingest" in vera.lines[0])
        vera.app.jump(Where.INGEST, Target(filter="kind:science"))
        await vera.until(lambda: "kind:science  esc back" in vera.text)
        await vera.pilot.press("escape")
        await vera.until(lambda: "kind:science" not in vera.text)
        await vera.press("3")
        await vera.until(lambda: "score>22.2" in vera.lines[1])


@pytest.mark.parametrize("where", [Where.REVIEW, Where.INGEST])
async def test_a_jump_before_the_one_before_was_left_leads_back_as_far(night, tmp_path, where):
    _, url = night
    own = {Where.REVIEW: "score>22.2", Where.INGEST: "kind:alerts"}[where]
    elsewhere, key = {Where.REVIEW: ("1", "3"), Where.INGEST: ("3", "1")}[where]
    async with console(url, tmp_path) as vera:
        await vera.press(key, "slash")
        await vera.type(own)
        await vera.until(lambda: f"{own}  esc clears" in vera.text)
        await vera.press(elsewhere)
        vera.app.jump(where, Target(filter="frame:m31-1.fits"))
        await vera.until(lambda: "frame:m31-1.fits  esc back" in vera.text)
        assert not vera.app.here.back()
        assert vera.app.step_out()  # before anything can be read
        vera.app.jump(where, Target(filter="frame:m31-2.fits"))
        await vera.until(lambda: "frame:m31-2.fits  esc back" in vera.text)
        await vera.pilot.press("escape")
        await vera.until(lambda: vera.app.here.WHERE is not where)
        await vera.press(key)
        await vera.until(lambda: f"{own}  esc clears" in vera.text)


async def test_another_order_keeps_a_filter_that_is_being_read(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        vera.app.here.choose("score>22.2")
        vera.app.here.choosing.in_order("age")  # before anything can be read
        await vera.until(lambda: "score>22.2  esc clears" in vera.lines[1])


async def test_a_jump_into_a_screen_that_was_never_open(night, tmp_path):
    _, url = night
    (tmp_path / file_of("vera")).write_text('{"screen": "ingest"}')
    async with console(url, tmp_path, ready=False) as vera:
        await vera.until(lambda: vera.app.opened is not None and "ingest" in vera.lines[0])
        vera.app.jump(Where.REVIEW, Target(filter="score>22.8"))
        await vera.until(lambda: "score>22.8" in vera.lines[1] and "1 of 2" in vera.lines[1])


async def test_commands_say_what_they_do_not_understand(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        for line, said in [
            ("walk", "no command"),
            ("theme pink", "no theme: dark, light, dome"),
            ("run workers=many", "whole number"),
            ("run", "no frame is queued"),
            ("cancel", "no run is at work"),
            ("cancel 77", "there is no run 77"),
        ]:
            await vera.pilot.press("colon")
            await vera.type(line)
            await vera.until(lambda said=said: said in told(vera))
        await vera.pilot.press("colon")
        await vera.type("filter score>22.8")
        await vera.until(lambda: "1 of 2" in vera.text)
        await vera.pilot.press("colon")
        await vera.type("filter")
        await vera.until(lambda: "1 of 5" in vera.text)
        await vera.pilot.press("colon")
        await vera.type("power")
        await vera.until(lambda: "power" in vera.lines[0])


async def test_what_was_typed_comes_back(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("colon")
        await vera.type("clock seconds")
        await vera.pilot.press("colon", "up")
        assert vera.screen.prompt.value == "clock seconds"
        await vera.pilot.press("down")
        assert vera.screen.prompt.value == ""
        await vera.pilot.press(*"the", "tab", *"lig", "tab", "enter")
        await vera.until(lambda: vera.app.theme == "light")


async def test_a_note_that_was_left_by_mistake_comes_back(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("w", *"faint host", "escape", "w")
        assert vera.screen.prompt.value == ""
        await vera.pilot.press("up")
        assert vera.screen.prompt.value == "faint host"
        await vera.pilot.press("enter")
        await vera.until(lambda: "note kept: faint host" in vera.text)


async def test_the_night_is_that_of_the_site_however_exact_the_clock_is(night, tmp_path):
    """At 90 degrees east noon is at 6:00 UTC."""
    _, url = night
    async with console(url, tmp_path, more="[site]\nposition = [0.0, 90.0]\n") as vera:
        new_year = datetime(2027, 1, 1, 5, tzinfo=UTC).timestamp()
        assert vera.app.clock.night(new_year) == "12-31"
        assert vera.app.clock.night(new_year + 7200.0) == "01-01"
        await vera.pilot.press("colon")
        await vera.type("clock seconds")
        await vera.until(lambda: vera.app.clock.by == "seconds")
        assert vera.app.clock.night(new_year + 7200.0) == "01-01"


@pytest.mark.parametrize("where", ["1", "3"])
async def test_what_was_said_of_a_filter_goes_with_it(night, tmp_path, where):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press(where)
        await vera.settled()
        await vera.pilot.press("slash")
        await vera.typed("statte:done")
        await vera.until(lambda: "statte" in told(vera) and vera.app.here.prompt.is_open)
        await vera.pilot.press("escape")
        await vera.until(lambda: "statte" not in told(vera))
        assert not vera.app.here.prompt.is_open


async def test_what_cannot_be_undone_asks_for_a_word(night, tmp_path):
    _, url = night
    done = []
    async with console(url, tmp_path) as vera:
        for typed, expected in [("no", []), ("drop", [1])]:
            vera.app.confirm("drop 12 frames", "drop", lambda: done.append(1))
            await vera.until(lambda: "drop 12 frames" in vera.text)
            await vera.pilot.press(*typed, "enter")
            await vera.until(lambda: not isinstance(vera.app.screen, Confirm))
            assert done == expected
        vera.app.confirm("drop 12 frames", "drop", lambda: done.append(1))
        await vera.until(lambda: isinstance(vera.app.screen, Confirm))
        await vera.pilot.press("enter")
        assert isinstance(vera.app.screen, Confirm)  # the word is still asked for
        await vera.pilot.press(*"dorp", "enter")
        await vera.until(lambda: "that is another word: type drop to do it" in vera.text)
        assert isinstance(vera.app.screen, Confirm)
        await vera.pilot.press(*"drop", "enter")  # behind nothing that was typed before
        await vera.until(lambda: done == [1, 1])
        vera.app.confirm("drop 12 frames", "drop", lambda: done.append(1))
        await vera.until(lambda: isinstance(vera.app.screen, Confirm))
        await vera.pilot.press("escape")
        await vera.until(lambda: "not done" in vera.text)
        assert done == [1, 1]


@pytest.mark.usefixtures("soon_seen")
async def test_what_others_write_is_seen_at_once(night, tmp_path):
    store, url = night
    async with console(url, tmp_path) as vera:
        with store.write() as db:
            db.add(Run(host="elsewhere", pid=1, workers=1, state="running", engine="local", config_hash="x",
                       started_at=1.0, heartbeat_at=1.0))  # fmt: skip
        await vera.until(lambda: "run 1" in vera.lines[0])
        add_night(store, objects=2)
        await vera.until(lambda: "7 await" in vera.lines[0])


@pytest.mark.usefixtures("soon_seen")
async def test_a_store_that_goes_away_and_comes_back(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        hidden = tmp_path / "astrid.db.hidden"
        look = vera.app._watching._pulse.look
        from core.database.store_errors import StoreUnreachable

        def fail():
            raise StoreUnreachable("the server is gone \x1b[2J")

        vera.app._watching._pulse.look = fail
        await vera.until(lambda: "STORE DOWN" in vera.lines[0])
        assert "the server is gone ␛[2J" in vera.text
        vera.app._watching._pulse.look = look
        await vera.until(lambda: "STORE DOWN" not in vera.lines[0])
        assert "answers again" in vera.text
        assert not hidden.exists()


@pytest.mark.parametrize("colours", [256, 1 << 24])
@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_dome_has_no_colour_but_red(night, tmp_path, colours, size):
    _, url = night
    keys = ["3", "o", "escape", "comma", "escape", "question_mark", "escape", "colon", "escape", "ctrl+p",
            "escape", *DIGITS]  # fmt: skip
    more = 'theme = "dome"\n'
    async with console(url, tmp_path, size, colours=colours, more=more) as vera:
        for key in keys:
            await vera.pilot.press(key)
            await vera.settled()
            for segment in cells(vera.app):
                for colour in (segment.style.color, segment.style.bgcolor):
                    _, green, blue = colour.get_truecolor()
                    assert (green, blue) == (0, 0), (key, segment)
                assert not colour.is_default


def test_the_dome_is_dark():
    assert THEMES["dome"].background == "#000000"


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 50)])
async def test_no_screen_lets_hostile_text_through(tmp_path, size):
    store, url = make_store(tmp_path)
    add_night(store, objects=3, object=HOSTILE, frame=HOSTILE, filter=HOSTILE, field=HOSTILE)
    with store.write() as db:
        db.add(Run(host=HOSTILE, pid=1, workers=1, state="failed", engine="local", config_hash="x",
                   reason=HOSTILE, started_at=1.0, heartbeat_at=1.0))  # fmt: skip
    async with console(url, tmp_path, size) as vera:
        for key in [*DIGITS, "1", "enter", "escape", "2", "enter", "escape", "3"]:
            await vera.pilot.press(key)
            await vera.settled()
            for segment in cells(vera.app):
                bad = [c for c in segment.text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u202c"]
                assert bad == [], (key, segment.text)
    store.close()


@pytest.mark.parametrize("size", [(39, 24), (80, 9), (2, 1)])
async def test_every_screen_says_that_a_terminal_is_too_small(night, tmp_path, size):
    _, url = night
    async with console(url, tmp_path) as vera:
        for digit in DIGITS:
            await vera.pilot.resize_terminal(80, 24)
            await vera.pilot.press(digit)
            await vera.pilot.resize_terminal(*size)
            await vera.until(lambda: "too small" in vera.text)


async def test_copies_are_kept_in_a_file(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("y")
        await vera.until(lambda: "copied AID" in vera.text)
        name = vera.screen.card.name
    assert (tmp_path / "copied.txt").read_text().startswith(name)


async def test_what_passes_the_filter_is_exported_once(night, tmp_path, monkeypatch):
    _, url = night
    file = tmp_path / "out.csv"
    monkeypatch.chdir(tmp_path)  # each character of a path is a key
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.8")
        for line, said in [
            ("export out.csv", "candidates in"),
            ("export out.csv", "is there already"),
            ("export OUT.VOT", "candidates in"),
            ("export none/out.csv", "cannot be written"),
            ("export ~nobody-here/out.csv", "nobody of that name has a home here"),
            (f"export {'long' * 70}.csv", "cannot be written: File name too long"),
            ("export", "takes the name of a file"),
            ("export x.txt", "name ends in .csv, .jsonl"),
        ]:
            await vera.pilot.press("colon")
            await vera.type(line)
            await vera.until(lambda said=said: said in told(vera))
    rows = file.read_text().splitlines()
    assert len(rows) == 1 + 2
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.csv"]


async def test_the_mouse_may_be_used(night, tmp_path):
    _, url = night
    async with console(url, tmp_path) as vera:
        vera.screen.on_mouse_scroll_down()
        await vera.until(lambda: "2 of 5" in vera.text)
        await vera.pilot.click("#footer", offset=(vera.lines[-1].index("? help"), 0))
        await vera.until(lambda: "every key" in vera.text)


@pytest.mark.usefixtures("soon_seen")
async def test_the_loss_of_the_store_s_file_is_said_though_nobody_writes(night, tmp_path):
    url = night[1]
    async with console(url, tmp_path, (140, 40)) as vera:
        (tmp_path / "astrid.db").rename(tmp_path / "away.db")
        told = "was deleted or renamed while it was open"
        await vera.until(lambda: told in " ".join(vera.text.split()))
        (tmp_path / "away.db").rename(tmp_path / "astrid.db")
        await vera.until(lambda: "the store answers again" in vera.text)


async def test_what_is_chosen_in_the_palette_is_done_once_though_enter_comes_twice(night, tmp_path):
    store, url = night
    async with console(url, tmp_path) as vera:
        await vera.press("ctrl+p")
        await vera.pilot.press(*"misaligned")
        found = vera.app.screen.query_one(CommandList)
        await vera.until(lambda: found.option_count == 1)
        for _ in range(3):
            vera.app.simulate_key("enter")
        await vera.until(lambda: vera.app.screen is vera.screen)
        await vera.settled()
        await vera.ready()
    assert [row.label for row in verdicts(store)] == ["dipole"]


async def test_the_palette_says_all_words_of_a_command_and_needs_no_emoji(night, tmp_path):
    _, url = night
    async with console(url, tmp_path, (140, 60)) as vera:
        await vera.press("ctrl+p")
        await vera.pilot.press(*"stop a run")
        await vera.until(lambda: any("cancel" in piece.text for piece in cells(vera.app)))
        shown = "".join(piece.text for piece in cells(vera.app))
        assert "cancel [RUN] [now]" in shown
        assert all(ord(character) < 0x1F000 for character in shown)
