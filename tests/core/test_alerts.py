"""Alerts in the store: each candid once, on the object of its place, with its history."""

from dataclasses import replace

import numpy as np
import pytest
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Candidate, Cutout, SkyObject, SurveyFlux, SurveyObject
from core.objects.association import Place, associate, lock
from core.objects.detail import ObjectError, read_object
from core.objects.told_detections import told_first
from core.review.candidates import page, show
from core.review.cards import read_card
from core.review.cutouts import Cutouts, pack
from core.review.export import values_of
from core.review.real_rows import real_candidates as exported
from core.review.verdicts import decide
from core.review.waiting import queue_page
from core.surveys.alert import AlertFacts, FluxFacts
from core.surveys.register import register_alerts
from core.vocabulary import FluxKind, Label, ReviewState

ARCSEC = 1.0 / 3600.0


def stamps(side: int, seed: int = 1) -> bytes:
    """Cutouts of noise, as the store keeps them."""
    new, ref, diff = np.random.default_rng(seed).normal(size=(3, side, side)).astype(np.float32)
    return pack(Cutouts(new, ref, diff))


PIXELS = stamps(63)


def alert(candid: object = 1, **facts) -> AlertFacts:
    values = {
        "source": "ztf", "external_id": str(candid), "object_id": f"ZTF{candid}", "mjd": 60000.5, "ra": 150.0,
        "dec": 2.0, "radius_deg": ARCSEC, "snr": 9.0, "filter": "r", "flux": 900.0, "flux_err": 100.0,
        "flux_unit": "nJy", "mag": 24.0, "mag_err": 0.12, "mag_system": "ab", "scores": {"ztf:drb": 0.9},
        "cutouts": PIXELS,
    }  # fmt: skip
    return AlertFacts(**values | facts)


def epoch(name: str, mjd: float, kind: FluxKind = FluxKind.LIMIT, **facts) -> FluxFacts:
    values = {"flux": None, "flux_err": 20.0} | facts
    return FluxFacts(name, kind, mjd, "r", **values)


def states(store: Store, *alerts: AlertFacts) -> list[str]:
    return [each.state for each in register_alerts(store, alerts)]


def objects(store: Store) -> list[tuple[str, int]]:
    with store.read() as session:
        rows = session.exec(select(SkyObject).order_by(col(SkyObject.id))).all()
    return [(row.name, row.n_candidates) for row in rows]


def test_an_alert_is_a_candidate_without_a_difference(store: Store) -> None:
    (done,) = register_alerts(store, [alert(7, frame="a.fits", x_frame=3.0, features={"ztf:fwhm": 2.0})])
    assert (done.state, done.reason) == ("new", None)
    with store.read() as session:
        row = session.get_one(Candidate, done.candidate_id)
        kept = session.get_one(Cutout, done.candidate_id)
    assert (row.source, row.external_id, row.difference_id, row.observation_id) == ("ztf", "7", None, None)
    assert (row.snr, row.score, row.flux, row.flux_unit, row.mag) == (9.0, 9.0, 900.0, "nJy", 24.0)
    assert (row.scores, row.features) == ({"ztf:drb": 0.9}, {"ztf:fwhm": 2.0})
    assert (row.frame, row.x, row.x_frame, row.is_current) == ("a.fits", None, 3.0, True)
    assert kept.pixels == PIXELS
    assert objects(store) == [("ZTF7", 1)]


def test_the_queue_is_ordered_by_significance_whatever_the_sign_and_the_surveys_score(store: Store) -> None:
    register_alerts(store, [
        alert(1, snr=9.0, scores={"ztf:drb": 1.0}),
        alert(2, snr=-30.0, ra=151.0, scores={"ztf:drb": 0.0}),
    ])  # fmt: skip
    assert [(row.name, row.score, row.snr) for row in queue_page(store).rows] == [
        ("ZTF2", 30.0, -30.0), ("ZTF1", 9.0, 9.0),
    ]  # fmt: skip


def test_an_alert_that_comes_again_changes_nothing(store: Store) -> None:
    history = (epoch("limit.1", 59999.5), epoch("2", 59998.5, FluxKind.DETECTION, flux=300.0))
    first = alert(1, history=history)
    again = replace(first, flux=900.00001, snr=9.0000001)  # as a broker rounds it
    assert states(store, first, again) == ["new", "known"]
    assert states(store, again, again) == ["known", "known"]
    with store.read() as session:
        assert len(session.exec(select(SurveyFlux)).all()) == 2
        assert len(session.exec(select(Candidate)).all()) == 1
    assert objects(store) == [("ZTF1", 1)]


