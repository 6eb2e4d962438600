"""Injected sources among the cards: nothing betrays one before its verdict, and none is ever real."""

import inspect
import io
import json
from dataclasses import asdict, replace
from typing import get_type_hints

import pytest
from sqlmodel import select

from core.database.store import open_store
from core.database.tables import (
    Candidate,
    Difference,
    InjectedSource,
    Injection,
    Observation,
    Reference,
    SkyObject,
)
from core.frames.forced import add_points, look, objects_of
from core.frames.frame_list import frame_rows
from core.frames.injected import draw_of, sources_of
from core.frames.outcome import ForcedFacts, InjectedFacts
from core.objects.detail import ObjectError, read_object
from core.operations.status import status
from core.places.why import why
from core.review import agreement, export, export_cutouts, export_files, pace, recovery, tns_report
from core.review.candidates import page, show
from core.review.cards import read_card
from core.review.chain import verify
from core.review.fakes import revealed
from core.review.judged import judged
from core.review.real_rows import (
    InjectedSourceError,
    RealCandidate,
    RealObject,
    real_candidates,
    real_object,
    real_verdicts,
)
from core.review.retractions import redo, undo
from core.review.verdicts import decide, decide_together
from core.review.waiting import ORDERS, queue_count, queue_page
from core.vocabulary import Label, ReviewState
from tests.builders import empty_store
from tests.core.frames import DEC, RA, add_frames, add_reference, candidate, claimed, done, process
from tests.core.rows import add_object

ADA = {"session": "s", "reviewer": "ada"}
AT = (20.0, 70.0)  # of the injected source


def drawn(**changes):
    """An injected source that was found, between the significances of two real candidates."""
    found = candidate(*AT, snr=9.5, flux=950.0, score=9.5, cutouts=b"drawn")
    facts = InjectedFacts(
        x=AT[0] + 0.2, y=AT[1], ra=found.ra, dec=found.dec, flux=900.0, snr=9.1, host="galaxy", found=True,
        mag=20.0, mag_system="ab", mag_per_day=0.1, candidate=found,
    )  # fmt: skip
    return replace(facts, **changes)


def first_frame(store, *, as_real=False, injected=None):
    """One frame with two real candidates and an injected one; or three real ones, as a twin."""
    reference = add_reference(store)
    add_frames(store, 1)
    real = (candidate(50, 50, snr=12.0, score=12.0), candidate(80, 30, snr=-7.0, score=7.0))
    if as_real:
        twin = drawn().candidate
        return process(store, done(reference.id, real[0], twin, real[1], forced_through=0))
    outcome = done(reference.id, *real, injected=injected or (drawn(),), forced_through=0)
    return process(store, outcome)


def the_fake(store):
    """The candidate and the object of the injected source."""
    with store.read() as db:
        source = db.exec(select(InjectedSource)).one()
        key = db.exec(select(Candidate.id).where(Candidate.sky_object_id == source.sky_object_id)).one()
        return key, source.sky_object_id


def judge(store, key, label=Label.SUPERNOVA, **more):
    return decide(store, **(ADA | more), candidate_id=key, label=label, shown={})


def told(store):
    """All that the console and the commands tell of a night."""
    with store.read() as db:
        objects = db.exec(select(SkyObject.id).order_by(SkyObject.id)).all()
        candidates = db.exec(select(Candidate).order_by(Candidate.id)).all()
        rows = [(row.id, row.external_id, row.sky_object_id, row.snr) for row in candidates]
        frames = [asdict(row) for row in frame_rows(db, list(db.exec(select(Observation))))]
    answers = [
        rows,
        frames,
        [[asdict(row) for row in queue_page(store, order=order).rows] for order in ORDERS],
        queue_count(store),
        list(page(store).rows),
        [show(store, row[0]) for row in rows],
        [asdict(read_card(store, key)) for key in objects],
        [read_object(store, str(key)).record() for key in objects],
        [why(store, RA + (x - 50) / 3600, DEC + (y - 50) / 3600).record() for x, y in ((50, 50), AT)],
        status(store),
    ]
    return json.dumps(answers, default=str, sort_keys=True)


def test_nothing_tells_an_injected_source_from_a_real_one(store, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1.7e9)
    path = tmp_path / "twin.db"
    path.write_bytes(empty_store())
    twin = open_store(f"sqlite:///{path}")
    first_frame(store)
    first_frame(twin, as_real=True)
    assert told(store) == told(twin)
    assert "inject" not in told(store)
    twin.close()


