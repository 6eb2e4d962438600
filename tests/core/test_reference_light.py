"""Where the light of a transient is in a reference, the verdict that it is real tells so."""

import pytest
from sqlalchemy import Engine, event

from core.database.store import Store
from core.database.tables import SurveyFlux
from core.frames import references
from core.objects.reference_light import holders, seen_meanwhile, told
from core.objects.sphere import zone_of
from core.review.cards import hidden, read_card
from core.review.verdicts import decide
from core.vocabulary import FluxKind, Label
from tests.core.frames import DEC, RA, reference_facts
from tests.core.rows import add_candidate, add_object

A_SUPERNOVA = {
    "ra": RA, "dec": DEC, "review_state": "real", "review_label": "supernova", "first_mjd": 60005.0,
    "last_mjd": 60005.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "is_in_it"),
    [
        ({}, True),
        ({"review_label": "real"}, True),
        ({"first_mjd": 59000.0, "last_mjd": 61000.0}, True),
        ({"first_mjd": 59990.0, "last_mjd": 59999.0}, True),  # last seen a day before its frames
        ({"first_mjd": 59890.0, "last_mjd": 59901.0}, True),
        ({"first_mjd": 59890.0, "last_mjd": 59899.0}, False),  # it faded in a hundred days
        ({"first_mjd": 60011.0, "last_mjd": 60011.0}, False),  # first seen after its frames
        ({"dec": DEC + 0.03}, False),
        ({"review_state": "unreviewed", "review_label": None}, False),
        ({"review_label": "variable"}, False),  # it shines always
        ({"review_label": "moving"}, False),
        ({"moving": True}, False),
        ({"tracklet_id": 7}, False),
        ({"injected": True}, False),
    ],
)
def test_a_reference_holds_the_light_of_transients_that_shone_or_may_have(store, facts, is_in_it) -> None:
    """Asked of the reference as it is made, and of the object as it is judged, it is one answer."""
    row = references.add(store, reference_facts(mjd_first=60000.0, mjd_last=60010.0))
    known = A_SUPERNOVA | facts
    number = add_object(store, "AT1", zone=zone_of(known["dec"]), **known)
    assert seen_meanwhile(store, row) == (["AT1"] if is_in_it else [])
    assert holders(store, [number]) == ([row.id] if is_in_it else [])


@pytest.mark.parametrize(("kind", "is_in_it"), [(FluxKind.DETECTION, True), (FluxKind.LIMIT, False)])
def test_a_reference_holds_the_light_that_a_survey_saw_before_its_alert(
    sqlite_store: Store, kind: FluxKind, is_in_it: bool
) -> None:
    row = references.add(sqlite_store, reference_facts(mjd_first=60000.0, mjd_last=60010.0))
    known = A_SUPERNOVA | {"first_mjd": 60040.0, "last_mjd": 60040.0}
    number = add_object(sqlite_store, "AT1", zone=zone_of(DEC), **known)
    with sqlite_store.write() as session:
        told = {"source": "ztf", "external_id": "1", "flux_err": 9.0, "flux_unit": "nJy"}
        session.add(SurveyFlux(sky_object_id=number, mjd=59998.0, kind=kind, **told))
    assert seen_meanwhile(sqlite_store, row) == (["AT1"] if is_in_it else [])
    assert holders(sqlite_store, [number]) == ([row.id] if is_in_it else [])


@pytest.mark.parametrize("lacks", [{"ra": None, "dec": None, "radius_deg": None}, {"mjd_first": None}])
def test_of_a_reference_without_place_or_time_nothing_is_said(sqlite_store: Store, lacks) -> None:
    whole = {"mjd_first": 60000.0, "mjd_last": 60010.0}
    row = references.add(sqlite_store, reference_facts(**whole | lacks))
    number = add_object(sqlite_store, zone=zone_of(DEC), **A_SUPERNOVA)
    assert seen_meanwhile(sqlite_store, row) == []
    assert holders(sqlite_store, [number]) == []