def test_an_alert_that_was_rounded_across_the_seam_is_the_same(sqlite_store: Store) -> None:
    first = alert(1, ra=359.99999996)
    assert states(sqlite_store, first, replace(first, ra=0.0)) == ["new", "known"]
    assert states(sqlite_store, replace(first, ra=360.0), replace(first, ra=0.00001)) == ["known", "refused"]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"mjd": 60001.5}, "another mjd (60000.5, not 60001.5)"),
        ({"ra": 150.1}, "another ra"),
        ({"snr": -9.0}, "another snr (9.0, not -9.0)"),
        ({"mag": 20.0}, "another mag (24.0, not 20.0)"),
        ({"flux_err": None}, "another flux_err (100.0, not None)"),
        ({"filter": "g"}, "another filter (r, not g)"),
        ({"scores": {"ztf:drb": 0.1}}, "another ztf:drb (0.9, not 0.1)"),
        ({"cutouts": stamps(63, 2)}, "other cutouts"),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_one_candid_with_two_contents_keeps_the_first(sqlite_store, facts, told, together) -> None:
    first, other = alert(1), alert(1, history=(epoch("limit.1", 59999.5),), **facts)
    if together:
        _, refused = register_alerts(sqlite_store, [first, other])
    else:
        register_alerts(sqlite_store, [first])
        (refused,) = register_alerts(sqlite_store, [other])
    assert refused.state == "refused"
    assert refused.reason is not None
    assert refused.reason.startswith("the ztf alert 1 is known with " + told)
    assert refused.reason.endswith("the first stays")
    (row,) = page(sqlite_store).rows
    assert (row["mjd"], row["mag"], row["scores"]) == (60000.5, 24.0, {"ztf:drb": 0.9})
    with sqlite_store.read() as session:
        assert session.exec(select(SurveyFlux)).all() == []


def test_a_packet_may_complete_what_the_first_one_lacked(store: Store) -> None:
    bare = alert(1, cutouts=None)
    assert states(store, bare) == ["new"]
    assert states(store, alert(1, history=(epoch("limit.1", 59999.5),))) == ["known"]
    assert states(store, bare) == ["known"]
    with store.read() as session:
        assert [row.pixels for row in session.exec(select(Cutout))] == [PIXELS]
        assert len(session.exec(select(SurveyFlux)).all()) == 1


def test_an_alert_comes_again_after_its_cutouts_were_set_to_another_size(store: Store) -> None:
    assert states(store, alert(1), alert(2, ra=151.0)) == ["new"] * 2
    smaller = stamps(41)
    assert states(store, alert(1, cutouts=smaller), alert(2, ra=151.0, cutouts=smaller)) == ["known"] * 2
    assert states(store, alert(1, cutouts=smaller, mag=20.0)) == ["refused"]
    with store.read() as session:
        assert [row.pixels for row in session.exec(select(Cutout))] == [PIXELS] * 2


@pytest.mark.parametrize("damaged", [PIXELS[:2000], b"rubbish"])
def test_cutouts_that_are_damaged_in_the_store_come_again_with_their_packet(store: Store, damaged) -> None:
    assert states(store, alert(1), alert(2, ra=151.0)) == ["new"] * 2
    with store.write() as session:
        session.exec(select(Cutout).order_by(col(Cutout.candidate_id))).first().pixels = damaged
    problem = read_card(store, read_object(store, "ZTF1").object.id).cutouts_problem
    assert problem == (
        "The store's copy of the images is damaged: `astrid ingest` of its packet brings them again."
    )
    assert states(store, alert(1, mag=20.0)) == ["refused"]
    assert states(store, alert(1, cutouts=None), alert(1), alert(2, ra=151.0)) == ["known"] * 3
    with store.read() as session:
        assert [row.pixels for row in session.exec(select(Cutout))] == [PIXELS] * 2
    assert read_card(store, read_object(store, "ZTF1").object.id).cutouts_problem is None


