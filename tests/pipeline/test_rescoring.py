"""What was scored by other models than are in use is scored anew, once, and nothing else of it changes."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlmodel import col, select

from core.database.store import open_store
from core.database.tables import Candidate, Cutout, InjectedSource, SkyObject, StageRun
from core.frames import queue
from core.models import versions
from core.review.cards import read_card
from core.review.cutouts import unpack
from core.review.filters import FilterError
from core.review.real_rows import real_candidates
from core.review.rescoring import (
    NewScores,
    candidates_passing,
    scored_by_others,
    unscored_cards,
    write_scores,
)
from core.review.verdicts import decide
from core.review.waiting import queue_page
from core.settings import Settings
from core.settings_sections import ClassifySettings
from core.vocabulary import Label
from pipeline.classify.chosen import chosen
from pipeline.classify.classify import Classifier, best_of
from pipeline.classify.survey_cutouts import of_sources
from pipeline.engines import rescoring
from pipeline.engines.rescoring import rescore_stored
from pipeline.intake.alerts import take_alerts
from pipeline.training import keeping
from tests.builders import add_night
from tests.core.frames import add_frames, add_reference, candidate, done, process
from tests.pipeline import toy_models
from tests.pipeline.packets import write_avro, ztf


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home")


def rows(store) -> list[Candidate]:
    with store.read() as db:
        return list(db.exec(select(Candidate).order_by(col(Candidate.id))).all())


def rest(row: Candidate) -> dict[str, object]:
    return row.model_dump(exclude={"score", "scores", "features", "scoring_id"})


def test_every_candidate_gets_what_the_models_in_use_say_of_its_cutouts(store, settings):
    objects = add_night(store, objects=4, epochs=2)
    before = rows(store)
    told = rescore_stored(store, settings)
    assert (told.asked, told.scored, told.same, told.without) == (len(before), len(before), 0, 0)
    classifier = Classifier.of()
    assert told.models == classifier.digests
    after = rows(store)
    assert list(map(rest, after)) == list(map(rest, before))
    with store.read() as db:
        pixels = dict(db.exec(select(Cutout.candidate_id, Cutout.pixels)).all())
    for row in after:
        alone = classifier.score(of_sources([unpack(pixels[row.id])], [row.source]), [row.snr])
        assert row.scores == pytest.approx(alone.of(0), abs=1e-5)
        assert row.score == best_of(row.scores)
        assert row.features["fwhm_ratio"] == 1.04
        assert row.features["ensemble.tree"] == pytest.approx(alone.moved["tree"][0], abs=1e-4)
    for number in objects:
        best = max(row.score for row in after if row.sky_object_id == number)
        with store.read() as db:
            assert db.get(SkyObject, number).best_score == best
        digest = classifier.digests["realbogus"][:12]
        assert f"realbogus {digest}" in read_card(store, number).frame.scored_by
    waiting = [(row.object_id, row.score) for row in queue_page(store).rows]
    assert waiting == sorted(waiting, key=lambda each: -each[1])


def test_what_these_models_scored_is_not_scored_again(store, settings):
    add_night(store, objects=3, epochs=1)
    with store.write() as db:
        db.add(
            StageRun(
                observation_id=rows(store)[0].observation_id, attempt=1, stage="classify", started_at=1.0,
                seconds=1.0, outcome="done", reason=Classifier.of().told,
            )
        )  # fmt: skip
        for row in db.exec(select(Candidate)):
            row.score, row.scores = 0.5, {"ensemble": 0.5}
    assert rescore_stored(store, settings).same == 3
    assert {row.score for row in rows(store)} == {0.5}
    keeping.keep(store, settings, _tree(settings), origin="training")
    versions.promote(store, "tree", 1, by="ann")
    first, second = rescore_stored(store, settings), rescore_stored(store, settings)
    assert (first.scored, first.same, second.scored, second.same) == (3, 0, 0, 3)
    versions.rollback(store, "tree", by="ann")
    assert rescore_stored(store, settings).scored == 3


def test_where_nothing_is_new_nobody_who_writes_has_to_wait(store, store_url, settings):
    add_night(store, objects=2, epochs=1)
    assert rescore_stored(store, settings).scored == 2
    with closing(open_store(store_url, read_only=True)) as looking:  # it refuses to write
        assert rescore_stored(looking, settings).same == 2


def _tree(settings: Settings):
    folder = settings.home / "made"
    toy_models.tree(folder)
    return folder


def test_scores_of_surveys_and_of_whole_frames_stay_and_those_of_models_gone_go(sqlite_store, settings):
    add_night(sqlite_store, objects=1, epochs=1)
    given = {"unet": 0.25, "ztf:drb": 0.5, "tree": 0.125, "isolation_forest": 0.0625}
    with sqlite_store.write() as db:
        row = db.exec(select(Candidate)).one()
        row.scores, row.features = given, {"ensemble.unet": 9.0, "elongation": 1.5}
    keeping.keep(sqlite_store, settings, _tree(settings), origin="training")
    versions.promote(sqlite_store, "tree", 1, by="ann")
    rescore_stored(sqlite_store, settings)
    (after,) = rows(sqlite_store)
    assert (after.scores["unet"], after.scores["ztf:drb"]) == (0.25, 0.5)
    assert after.scores["tree"] != 0.125
    assert after.features["elongation"] == 1.5
    assert after.features["ensemble.unet"] != 9.0


def test_what_has_no_cutouts_or_shall_not_be_scored_keeps_what_it_has(sqlite_store, settings):
    add_night(sqlite_store, objects=3, epochs=1)
    first, second, _ = rows(sqlite_store)
    with sqlite_store.write() as db:
        db.delete(db.get(Cutout, first.id))
        db.get(Candidate, second.id).source = "ztf"
    without_alerts = settings.model_copy(update={"classify": ClassifySettings(alerts=False)})
    told = rescore_stored(sqlite_store, without_alerts)
    assert (told.scored, told.without) == (1, 2)
    kept = rows(sqlite_store)[:2]
    assert [(row.score, row.scores, row.scoring_id) for row in kept] == [(row.snr, {}, None) for row in kept]
    assert rescore_stored(sqlite_store, settings).scored == 1


def test_an_alert_tells_who_scored_it_and_is_not_scored_again_by_the_same(store, settings, tmp_path):
    (taken,) = take_alerts(store, settings, [write_avro(tmp_path / "a.avro", [ztf(1), ztf(2)])])
    assert taken.new == 2
    by = Classifier.of().told
    for number in {row.sky_object_id for row in rows(store)}:
        assert read_card(store, number).frame.scored_by == by.removeprefix("scored by ")
    assert [row.scored_by for row in real_candidates(store)] == [by.removeprefix("scored by ")] * 2
    assert rescore_stored(store, settings).same == 2
    keeping.keep(store, settings, _tree(settings), origin="training")
    versions.promote(store, "tree", 1, by="ann")
    assert rescore_stored(store, settings).scored == 2
    assert "tree " + chosen(store, settings)["tree"][1][:12] in next(iter(real_candidates(store))).scored_by


def test_an_injected_source_is_scored_like_all_others(sqlite_store, settings):
    add_night(sqlite_store, objects=2, epochs=1)
    hidden = rows(sqlite_store)[0]
    with sqlite_store.write() as db:
        db.get(SkyObject, hidden.sky_object_id).injected = True
        db.add(
            InjectedSource(
                sky_object_id=hidden.sky_object_id, reference_id=1, x=1.0, y=1.0, mjd=1.0, flux=1.0,
                mag_per_day=0.0, snr=9.0, host="none",
            )
        )  # fmt: skip
    assert rescore_stored(sqlite_store, settings).scored == 2


def test_a_filter_chooses_by_the_scores_there_were(sqlite_store, settings):
    objects = add_night(sqlite_store, objects=3, epochs=1)
    decided = next(row for row in rows(sqlite_store) if row.sky_object_id == objects[0])
    decide(sqlite_store, session="s", reviewer="ann", candidate_id=decided.id, label=Label.ARTEFACT, shown={})
    told = rescore_stored(sqlite_store, settings, "verdict:none score>1")
    assert (told.asked, told.scored) == (2, 2)
    assert next(row for row in rows(sqlite_store) if row.id == decided.id).scores == {}
    with pytest.raises(FilterError):
        rescore_stored(sqlite_store, settings, "brightness>3")


def test_interrupted_it_keeps_what_was_done_and_goes_on_there(sqlite_store, settings, monkeypatch):
    add_night(sqlite_store, objects=5, epochs=1)
    monkeypatch.setattr(rescoring, "BATCH", 2)

    def interrupt(done: int, total: int, _what: str) -> None:
        assert total == 5
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescore_stored(sqlite_store, settings, progress=interrupt)
    newest = [row.id for row in rows(sqlite_store) if row.scores]
    assert newest == [row.id for row in rows(sqlite_store)][-2:]
    told = rescore_stored(sqlite_store, settings)
    assert (told.scored, told.same) == (3, 2)


def test_what_changed_meanwhile_stays_as_it_is(store, settings):
    add_night(store, objects=2, epochs=1)
    kept = scored_by_others(store, candidates_passing(store).tolist(), "scored by none.")
    changed = kept[0].id
    with store.write() as db:
        db.get(Candidate, changed).snr = 77.0
    new = [NewScores(each, 0.5, {"tree": 0.5}) for each in kept]
    assert write_scores(store, "scored by none.", new) == 1
    assert {row.id: row.scores for row in rows(store)} == {changed: {}, kept[1].id: {"tree": 0.5}}


def test_a_frame_that_is_processed_again_says_itself_who_scored(store, settings):
    reference = add_reference(store)
    (frame,) = add_frames(store, 1)
    process(store, done(reference.id, candidate()))
    (row,) = rows(store)
    write_scores(
        store, "scored by tree abc.",
        [NewScores(each, 0.5, {"tree": 0.5}) for each in scored_by_others(store, [row.id], "x")],
    )  # fmt: skip
    assert rows(store)[0].scoring_id is not None
    queue.requeue(store, [frame])
    process(store, done(reference.id, candidate()))
    assert [(each.id, each.score, each.scoring_id) for each in rows(store)] == [(row.id, 9.0, None)]


def test_what_classifiers_tell_may_be_long(store):
    add_night(store, objects=1, epochs=1)
    (number,) = candidates_passing(store).tolist()
    told = "scored by none. " + " ".join(f"realbogus {place:06x} is refused: \u00e9." for place in range(999))
    (kept,) = scored_by_others(store, [number], told)
    assert write_scores(store, told, [NewScores(kept, 0.5, {"tree": 0.5})]) == 1
    assert scored_by_others(store, [number], told) == []
    assert len(scored_by_others(store, [number], "scored by tree abc.")) == 1


def test_where_no_model_can_score_everything_keeps_what_it_has(sqlite_store, settings, monkeypatch):
    add_night(sqlite_store, objects=1, epochs=1)
    monkeypatch.setattr(rescoring, "chosen", lambda *_: {})
    told = rescore_stored(sqlite_store, settings)
    assert (told.models, told.scored, told.without, told.unscored) == ({}, 0, 0, 1)
    assert chosen(sqlite_store, settings)


def test_what_stands_by_its_snr_though_its_frame_was_scored_is_scored(store, settings):
    """A store of an earlier AstrID may say so of a frame whose candidates have no scores."""
    add_night(store, objects=1, epochs=1)
    with store.write() as db:
        db.add(
            StageRun(
                observation_id=rows(store)[0].observation_id, attempt=1, stage="classify", started_at=1.0,
                seconds=1.0, outcome="done", reason=Classifier.of().told,
            )
        )  # fmt: skip
    assert rescore_stored(store, settings).scored == 1


def test_what_no_model_can_score_is_tried_once(store, settings):
    """Its cutouts show nothing; health does not ask for it again and again."""
    add_night(store, objects=2, epochs=1)
    with store.write() as db:
        db.get_one(Cutout, rows(store)[0].id).pixels = b"damaged"
    before = rows(store)[0]
    first = rescore_stored(store, settings)
    assert (first.scored, first.without, first.same) == (1, 1, 0)
    with store.read() as db:
        assert unscored_cards(db, alerts=True, most=9) == 0
    again = rescore_stored(store, settings)
    assert (again.scored, again.without, again.same) == (0, 0, 2)
    after = rows(store)[0]
    assert (after.score, after.scores, after.features) == (before.score, before.scores, before.features)