def test_the_record_of_it_stands_in_its_own_tables_alone(store):
    first_frame(store)
    key, object_id = the_fake(store)
    with store.read() as db:
        source, trial = db.exec(select(InjectedSource)).one(), db.exec(select(Injection)).one()
    assert (source.sky_object_id, source.flux, source.mag_per_day, source.host) == (
        object_id,
        900.0,
        0.1,
        "galaxy",
    )
    assert (trial.candidate_id, trial.sky_object_id, trial.found) == (key, object_id, True)


def test_a_verdict_reveals_it_for_good(store):
    first_frame(store)
    key, object_id = the_fake(store)
    assert revealed(store, [object_id]) == {}
    assert queue_count(store) == 3
    row = judge(store, key)
    truth = revealed(store, [object_id])[object_id]
    assert truth.sentence == "that was an injected source beside a galaxy: SNR 9.1"

    def is_gone():
        assert queue_count(store) == 2
        assert key not in [each.candidate_id for each in queue_page(store, states=list(ReviewState)).rows]
        assert key not in [each["id"] for each in page(store).rows]
        assert [each["candidates"] for each in status(store)["frames"]] == [2]
        assert status(store)["awaiting_verdict"] == 2
        story = why(store, RA + (AT[0] - 50) / 3600, DEC + (AT[1] - 50) / 3600)
        assert [frame.candidates for frame in story.frames] == [()]
        assert show(store, key)["injected"] == {"snr": 9.1, "mag": 20.0, "host": "galaxy"}

    is_gone()
    for change in (undo, redo, undo):
        change(store, **ADA)
        is_gone()
    judge(store, key, Label.DIPOLE, reviewer="bob", session="b")
    is_gone()
    with store.read() as db:
        assert db.exec(select(InjectedSource.verdict_id)).one() == row.id  # the one that was given blindly
    assert verify(store) == []


@pytest.mark.parametrize("label", [Label.SNOOZE, Label.ASK_EXPERT])
def test_what_is_no_verdict_reveals_nothing(store, label):
    first_frame(store)
    key, object_id = the_fake(store)
    judge(store, key, label)
    assert revealed(store, [object_id]) == {}
    judge(store, key, Label.INDETERMINATE)
    assert list(revealed(store, [object_id])) == [object_id]


def test_one_verdict_on_many_reveals_those_that_were_injected(store):
    first_frame(store)
    _, object_id = the_fake(store)
    keys = [row.candidate_id for row in queue_page(store).rows]
    rows = decide_together(store, **ADA, candidate_ids=keys, label=Label.ARTEFACT, shown={})
    assert list(revealed(store, [row.sky_object_id for row in rows])) == [object_id]
    assert queue_count(store) == 0
    undo(store, **ADA)
    assert queue_count(store) == 2


def test_no_label_and_no_count_of_reviewers_comes_of_it(store):
    first_frame(store)
    key, object_id = the_fake(store)
    others = [row.candidate_id for row in queue_page(store).rows if row.candidate_id != key]
    for who in ("ada", "bob"):
        for each in (key, *others):
            judge(store, each, reviewer=who, session=who)
    assert {each.verdict.candidate_id for each in real_verdicts(store)} == set(others)
    assert object_id not in [each.object_id for each in agreement.standings(store)]
    assert [pair.n for pair in agreement.agreement(agreement.standings(store))] == [2]
    assert (judged(store).real, judged(store).bogus) == (2, 0)
    assert object_id not in dict(pace.due_again(store, "ada", 10, before=9e9))


WRITERS = {
    "csv": (export.write_csv, io.StringIO),
    "json lines": (export.write_json_lines, io.StringIO),
    "regions": (export_files.write_regions, io.StringIO),
    "parquet": (export_files.write_parquet, io.BytesIO),
    "ecsv": (export_files.write_ecsv, io.StringIO),
    "votable": (export_files.write_votable, io.BytesIO),
    "cutouts": (export_cutouts.write_cutouts, io.BytesIO),
}


def written(store):
    """How many candidates each form of file holds."""
    return {
        write(real_candidates(store), stream(), *((store,) if form == "cutouts" else ()))
        for form, (write, stream) in WRITERS.items()
    }


def test_no_file_of_any_form_holds_it_at_any_time(store):
    """And nothing undecided either, from whose absence it could be told."""
    first_frame(store)
    key, _ = the_fake(store)
    real = next(row.candidate_id for row in queue_page(store).rows if row.candidate_id != key)
    assert written(store) == {0}
    judge(store, key)
    assert written(store) == {0}
    judge(store, real)
    assert [row.candidate.id for row in real_candidates(store)] == [real]
    undo(store, **ADA)
    undo(store, **ADA)
    assert written(store) == {0}