def test_the_same_number_of_two_surveys_is_two_alerts(store: Store) -> None:
    assert states(store, alert(1), alert(1, source="winter", object_id="WNTR1", mjd=60001.5)) == ["new"] * 2
    assert objects(store) == [("ZTF1", 2)]
    assert read_object(store, "WNTR1").object.name == "ZTF1"


def test_an_alert_and_our_own_detection_of_one_place_are_one_object(store: Store) -> None:
    with store.write() as session:
        lock(session)
        (own,), _ = associate(session, [Place(0, 0, 1, 150.0, 2.0 + 0.8 * ARCSEC, ARCSEC)], None)
    register_alerts(store, [alert(1), alert(2, dec=2.0 - 0.3 * ARCSEC, mjd=60001.5)])
    assert [name for name, _ in objects(store)] == ["AID J100000.00+020000.8", "ZTF2"]
    assert read_object(store, "ZTF1").object.id == own
    with store.write() as session:
        lock(session)
        found, new = associate(session, [Place(0, 0, 1, 150.0, 2.0 - 0.3 * ARCSEC, ARCSEC)], None)
    assert (found, new) == ([read_object(store, "ZTF2").object.id], 0)


def test_an_alert_never_joins_an_injected_source(store: Store) -> None:
    with store.write() as session:
        lock(session)
        associate(session, [Place(0, 0, 1, 150.0, 2.0, ARCSEC, injected=True)], None)
    register_alerts(store, [alert(1)])
    assert objects(store)[-1] == ("ZTF1", 1)


@pytest.mark.parametrize("together", [True, False])
def test_two_alerts_of_one_exposure_are_two_objects_and_of_two_exposures_one(store, together) -> None:
    near = [alert(1), alert(2, dec=2.0 + 0.5 * ARCSEC), alert(3, dec=2.0 + 0.2 * ARCSEC, mjd=60001.5)]
    for batch in [near] if together else [[each] for each in near]:
        register_alerts(store, batch)
    assert objects(store) == [("ZTF1", 2), ("ZTF2", 1)]


def test_a_surveys_name_holds_its_alerts_together_beyond_the_radius_but_not_across_the_sky(store) -> None:
    register_alerts(store, [alert(1, object_id="ZTFa")])
    register_alerts(store, [
        alert(2, object_id="ZTFa", dec=2.0 + 1.4 * ARCSEC, mjd=60001.5),
        alert(3, object_id="ZTFa", dec=2.1, mjd=60002.5),
        alert(4, object_id="ZTFa", dec=2.0 + 2.0 * ARCSEC, mjd=60003.5),
    ])  # fmt: skip
    assert objects(store) == [("ZTFa", 3), ("ZTFab", 1)]
    assert read_object(store, "ZTFa").object.n_candidates == 3


def test_alerts_far_apart_and_at_the_seam_find_their_objects(store: Store) -> None:
    places = [(359.99995, 0.0), (0.0001, 89.9999), (180.0, -89.99999), (10.0, -0.00001), (200.0, 45.0)]
    first = [alert(i, ra=ra, dec=dec, object_id=None) for i, (ra, dec) in enumerate(places)]
    later = [
        alert(10 + i, ra=(ra + 0.0001) % 360.0, dec=dec, mjd=60001.5, object_id=None)
        for i, (ra, dec) in enumerate(places)
    ]
    register_alerts(store, first)
    register_alerts(store, later)
    assert [count for _, count in objects(store)] == [2] * 5


def test_numbers_alone_are_named_after_their_survey(store: Store) -> None:
    register_alerts(store, [alert(1, source="rubin", object_id="170028485706776685")])
    assert objects(store) == [("RUBIN 170028485706776685", 1)]
    for name in ("RUBIN 170028485706776685", "170028485706776685", "1"):
        assert read_object(store, name).object.id == 1
    register_alerts(store, [alert(2, source="rubin", object_id=None, ra=20.0)])
    assert objects(store)[-1] == ("AID J012000.00+020000.0", 1)


def test_text_that_no_database_holds_is_made_fit(store: Store) -> None:
    odd = alert("a\0b\ud800", object_id="\x1b[31m\0\ud800", filter="r\0", scores={"ztf:\0": 1.0})
    assert states(store, odd, odd) == ["new", "known"]
    assert states(store, odd) == ["known"]
    assert objects(store) == [("\x1b[31m\N{REPLACEMENT CHARACTER}?", 1)]


