"""A reviewer meets injected sources at the console, by commands and by a screen reader."""

import json

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from astrid_tui.cli.app import app
from core.database.tables import Candidate, InjectedSource, Reference, SkyObject, Verdict
from core.review.waiting import queue_count
from tests.builders import add_night, make_store
from tests.stories.desk import console

SENTENCE = "that was an injected source: SNR 7.3"


@pytest.fixture
def night(tmp_path):
    """Five objects that await a verdict; the second of the queue was injected."""
    store, url = make_store(tmp_path)
    ids = add_night(store)
    with store.read() as db:
        order = db.exec(select(SkyObject.id).order_by(SkyObject.best_score.desc())).all()
    with store.write() as db:
        row = db.get_one(SkyObject, order[1])
        row.injected = True
        db.add(row)
        reference = db.exec(select(Reference)).one()
        db.add(
            InjectedSource(
                sky_object_id=row.id, reference_id=reference.id, x=1.0, y=2.0, ra=row.ra, dec=row.dec,
                mjd=60999.1, flux=900.0, mag=19.6, mag_system="ab", mag_per_day=0.0, snr=7.3, host="none",
            )
        )  # fmt: skip
    yield store, url, row.id, ids
    store.close()


async def test_it_is_decided_revealed_taken_back_and_never_seen_again(night, tmp_path):
    store, url, fake, _ = night
    async with console(url, tmp_path) as vera:
        assert "1 of 5" in vera.text
        assert "inject" not in vera.text
        await vera.press("s")
        assert "2 of 5" in vera.text
        assert "inject" not in vera.text
        await vera.press("s")
        assert SENTENCE in vera.text
        await vera.until(lambda: "3 await" in vera.text)
        await vera.press("u")
        assert SENTENCE in vera.text
        await vera.press("j", "r")
        assert queue_count(store) == 2
    async with console(url, tmp_path) as vera:  # another day
        assert "1 of 2" in vera.text
        await vera.press("G", "x", "x")
        assert "inject" not in vera.text
    with store.read() as db:
        assert fake not in [
            row.sky_object_id for row in db.exec(select(Candidate).where(Candidate.is_current))
        ]


async def test_many_at_once_are_told_how_many_were(night, tmp_path):
    store, url, _, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "B")
        await vera.type("artefact")
        await vera.press("enter")
        await vera.until(lambda: "of 2 objects 1 was injected" in vera.text)
    with store.read() as db:
        assert len(db.exec(select(Verdict)).all()) == 2


def astrid(url, folder, *words, code=0, typed=None):
    env = {"ASTRID_HOME": str(folder), "ASTRID_STORE__URL": url, "ASTRID_REVIEW__REVIEWER": "vera"}
    done = CliRunner().invoke(app, [str(word) for word in words], env=env, input=typed)
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else str(done.exception)


def test_by_commands_nothing_leaves_and_the_truth_comes_after_the_verdict(night, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, url, fake, _ = night
    with store.read() as db:
        row = db.get_one(SkyObject, fake)
        key, place = row.best_candidate_id, (f"{row.ra:.6f}", f"{row.dec:+.6f}")
    assert str(key) in astrid(url, tmp_path, "candidates", "list")
    for words in (("candidates", "show", key), ("objects", "show", fake), ("status",)):
        assert "inject" not in astrid(url, tmp_path, *words, "--json")
    assert "No source" in astrid(url, tmp_path, "candidates", "fakes")
    assert astrid(url, tmp_path, "candidates", "export", "--format", "jsonl") == ""
    astrid(url, tmp_path, "objects", "lightcurve", fake, code=1)
    # A frame's own pixels would tell.
    assert "may be an injected source" in astrid(url, tmp_path, "forced", *place, code=1)
    assert "may be an injected source" in astrid(url, tmp_path, "chart", fake, "--from", "frame", code=1)
    told = json.loads(astrid(url, tmp_path, "candidates", "label", key, "supernova", "--json"))
    assert told["injected"] == {"snr": 7.3, "mag": 19.6, "host": "none"}
    assert astrid(url, tmp_path, "candidates", "export", "--format", "jsonl") == ""
    astrid(url, tmp_path, "objects", "lightcurve", fake, code=1)
    assert json.loads(astrid(url, tmp_path, "forced", *place, "--json"))["objects"] == []
    recovered = json.loads(astrid(url, tmp_path, "candidates", "fakes", "--json"))
    assert [(each["snr_from"], each["n"], each["share"]) for each in recovered["judged_real"]] == [
        (7.0, 1, None)
    ]
    assert "n 1, too few" in astrid(url, tmp_path, "candidates", "fakes")
    shown = json.loads(astrid(url, tmp_path, "candidates", "show", key, "--json"))
    assert shown["injected"]["snr"] == 7.3
    assert json.loads(astrid(url, tmp_path, "candidates", "tns", "--json")) == []


def test_a_screen_reader_is_told_too(night, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, url, _, _ = night
    said = astrid(url, tmp_path, "review", "--linear", typed="r\nr\nquit\n")
    assert "That was an injected source: SNR 7.3." in said
    assert said.count("injected") == 1