def test_what_exports_takes_only_what_cannot_hold_one():
    """By their types: no writer can be handed a candidate, an object or a store to choose from."""
    writers = [
        each
        for module in (export, export_cutouts, export_files)
        for name, each in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("write") and each.__module__ == module.__name__
    ]
    assert {write for write, _ in WRITERS.values()} == set(writers)
    for write in writers:
        kinds = list(get_type_hints(write).values())
        assert str(kinds[0]) == f"collections.abc.Iterable[{RealCandidate.__module__}.RealCandidate]"
        assert Candidate not in kinds
        assert SkyObject not in kinds
    assert get_type_hints(export.values_of)["row"] is RealCandidate
    assert RealCandidate in get_type_hints(tns_report._checked)["part"].__args__
    from core.objects.curve_table import curve_rows

    assert get_type_hints(curve_rows)["found"] is RealObject


@pytest.mark.parametrize("kind", [RealCandidate, RealObject])
def test_nobody_else_makes_what_may_leave(kind):
    with pytest.raises(InjectedSourceError, match="made by"):
        kind(*[None] * len(inspect.signature(kind).parameters))


def test_no_light_curve_of_it_leaves_and_none_of_what_may_be_one(store):
    first_frame(store)
    key, object_id = the_fake(store)
    real = next(row for row in queue_page(store).rows if row.candidate_id != key)
    messages = []
    for each in (object_id, real.object_id):
        with pytest.raises(InjectedSourceError) as refused:
            real_object(store, str(each))
        messages.append(str(refused.value).partition(" is ")[2])
    assert messages[0] == messages[1]
    judge(store, real.candidate_id)
    judge(store, key)
    assert real_object(store, str(real.object_id)).detail.object.id == real.object_id
    with pytest.raises(InjectedSourceError, match="was an injected source"):
        real_object(store, str(object_id))
    with pytest.raises(ObjectError):
        real_object(store, "no such thing")


def test_a_later_real_detection_at_its_place_is_another_object(store):
    first_frame(store)
    _, fake = the_fake(store)
    add_frames(store, 2)
    result = process(store, done(1, candidate(*AT)))
    with store.read() as db:
        found = db.exec(select(Candidate).where(Candidate.id == result.candidate_ids[0])).one()
        assert found.sky_object_id != fake
        assert db.get_one(SkyObject, fake).n_candidates == 1
        assert fake not in [row.id for row in objects_of(db, db.get_one(Reference, 1))]


def test_it_is_detected_again_as_itself_until_it_is_revealed(store):
    first_frame(store)
    key, fake = the_fake(store)
    add_frames(store, 2, 3, 4)
    again = drawn(sky_object_id=fake, candidate=candidate(AT[0] + 1.9, AT[1], snr=20.0, score=20.0))
    process(store, done(1, injected=(again,)))
    missed = drawn(sky_object_id=fake, candidate=None, found=False, forced=(300.0, 90.0))
    process(store, done(1, injected=(missed,)))
    card = read_card(store, fake)
    assert [each.snr for each in card.epochs] == [20.0, 9.5]
    assert [point.flux for point in card.light_curve] == [950.0, 900.0, 300.0]
    judge(store, key)
    process(store, done(1, injected=(again,)))  # the frame was in work meanwhile
    with store.read() as db:
        assert db.exec(select(Candidate.id).where(Candidate.is_current).order_by(Candidate.id)).all() == [
            1,
            3,
        ]
        assert db.get_one(SkyObject, fake).best_candidate_id is None
        assert [row.n_candidates for row in db.exec(select(Difference).order_by(Difference.id))] == [
            2,
            0,
            0,
            0,
        ]


def test_what_is_committed_again_is_the_same_source(store):
    first_frame(store)
    before = the_fake(store)
    with store.write() as db:
        db.get_one(Observation, 1).state = "queued"
    with store.read() as db:
        draw = draw_of(db, db.get_one(Observation, 1), db.get_one(Reference, 1))
    assert not draw.is_fresh
    assert [(each.sky_object_id, each.is_spent) for each in draw.sources] == [(before[1], False)]
    again = drawn(sky_object_id=before[1])
    process(store, done(1, candidate(50, 50, snr=12.0), injected=(again,)))
    assert the_fake(store) == before
    with store.read() as db:
        assert len(db.exec(select(Injection)).all()) == 1


def test_a_source_that_was_never_found_is_drawn_again_and_makes_no_card(store):
    lost = drawn(candidate=None, found=False, snr=4.0)
    first_frame(store, injected=(lost,))
    assert queue_count(store) == 2
    with store.read() as db:
        assert db.exec(select(InjectedSource)).all() == []
        (source,) = draw_of(db, db.get_one(Observation, 1), db.get_one(Reference, 1)).sources
        new = Observation(id=9, content="x", frame="x", path="x", created_at=1.0)
        assert draw_of(db, new, db.get_one(Reference, 1)).is_fresh
    assert (source.sky_object_id, source.x, source.flux) == (None, lost.x, lost.flux)