def test_a_snoozed_object_wakes_for_a_later_alert_only(store: Store) -> None:
    (done,) = register_alerts(store, [alert(1)])
    decide(store, session="s", reviewer="ada", candidate_id=done.candidate_id, label=Label.SNOOZE, shown={})
    state = lambda: read_object(store, "ZTF1").object.review_state  # noqa: E731
    register_alerts(store, [alert(2, mjd=59990.5)])
    assert state() == ReviewState.SNOOZED
    register_alerts(store, [alert(3, mjd=60010.5)])
    assert state() == ReviewState.UNREVIEWED


def test_more_than_one_batch_is_all_of_them_in_order(sqlite_store: Store) -> None:
    many = [alert(i, ra=i * 0.01) for i in range(250)]
    done = register_alerts(sqlite_store, many)
    assert [each.state for each in done] == ["new"] * 250
    with sqlite_store.read() as session:
        names = [session.get_one(Candidate, each.candidate_id).external_id for each in done]
    assert names == [str(i) for i in range(250)]
    assert register_alerts(sqlite_store, []) == []


# -- history and light curve -----------------------------------------------------------------------


def curve(store: Store, name: str = "ZTF1") -> list[tuple[float, str, bool]]:
    return [(point.mjd, point.kind, point.is_limit) for point in read_object(store, name).light_curve]


def test_later_packets_repeat_history_and_each_epoch_is_one_point(store: Store) -> None:
    old = epoch("limit.1", 59990.5)
    first = alert(11, object_id="ZTF1", history=(old,))
    second = alert(
        12, object_id="ZTF1", mjd=60001.5,
        history=(old, epoch("11", 60000.5, FluxKind.DETECTION, flux=900.0), epoch("limit.2", 60000.9)),
    )  # fmt: skip
    expected = [
        (59990.5, "limit", True), (60000.5, "detection", False), (60000.9, "limit", True),
        (60001.5, "detection", False),
    ]  # fmt: skip
    register_alerts(store, [second])  # the later one may come first
    assert curve(store) == expected
    register_alerts(store, [first])
    assert curve(store) == expected
    points = read_object(store, "ZTF1").light_curve
    assert [point.candidate_id for point in points] == [None, 2, None, 1]


def test_what_a_survey_takes_back_later_is_no_point_any_more_and_no_earlier_packet_brings_it_again(
    store: Store,
) -> None:
    told = [epoch("5", 59990.5, FluxKind.DETECTION, flux=300.0), epoch("forced.2", 59991.5, FluxKind.FORCED)]
    told = [replace(each, flux=300.0) for each in told]
    taken_back = [replace(each, kind=FluxKind.WITHDRAWN) for each in told]
    first = alert(11, object_id="ZTF1", history=tuple(told))
    of_first = epoch("11", 60000.5, FluxKind.WITHDRAWN)
    second = alert(12, object_id="ZTF1", mjd=60001.5, history=(*taken_back, of_first))
    register_alerts(store, [first])
    assert [mjd for mjd, *_ in curve(store)] == [59990.5, 59991.5, 60000.5]
    with store.read() as session:
        assert told_since(session) == 59990.5
    for again in (second, first, second):
        register_alerts(store, [again])
        assert curve(store) == [(60001.5, "detection", False)]
    with store.read() as session:
        assert told_since(session) is None


@pytest.mark.parametrize("late", [False, True], ids=["taken back later", "comes after it was taken back"])
def test_what_a_survey_takes_back_leaves_the_queue_and_its_card_says_so(store: Store, late) -> None:
    kept = alert(11, object_id="ZTF1", source="rubin", snr=9.0)
    bad = alert(12, object_id="ZTF1", source="rubin", snr=30.0, mjd=60001.5)
    only = alert(21, object_id="ZTF2", source="rubin", ra=170.0)
    other = alert(22, object_id="ZTF2", source="rubin", ra=170.0, mjd=60002.5, snr=5.0, history=(
        epoch("21", 60000.5, FluxKind.WITHDRAWN),
    ))  # fmt: skip
    told = alert(13, object_id="ZTF1", source="rubin", mjd=60002.5, snr=7.0, history=(
        epoch("12", 60001.5, FluxKind.WITHDRAWN),
    ))  # fmt: skip
    register_alerts(store, [kept, told, bad] if late else [kept, bad])
    register_alerts(store, [told, only, other])
    assert [(row["alert_id"], row["snr"]) for row in page(store).rows] == [
        ("rubin:11", 9.0), ("rubin:13", 7.0), ("rubin:22", 5.0)
    ]  # fmt: skip
    assert objects(store) == [("ZTF1", 2), ("ZTF2", 1)]
    with store.read() as session:
        query = select(Candidate).where(col(Candidate.is_current).is_(False))
        rows = {row.external_id: row.id or 0 for row in session.exec(query)}
    assert set(rows) == {"12", "21"}, "nothing is deleted"
    assert show(store, rows["12"])["taken_back_by"] == "rubin"
    card = read_card(store, 1)
    assert (card.candidate["alert_id"], card.taken_back_by) == ("rubin:11", None), "the best of what is left"


