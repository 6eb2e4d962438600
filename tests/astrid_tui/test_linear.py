"""The linear review in this very process: what is read aloud, what comes back, and what others are told."""

import io
import time
from types import SimpleNamespace

import pytest

from astrid_tui.cli.review import LETTERS, Sitting
from astrid_tui.cli.spoken import curve_lines, spoken
from core.objects.light_curve import LightCurvePoint
from core.review import open_cards
from core.review.pace import pace
from core.review.verdicts import decide
from core.vocabulary import LABELS, FluxKind, Label
from screens.review.desk import Desk, Habits
from tests.builders import add_night
from tests.core.covering import add_frame, new_object
from tests.core.rows import add_candidate, add_object


@pytest.fixture
def sit(sqlite_store, monkeypatch, capsys):
    def run(*answers, filters="", **habits):
        desk = Desk(sqlite_store, "vera", Habits(**habits))
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{each}\n" for each in answers)))
        Sitting(desk, filters, "score", read_only=False).run()
        return capsys.readouterr().out

    return run


def test_what_is_taken_back_comes_back_and_is_not_counted(sit, sqlite_store):
    add_night(sqlite_store)
    said = sit("real", "dipole", "u", "undo", "supernova", "q")
    cards = [line for line in said.splitlines() if line.startswith("Card ")]
    assert cards == [f"Card {n} of 5." for n in (1, 2, 3, 2, 1, 2)]
    assert said.rstrip().endswith("1 decided.")


def test_nothing_is_read_aloud_that_has_no_words(sit, sqlite_store):
    add_night(sqlite_store)
    said = sit("details", "quit")
    assert not set(said) & set("″′°σ±×▸…–")
    assert "known sky: unknown, it was not looked up" in said
    assert "light curve, filter r: 1 detection, magnitude 19.13; 2 limits; fainter than" in said
    assert spoken("near ref 0.2″ … seen 3× – SNR +8.1σ 10–20, mag –") == (
        "near ref 0.2 arcsec ... seen 3 times unknown SNR +8.1 sigma 10-20, mag unknown"
    )


def test_every_score_is_read_aloud_once(sit, sqlite_store):
    names = ("realbogus", "unet", "tree", "isolation_forest", "one_class_svm", "ensemble")
    survey = {f"some_survey_of_long_name:score_number_{number:02}": 0.5 for number in range(12)}
    scores = dict.fromkeys(names, 0.25) | survey
    add_candidate(sqlite_store, add_object(sqlite_store), snr=-7.5, scores=scores)
    said = sit("quit")
    assert "snr -7.5 sigma ensemble 0.25 realbogus 0.25" in said
    assert [said.count(f"{name} 0.25") for name in names] == [1] * len(names)
    assert [said.count(f"{name} 0.50") for name in survey] == [1] * len(survey)


def test_a_light_curve_in_words():
    def point(mjd, mag, *, is_limit=False, flux=1.0):
        kind = FluxKind.LIMIT if is_limit else FluxKind.DETECTION
        return LightCurvePoint(mjd, "r", flux, 0.1, "e", mag, 0.1, "ab", is_limit, kind=kind)

    curve = [point(3.0, 19.0), point(1.0, 20.5, is_limit=True), point(2.0, 19.5), point(4.0, 19.2, flux=-1.0)]
    assert list(curve_lines(curve)) == [
        "light curve, filter r: 3 detections in 2.00 days, magnitude 19.50 first, 19.20 last, "
        "19.00 at its brightest, 1 fainter than the reference; 1 limit; "
        "fainter than magnitude 20.50, 1.00 days before"
    ]
    assert list(curve_lines(curve[1:2])) == [
        "light curve, filter r: never detected; 1 limit; fainter than magnitude 20.50"
    ]


def test_the_open_card_is_told_to_others_until_the_sitting_ends(sit, sqlite_store, monkeypatch):
    candidate = add_candidate(sqlite_store)
    told = []

    def readline():
        for _ in range(500):  # another thread tells it
            told[:] = open_cards.others(sqlite_store, 1, session="other")
            if told:
                break
            time.sleep(0.01)
        return "quit\n"

    monkeypatch.setattr("sys.stdin", SimpleNamespace(readline=readline))
    desk = Desk(sqlite_store, "vera", Habits())
    Sitting(desk, "", "score", read_only=False).run()
    assert told == ["vera"]
    assert open_cards.others(sqlite_store, 1, session="other") == []
    assert candidate == 1


def test_a_card_is_shown_again_blind_near_its_rank(sit, sqlite_store):
    for score in (0.9, 0.7, 0.5, 0.3):
        add_candidate(sqlite_store, add_object(sqlite_store, f"AT{score}"), score=score)
    judged = add_candidate(sqlite_store, add_object(sqlite_store, "OLD"), score=0.6)
    decide(sqlite_store, session="s", reviewer="vera", candidate_id=judged, label=Label.DIPOLE, shown={})
    said = sit("skip", "skip", "dipole", "quit", again_share=0.25, again_after_s=0.0)
    assert said.index("AT0.7") < said.index("OLD") < said.index("AT0.5")
    assert "dipole by" not in said
    assert "Card 3 of 5." in said
    found = pace(sqlite_store, "vera").self_agreement
    assert (found.hits, found.n) == (1, 1)


def test_a_filter_leads_to_what_is_decided(sit, sqlite_store):
    judged = add_candidate(sqlite_store, add_object(sqlite_store, "OLD"))
    decide(sqlite_store, session="s", reviewer="ada", candidate_id=judged, label=Label.DIPOLE, shown={})
    said = sit("skip", filters="state:bogus")
    assert "1 object passing the filter, decided ones too" in said
    assert "dipole by ada" in said
    assert "0 objects awaiting a verdict" in sit()


def test_a_verdict_of_another_sitting_is_named_before_it_is_taken_back(sit, sqlite_store):
    for name in ("AT1", "AT2"):
        add_candidate(sqlite_store, add_object(sqlite_store, name))
    sit("real", "quit")
    assert "undo again takes back real of AT" in sit("undo", "quit")
    assert "1 object awaiting a verdict" in sit("quit")
    assert "taken back." in sit("undo", "undo", "quit")
    assert "2 objects awaiting a verdict" in sit("quit")


def test_no_letter_stands_for_two_answers():
    assert not {facts.key for facts in LABELS.values()} & set(LETTERS)


def test_frames_from_before_an_object_was_known_are_told_with_the_command_for_them(sit, sqlite_store):
    add_frame(sqlite_store)
    key = new_object(sqlite_store, add_frame(sqlite_store))
    told = f"1 earlier frame not measured: `astrid objects forced {key}`"
    assert told in sit("quit")
    assert sit("details", "quit").count(told) == 2
