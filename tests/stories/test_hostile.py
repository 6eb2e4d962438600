"""Hostile text in every field of the store that comes from outside: in every command and on every screen."""

import unicodedata

import pytest
from sqlalchemy import String, select, text, update
from sqlmodel import SQLModel
from typer.testing import CliRunner

from astrid_tui.cli.app import app
from core.database.tables import Candidate, CandidateMatch, SkyObject
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.builders import add_night, make_store
from tests.stories.desk import console
from tests.stories.trouble import troubled_night

CORPUS = (
    "[/nothing] [@click=app.quit]x[/] \x1b[2J\x1b]0;owned\x07\x1b]52;c;ZWFzeQ==\x07\x1b]8;;http://x\x1b\\y"
    "\x1bP+q544e\x1b\\\x1b_Gi=31;AAAA\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\\x1bc\x1b(0\x1b#8"
    " \x9b31m\x9d52;c;eA==\x9c\x90q\x9c"
    " \u202egnp.exe\u202c\u2066a\u2069 \u200b\u200d\ufeff\u2028 \r\n\x08\x7f =1+1 e" + "\u0301" * 10_000
)
STATES = ("state", "review_state", "label", "review_label", "kind", "source", "decision", "chosen")
KEPT = {
    "alembic_version": None,  # a row of the program's own
    "verdict": ("label", "hash", "previous_hash"),
}
COMMANDS = (
    "status", "doctor", "queue list", "queue show 1", "reference list", "runs list", "runs show 1",
    "runs log 1", "candidates list", "candidates show 1", "candidates experts", "candidates disagreements",
    "candidates stats", "candidates filters", "candidates tns", "candidates mpc", "candidates fakes",
    "candidates search 1", "objects show 1", "objects lightcurve 1", "objects list", "objects tracklets",
    "show 1 --drawing ascii", "chart 1", "catalog list", "catalog near 10.6847 41.2688", "models list",
    "models trainings", "models drift", "health list", "health check", "prefect status", "keys",
    "why 10.6847 41.2688", "forced 10.6847 41.2688", "power", "db check",
)  # fmt: skip
ANSWERS = f"o\nrepeat\nr\nnote {CORPUS.splitlines()[0]}\nundo\nredo\nx\nhelp\nq\n"  # to --linear
KEYS = (
    "1", "enter", "escape", "2", "enter", "escape", "4", "5", "6", "enter", "escape",
    "3", "o", "escape", "j", "f", "comma", "escape", "question_mark", "escape",
)  # fmt: skip
SHOWS = 8  # of these commands at least show some of it


def poison(store) -> None:
    """Write the corpus into every text column that is free, told apart by its row where it must be."""
    with store.write() as db:
        names = set(db.connection().exec_driver_sql("SELECT name FROM sqlite_master").scalars())
        for table in SQLModel.metadata.tables.values():
            if table.name not in names or KEPT.get(table.name, ()) is None:
                continue
            unique = {
                column.name for each in table.constraints for column in getattr(each, "columns", ())
            } | {c.name for c in table.columns if c.unique or c.primary_key or c.foreign_keys}
            free = [
                column
                for column in table.columns
                if isinstance(column.type, String)
                and column.name not in unique
                and column.name not in STATES
                and column.name not in KEPT.get(table.name, ())
            ]
            if free:
                db.execute(update(table).values(dict.fromkeys(free, CORPUS)))
        db.execute(text("UPDATE sky_object SET name = :corpus || id"), {"corpus": CORPUS})


@pytest.fixture
def night(tmp_path, monkeypatch):
    store, url = make_store(tmp_path)
    troubled_night(store)
    add_night(store, objects=3)
    with store.read() as db:
        ids = list(db.scalars(select(Candidate.id).order_by(Candidate.id.desc()).limit(3)))
    decide(store, session="s", reviewer=CORPUS, candidate_id=ids[0], label=Label.REAL, shown={}, note=CORPUS)
    annotate(store, session="s", reviewer="bob", candidate_id=ids[1], note=CORPUS, tags=[CORPUS])
    match = {"status": "match", "mag": 1.0} | dict.fromkeys(("name", "catalog", "type", "reason"), CORPUS)
    with store.write() as db:
        for each in ids:
            db.add(
                CandidateMatch(candidate_id=each, state="x", at=1.0, answers={"star": match, "galaxy": match})
            )
            db.get(Candidate, each).features = {CORPUS: 1.0}
            db.get(Candidate, each).scores = {CORPUS: 1.0}
        assert db.scalar(select(SkyObject.id)) is not None
    poison(store)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", url)
    yield store, url
    store.close()


def harmful(shown: str) -> list[str]:
    """What of a text acts on a terminal or hides."""
    marks = 0
    found = []
    for character in shown:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if character != "\n" and (kind in {"Cc", "Cf", "Cs", "Zl", "Zp"} or marks > 8):
            found.append(character)
    return found


def test_no_command_lets_it_through(night, monkeypatch, capsys):
    astrid = Command(monkeypatch, lambda: tuple(capsys.readouterr()))
    shows = 0
    for command in COMMANDS:
        for more in ([], ["--json"]):
            monkeypatch.setattr("sys.argv", ["astrid", *command.split(), *more])
            try:
                out = astrid(*command.split(), *more)
            except AssertionError as ended:  # another exit code: what was said is told with it
                out = str(ended).partition("\n")[2]
            assert harmful(out + astrid.said) == [], (command, more)
            assert "Traceback" not in out + astrid.said
            shows += "nothing]" in out
    assert shows >= SHOWS


def test_the_review_line_by_line_lets_nothing_through(night):
    done = CliRunner().invoke(app, ["review", "--linear"], input=ANSWERS)
    assert done.exit_code == 0, done.output
    assert "nothing]" in done.output
    assert "The note is kept." in done.output
    assert harmful(done.output) == []


async def test_no_screen_lets_it_through(night, tmp_path):
    _, url = night
    async with console(url, tmp_path, ready=False) as vera:
        await vera.until(lambda: vera.app.headline is not None)
        for key in KEYS:
            await vera.pilot.press(key)
            await vera.settled()
            strips = vera.app.screen._compositor.render_strips()
            for strip in strips:
                assert harmful("".join(segment.text for segment in strip)) == [], key