def told_since(session) -> float | None:
    """The first detection that a packet of the one object told."""
    (key,) = session.exec(select(SkyObject.id)).all()
    return told_first(session, [key]).get(key)


def test_of_one_exposure_the_detection_counts_then_the_forced_flux_then_the_limit(store: Store) -> None:
    history = (
        epoch("limit.1", 59990.5), epoch("forced.1", 59990.5, FluxKind.FORCED, flux=-200.0),
        epoch("forced.2", 59991.5, FluxKind.FORCED, flux=50.0),
        epoch("forced.0", 60000.5, FluxKind.FORCED, flux=1.0),
        epoch("9", 59992.5, FluxKind.DETECTION, flux=60.0), epoch("limit.9", 59992.5),
    )  # fmt: skip
    register_alerts(store, [alert(1, history=history)])
    assert curve(store) == [
        (59990.5, "forced", False), (59991.5, "forced", True), (59992.5, "detection", False),
        (60000.5, "detection", False),
    ]  # fmt: skip
    forced, limit, seen, shown = read_object(store, "ZTF1").light_curve
    assert (forced.flux, forced.mag) == (-200.0, pytest.approx(31.4 - 2.5 * 2.30103, abs=1e-4))
    assert limit.mag == pytest.approx(31.4 - 5.0)  # five times 20 nJy
    assert (seen.source, seen.candidate_id, shown.source, shown.candidate_id) == ("ztf", None, "ztf", 1)


def test_a_card_shows_an_alert_with_its_curve_and_export_keeps_it(store: Store) -> None:
    (done,) = register_alerts(store, [alert(1, history=(epoch("limit.1", 59999.5),), cutouts=None)])
    card = read_card(store, read_object(store, "ZTF1").object.id or 0)
    assert (card.name, card.candidate["source"], card.candidate["method"]) == ("ZTF1", "ztf", None)
    assert card.scores == {"ztf:drb": 0.9}
    assert [point.is_limit for point in card.light_curve] == [True, False]
    assert card.frame.seeing_px is None
    assert show(store, done.candidate_id)["light_curve"][0]["source"] == "ztf"
    (row,) = exported(store)
    assert (values_of(row)["source"], values_of(row)["object"]) == ("ztf", "ZTF1")


def test_candidates_are_found_by_source_and_by_any_name_of_their_object(store: Store) -> None:
    register_alerts(
        store, [alert(1), alert(2, source="atlas", object_id="120", mjd=60001.5), alert(3, ra=1.0)]
    )
    found = lambda filters: sorted(row["id"] for row in page(store, filters=filters).rows)  # noqa: E731
    assert found("source:atlas") == [2]
    assert found("object:120") == [1, 2]
    assert found("object:ztf3") == [3]


def test_what_is_no_object_is_a_clear_error(store: Store) -> None:
    with pytest.raises(ObjectError, match="no object 'ZTF\N{SYMBOL FOR ESCAPE}9'"):
        read_object(store, "ZTF\x1b9")
    register_alerts(store, [alert(1, object_id="7"), alert(2, source="atlas", object_id="same", ra=1.0)])
    with store.write() as session:
        session.add(SurveyObject(source="ztf", external_id="same", sky_object_id=2))
    with pytest.raises(ObjectError, match="name of 2 objects: 1, 2"):
        read_object(store, "same")
    with pytest.raises(ObjectError, match="no object"):
        read_object(store, str(2**40))