def test_a_reference_that_is_retired_holds_nothing_back(sqlite_store: Store) -> None:
    row = references.add(sqlite_store, reference_facts(mjd_first=60000.0, mjd_last=60010.0))
    number = add_object(sqlite_store, zone=zone_of(DEC), **A_SUPERNOVA)
    references.retire(sqlite_store, row.id)
    assert holders(sqlite_store, [number]) == []


def test_without_a_wcs_it_is_told_of_the_reference_whose_pixels_tell_the_place(sqlite_store: Store) -> None:
    nowhere = {"ra": None, "dec": None, "radius_deg": None, "mjd_first": 60000.0, "mjd_last": 60010.0}
    own, _ = (references.add(sqlite_store, reference_facts(number, **nowhere)) for number in (1, 2))
    place = {"ra": None, "dec": None, "reference_id": own.id, "x": 5.0, "y": 5.0}
    number = add_object(sqlite_store, **A_SUPERNOVA | place)
    assert holders(sqlite_store, [number]) == [own.id]


def test_a_card_tells_it_once_its_object_was_judged_real_and_to_no_blind_reviewer(
    sqlite_store: Store,
) -> None:
    row = references.add(sqlite_store, reference_facts(mjd_first=60000.0, mjd_last=60010.0))
    number = add_object(sqlite_store, ra=RA, dec=DEC, zone=zone_of(DEC))
    candidate = add_candidate(sqlite_store, number, mjd=60005.0)
    assert read_card(sqlite_store, number).in_references == ()
    decide(sqlite_store, session="s", reviewer="ada", candidate_id=candidate, label=Label.REAL, shown={})
    card = read_card(sqlite_store, number)
    assert card.in_references == (row.id,)
    assert hidden(card, keep="vera").in_references == ()
    assert hidden(card, keep="ada").in_references == (row.id,)


def test_of_many_each_is_held_by_those_that_it_lies_in_and_what_they_were_made_of_is_not_read(
    sqlite_store: Store,
) -> None:
    """Around the pole and where right ascension begins anew; a coadd's list of frames may be long."""
    middles = [(0.01, 0.0), (359.99, 0.0), (120.0, 89.9), (10.0, 0.1)]
    rows = [
        references.add(
            sqlite_store,
            reference_facts(
                number,
                ra=ra,
                dec=dec,
                radius_deg=0.15,
                mjd_first=60000.0 + 300.0 * (number > 2),
                mjd_last=60400.0,
            ),
        )
        for number, (ra, dec) in enumerate(middles, 1)
    ]
    places = [(359.9, 0.01), (300.0, 89.96), (10.0, 0.0), (0.1, 0.12), (180.0, -40.0)]
    objects = [
        add_object(
            sqlite_store, **A_SUPERNOVA | {"ra": ra, "dec": dec, "zone": zone_of(dec), "last_mjd": last}
        )
        for (ra, dec) in places
        for last in (60005.0, 60205.0)
    ]
    said: list[str] = []
    event.listen(Engine, "before_cursor_execute", listener := lambda *given: said.append(given[2]))
    numbers = [row.id for row in rows]
    held = [[numbers.index(each) for each in holders(sqlite_store, [one])] for one in objects]
    together = holders(sqlite_store, objects)
    event.remove(Engine, "before_cursor_execute", listener)
    assert held == [[0, 1], [0, 1], [], [2], [], [3], [0], [0], [], []]
    assert together == numbers
    assert not any("sources" in each for each in said)


def test_it_is_told_with_what_ends_it() -> None:
    assert told([]) == ""
    assert told([4]) == (
        "reference 4 is of frames that may hold its light, and what is subtracted from it lacks that light: "
        "`astrid reference retire 4` ends its use"
    )
    assert told([4, 7], 3).startswith("references 4, 7 are of frames that may hold the light of some of them")
