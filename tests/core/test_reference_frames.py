"""Frames that references are made of: found by their names and times, and not subtracted from themselves."""

import pytest

from core.database.store import Store
from core.frames import references
from core.frames.made_of import holds
from core.frames.observations import register
from core.frames.reference_frames import frames_of, only_itself
from tests.core.frames import add_frames, add_reference, claimed, frame_facts

ONE = {"sources": ("n1.fits",), "mjd_first": 60001.0, "mjd_last": 60001.0}
TWO = {"sources": ("a/n1.fits", "n2.fits"), "mjd_first": 60001.0, "mjd_last": 60002.0, "n_frames": 2}


@pytest.mark.parametrize(
    ("name", "mjd", "is_in"),
    [("n1.fits", 60001.0, True), ("n2.fits", 60002.0, True), ("n1.fits", 60003.0, False),
     ("n3.fits", 60001.5, False), ("n1.fits", None, False)],
)  # fmt: skip
def test_a_coadd_holds_frames_of_its_names_and_times(name: str, mjd: float | None, is_in: bool) -> None:
    assert holds(("a/n1.fits", "n2.fits"), (60001.0, 60002.0), name, mjd) == is_in
    assert not holds(("a/n1.fits", "n2.fits"), (None, None), name, mjd)


def test_a_frame_that_was_added_as_a_reference_is_not_queued(store: Store) -> None:
    add_reference(store, 1, **ONE)
    same, other = register(store, [frame_facts(1), frame_facts(2)])
    assert (same.state, other.state) == ("dropped", "queued")
    assert same.reason == (
        "it is reference 1, and is not subtracted from itself: once another reference serves its place,"
        " `astrid queue retry` queues it"
    )
    (again,) = register(store, [frame_facts(1)])
    assert (again.state, again.new) == ("dropped", False)


@pytest.mark.parametrize("band", ["rp", None])
def test_one_that_serves_another_filter_is_itself_all_the_same(sqlite_store: Store, band: str | None) -> None:
    add_reference(sqlite_store, 1, **ONE, filter=band)
    assert register(sqlite_store, [frame_facts(1)])[0].state == "dropped"


def test_a_frame_is_subtracted_from_another_reference_that_serves_it(sqlite_store: Store) -> None:
    add_reference(sqlite_store, 1, **ONE)
    add_reference(sqlite_store, 2, sources=("deep.fits",), mjd_first=59000.0, mjd_last=59000.0)
    assert register(sqlite_store, [frame_facts(1)])[0].state == "queued"
    references.retire(sqlite_store, 2)
    assert (only_itself(sqlite_store, claimed(sqlite_store).observation) or "").startswith(
        "it is reference 1,"
    )


def test_a_retired_reference_bars_no_frame_and_a_frame_of_a_coadd_is_queued(sqlite_store: Store) -> None:
    references.retire(sqlite_store, add_reference(sqlite_store, 1, **ONE).id or 0)
    assert register(sqlite_store, [frame_facts(1)])[0].state == "queued"
    add_reference(sqlite_store, 2, **TWO)
    assert register(sqlite_store, [frame_facts(2)])[0].state == "queued"


def test_the_frames_of_a_reference_are_found(store: Store) -> None:
    keys = add_frames(store, 1, 2, 3)
    assert [row.id for row in frames_of(store, add_reference(store, 1, **TWO))] == keys[:2]
    assert [row.id for row in frames_of(store, add_reference(store, 2, **ONE))] == keys[:1]
    assert frames_of(store, add_reference(store, 3, sources=("n1.fits",))) == [], "its time is not known"
