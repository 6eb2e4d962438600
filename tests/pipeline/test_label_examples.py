"""Examples of labels: what people agree on teaches, all of it and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sqlmodel import select

from core.database.tables import Candidate, Cutout, Injection, SkyObject
from core.models.learnable import learnable
from core.objects.tracklets import newest_night, write_tracklets
from core.review.cutouts import pack
from core.review.verdicts import decide
from core.settings_sections import ReviewSettings, SiteSettings
from core.surveys.alert import AlertFacts
from core.vocabulary import Label
from pipeline.training.examples import BOGUS, REAL, UNKNOWN
from pipeline.training.label_examples import of_alerts, of_labels
from tests.builders import add_night, cutouts
from tests.core.test_tracklets import found as mover
from tests.core.test_tracklets import one_mover

RULE = ReviewSettings(experts=("eve",), votes=2)


def judge(store, who, candidate, label):
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={})


@pytest.fixture
def night(store):
    """Six objects of one epoch or two: the candidates of each object."""
    objects = add_night(store, objects=6, epochs=3)
    with store.read() as db:
        rows = db.exec(select(Candidate).order_by(Candidate.id)).all()
    return [[row.id for row in rows if row.sky_object_id == each] for each in objects]


def test_a_real_label_teaches_all_detections_of_its_object_and_a_bogus_one_its_own(store, night):
    for who in ("ada", "bob"):
        judge(store, who, night[1][0], Label.SUPERNOVA)
        judge(store, who, night[3][0], Label.DIPOLE)
    found = of_labels(store, RULE)
    assert [len(night[1]), len(night[3])] == [2, 2]
    assert sorted(found.label.tolist()) == [BOGUS, REAL, REAL]
    assert set(found.kind[found.label == REAL]) == {"supernova"}
    assert set(found.source) == {"label"}
    assert len(set(found.group)) == 2


def test_what_is_labelled_knows_how_far_the_nearest_light_of_the_reference_is(store, night):
    measured = [0.3, 4.9, 5.1, 99.0, None, "near"]
    for (first, *_), distance in zip(night, measured, strict=True):
        with store.write() as db:
            row = db.get_one(Candidate, first)
            row.features = row.features | ({} if distance is None else {"star_distance": distance})
        judge(store, "eve", first, Label.DIPOLE)
    found = of_labels(store, RULE)
    assert np.allclose(found.host_offset, [0.3, 4.9, np.nan, np.nan, np.nan, np.nan], equal_nan=True)


def test_labels_of_one_night_are_of_one_night_across_midnight(store, night):
    for candidates, mjd in ((night[0], 60999.95), (night[2], 61000.05)):
        with store.write() as db:
            db.get_one(Candidate, candidates[0]).mjd = mjd
        judge(store, "eve", candidates[0], Label.REAL)
    found = of_labels(store, RULE)
    assert len(found) == 2
    assert len(set(found.night)) == len(set(found.field)) == 1
    moved = of_labels(store, RULE, SiteSettings(position=(-35.0, 180.0)))  # where it is noon at 0 h UTC
    assert len(set(moved.night)) == len(set(moved.field)) == 2


def test_votes_that_are_too_few_or_disagree_or_take_no_side_teach_nothing(store, night):
    assert of_labels(store, RULE) is None
    judge(store, "ada", night[0][0], Label.REAL)
    judge(store, "ada", night[1][0], Label.REAL)
    judge(store, "bob", night[1][0], Label.DIPOLE)
    judge(store, "eve", night[2][0], Label.INDETERMINATE)
    assert of_labels(store, RULE) is None
    judge(store, "eve", night[1][0], Label.DIPOLE)
    assert of_labels(store, RULE).label.tolist() == [BOGUS]


@pytest.mark.parametrize("judged", [(0, 0), (1, 3), (3, 2)])
def test_what_is_agreed_of_a_body_that_moves_teaches_all_its_detections(store, judged):
    keys = one_mover(store)
    write_tracklets(store, newest_night(store), [mover(*keys)])
    with store.write() as db:
        for row in db.exec(select(Cutout)).all():
            row.pixels = pack(cutouts(row.candidate_id))
    for who, which in zip(("ada", "bob"), judged, strict=True):
        judge(store, who, keys[which], Label.MOVING)
    found = of_labels(store, RULE)
    assert found.label.tolist() == [REAL] * 4
    assert len(set(found.group)) == 1  # one body is not learnt from and judged by
    there = learnable(store, RULE)
    assert (len(there.made_at), there.real, there.bogus) == (2, 1, 0)
    judge(store, "eve", keys[judged[0]], Label.ARTEFACT)  # of that detection alone, which is no longer of it
    assert sorted(of_labels(store, RULE).label.tolist())[0] == BOGUS
    assert learnable(store, RULE).bogus == 1


def test_what_was_injected_never_teaches(store, night):
    for candidates in night[:3]:
        judge(store, "eve", candidates[0], Label.REAL)
    with store.write() as db:
        candidate = db.get_one(Candidate, night[0][0])
        db.get_one(SkyObject, candidate.sky_object_id).injected = True
        observation = db.get_one(Candidate, night[1][1]).observation_id
        db.add(Injection(observation_id=observation, candidate_id=night[1][1], x=1.0, y=1.0, flux=1.0))
    found = of_labels(store, RULE)
    assert [len(each) for each in night[:3]] == [1, 2, 1]
    assert len(found) == 0 + 1 + 1


def test_alerts_of_a_survey_are_of_unknown_nature_whatever_it_says(store, night):
    from core.review.cutouts import pack
    from tests.builders import cutouts

    alert = AlertFacts("ztf", "1", "ZTF1", 60000.2, 1.0, 2.0, 0.1, 9.0, scores={"ztf:drb": 1.0})
    with_image = AlertFacts("ztf", "2", "ZTF1", 60001.2, 1.0, 2.0, 0.1, 9.0, cutouts=pack(cutouts()))
    found = of_alerts([alert, with_image])
    assert found.label.tolist() == [UNKNOWN]
    assert of_alerts([alert]) is None


@pytest.mark.parametrize(
    ("source", "external_id", "dusk", "hours"),
    [
        ("ztf", "1", 60000.08, 11),  # Palomar, where noon of UTC comes before dawn
        ("rubin", "1", 60000.97, 11),
        ("atlas", "02a60000o0040o_006230", 60000.2, 11),  # Haleakala, where it is midnight
        ("atlas", "03a60000o0040o_006230", 60000.7, 11),  # Sutherland
    ],
)
def test_a_night_of_a_survey_is_one_at_its_telescope(store, night, source, external_id, dusk, hours):
    from core.review.cutouts import pack

    pixels = pack(cutouts())
    alerts = [
        AlertFacts(source, external_id, f"{hour}", dusk + hour / 24.0, 1.0, 2.0, 0.1, 9.0, cutouts=pixels)
        for hour in range(hours + 1)
    ]
    found = of_alerts(alerts)
    assert len(set(found.night)) == len(set(found.field)) == 1
    for candidates, alert in ((night[0], alerts[0]), (night[2], alerts[-1])):
        with store.write() as db:
            row = db.get_one(Candidate, candidates[0])
            row.source, row.mjd, row.external_id = source, alert.mjd, f"{external_id}{candidates[0]}"
            row.observation_id = None
        judge(store, "eve", candidates[0], Label.REAL)
    labelled = of_labels(store, RULE, SiteSettings(position=(0.0, 0.0)))
    assert len(labelled) == 2
    assert len(set(labelled.night)) == len(set(labelled.field)) == 1
