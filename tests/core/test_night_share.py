"""The share of real among what reviewers agree on of the newest nights, against what was put there."""

import pytest
from sqlmodel import col, select

from core.database.tables import Candidate, SkyObject
from core.review.night_share import NightShareError, newest_share
from core.review.verdicts import decide
from core.settings_sections import ReviewSettings, SiteSettings
from core.vocabulary import Label
from tests.builders import add_night
from tests.core.nights import add_nights

ALONE = ReviewSettings(votes=1)
SITE = SiteSettings()


def real_of(store, nights):
    """How many of the first 40 candidates of some nights are real: those of a score above a half."""
    with store.read() as db:
        scores = [
            db.scalars(
                select(col(Candidate.scores))
                .where(col(Candidate.external_id).startswith(f"{night}."))
                .order_by(col(Candidate.id))
            ).all()[:40]
            for night in nights
        ]
    return sum(each["realbogus"] > 0.5 for night in scores for each in night)


def test_it_is_that_of_the_newest_nights_that_are_enough(sqlite_store):
    add_nights(sqlite_store, 4, decided=40, wrong=0.0, shift=3.0)  # nearly all real
    add_nights(sqlite_store, 3, first=4, decided=40, wrong=0.0, shift=-1.5)
    add_nights(sqlite_store, 1, first=7, decided=0)  # nobody has looked at it yet
    found = newest_share(sqlite_store, ALONE, SITE)
    assert found.real.n == 120
    assert found.real.hits == real_of(sqlite_store, (4, 5, 6)) < 50
    assert found.real.low < found.real.share < found.real.high
    assert (found.nights, found.first, found.last) == (3, "2023-02-28", "2023-03-02")


def test_of_those_that_await_a_decision_it_counts_the_same_nights(sqlite_store):
    add_nights(sqlite_store, 2, each=70, decided=0)
    add_nights(sqlite_store, 1, first=2, each=70, decided=0)
    with sqlite_store.read() as db:
        ids = db.scalars(
            select(col(Candidate.id))
            .where(col(Candidate.external_id).startswith("2."))
            .order_by(Candidate.id)
        ).all()
    for number, key in enumerate(ids[:40]):
        label = Label.REAL if number < 10 else Label.ARTEFACT
        decide(sqlite_store, session="ada", reviewer="ada", candidate_id=key, label=label, shown={})
    found = newest_share(sqlite_store, ALONE, SITE)
    assert (found.real.hits, found.real.n, found.undecided, found.nights) == (10, 40, 30, 1)


def test_a_real_object_counts_in_every_night_that_saw_it_a_bogus_one_where_it_was_judged(sqlite_store):
    add_night(sqlite_store, objects=40, epochs=3)  # every other one is in the last two, the rest in the last
    with sqlite_store.read() as db:
        best = {row.id: row.best_candidate_id for row in db.scalars(select(SkyObject))}
    real, bogus = list(best)[:20], list(best)[20:]
    for chosen, label in ((real, Label.REAL), (bogus, Label.DIPOLE)):
        for key in chosen:
            decide(sqlite_store, session="ada", reviewer="ada", candidate_id=best[key], label=label, shown={})
    found = newest_share(sqlite_store, ALONE, SITE)
    with sqlite_store.read() as db:
        of_real = db.scalars(select(col(Candidate.mjd)).where(col(Candidate.sky_object_id).in_(real))).all()
    assert (found.real.hits, found.real.n) == (len(of_real), len(of_real) + 20)
    assert len(of_real) == 30


def test_what_was_injected_does_not_count(sqlite_store):
    add_nights(sqlite_store, 1, decided=40, wrong=0.0)
    with sqlite_store.write() as db:
        judged = db.scalars(select(SkyObject).order_by(col(SkyObject.id)).limit(5)).all()
        for row in judged:
            row.injected = True
    assert newest_share(sqlite_store, ALONE, SITE).real.n == 35


def test_where_too_little_is_agreed_on_it_is_refused_with_what_there_is(sqlite_store):
    with pytest.raises(NightShareError, match="nothing was judged real or bogus yet"):
        newest_share(sqlite_store, ALONE, SITE)
    add_nights(sqlite_store, 1, decided=29)
    with pytest.raises(NightShareError, match="only 29 objects of the newest nights are agreed on"):
        newest_share(sqlite_store, ALONE, SITE)
    with pytest.raises(NightShareError, match="of 29 that were judged none is confirmed"):
        newest_share(sqlite_store, ReviewSettings(votes=2), SITE)
    add_nights(sqlite_store, 1, first=1, decided=1)
    assert newest_share(sqlite_store, ALONE, SITE).nights == 2


def test_where_all_are_of_one_kind_it_tells_no_share(sqlite_store):
    add_nights(sqlite_store, 1, decided=40, wrong=0.0, shift=60.0)
    with pytest.raises(NightShareError, match=r"all 40 objects .* are real"):
        newest_share(sqlite_store, ALONE, SITE)