def test_what_was_measured_and_not_drawn_is_no_injection(store):
    """Else the depth and the recovery of a frame would count a source that nobody drew into it."""
    first_frame(store)
    _, fake = the_fake(store)
    add_frames(store, 2)
    seen = drawn(sky_object_id=fake, flux=0.0, candidate=None, found=False, forced=(30.0, 90.0))
    process(store, done(1, injected=(seen,)))
    with store.read() as db:
        assert [row.observation_id for row in db.exec(select(Injection))] == [1]
    assert [point.flux for point in read_card(store, fake).light_curve] == [950.0, 30.0]


def test_a_field_has_the_sources_of_all_its_references_across_the_seam_too(store):
    at = {"a": (359.995, 10.0), "b": (0.005, 10.0), "south": (359.995, 9.0), "far": (0.5, 10.0)}
    references = {
        name: add_reference(store, number, ra=ra, dec=dec, radius_deg=0.02)
        for number, (name, (ra, dec)) in enumerate(at.items(), 1)
    }
    on_grid = add_reference(store, 9, has_wcs=False, ra=None, dec=None, radius_deg=None)
    for name, reference in (references | {"grid": on_grid}).items():
        ra, dec = at.get(name, (None, None))
        facts = {"x": 1.0, "y": 2.0, "ra": ra, "dec": dec, "mjd": 60000.0, "flux": 900.0, "mag_per_day": 0.1}
        keys = {"sky_object_id": add_object(store, injected=True), "reference_id": reference.id}
        with store.write() as db:
            db.add(InjectedSource(**keys, **facts, snr=9.0, host=name))

    def hosts(reference):
        with store.read() as db:
            return [each.host for each in sources_of(db, db.get_one(Reference, reference.id))]

    assert hosts(references["a"]) == hosts(references["b"]) == ["a", "b"]
    assert hosts(references["south"]) == ["south"]
    assert hosts(references["far"]) == ["far"]
    assert hosts(on_grid) == ["grid"]


def test_a_worker_that_lost_its_lease_injects_nothing(store):
    from core.frames.commit import commit_frame
    from core.frames.queue import LeaseLost

    reference = add_reference(store)
    add_frames(store, 1)
    lease = claimed(store, lease_s=0.0)
    again = claimed(store)
    outcome = done(reference.id, injected=(drawn(),))
    with pytest.raises(LeaseLost):
        commit_frame(store, lease, outcome, attempts=3, retry_s=0.0)
    commit_frame(store, again, outcome, attempts=3, retry_s=0.0)
    assert queue_count(store) == 1


def test_earlier_frames_measure_it_as_they_do_any_other_object(store):
    first_frame(store)
    _, fake = the_fake(store)
    add_frames(store, 0)  # an earlier night, processed before the source was known
    process(store, done(1, forced_through=0))
    lack = look(store, 2)
    assert fake in [row.id for row in lack.objects]
    assert [each.sky_object_id for each in lack.sources] == [fake]
    add_points(store, 2, [ForcedFacts(fake, 10.0, 90.0)], lack.through)
    assert [point.is_limit for point in read_card(store, fake).light_curve] == [True, False]


def test_recovery_is_told_by_bins_and_below_twenty_not_at_all(store):
    reference = add_reference(store)
    add_frames(store, 1)
    places = [candidate(10 + 3.5 * number, 70, snr=9.5) for number in range(24)]
    found = [drawn(candidate=place, x=place.x) for place in places]
    lost = [drawn(candidate=None, found=False, x=5.0, y=90.0 - 3 * number, snr=5.5) for number in range(24)]
    process(store, done(reference.id, injected=(*found, *lost)))
    cards = queue_page(store).rows
    assert len(cards) == 24
    for number, row in enumerate(cards):
        judge(store, row.candidate_id, Label.REAL if number < 18 else Label.ARTEFACT)
        if number == 18:
            early = recovery.recovery(store)
    (only,) = early.all_judged
    assert (only.low, only.high, only.got.n, only.got.share) == (8.0, 10.0, 19, None)
    told = recovery.recovery(store)
    faint, bright = told.found
    assert (faint.low, faint.got.hits, faint.got.share) == (5.0, 0, 0.0)
    assert (bright.low, bright.got.hits, bright.got.n, bright.got.share) == (8.0, 24, 24, 1.0)
    assert told.all_judged == told.judged["ada"]
    (judged_real,) = told.all_judged
    assert judged_real.got.share == 0.75
    # Wilson (1927) for 18 of 24.
    assert (judged_real.got.low, judged_real.got.high) == pytest.approx((0.551, 0.880), abs=1e-3)
    json.dumps(told.record())
