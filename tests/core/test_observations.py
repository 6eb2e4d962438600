"""A content is registered once; a reference is found for whatever it covers."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation, Reference
from core.frames import references
from core.frames.commit import commit_frame
from core.frames.content import content_hash
from core.frames.observations import register
from core.frames.outcome import FrameOutcome, ObservationFacts
from core.frames.queue import claim
from core.frames.references import choose, covers, missing
from core.objects.sphere import separation_deg
from core.vocabulary import FrameKind, ObservationState
from tests.core.frames import DEC, RA, add_frames, add_reference, claimed, frame_facts


def rows(store: Store) -> list[Observation]:
    with store.read() as session:
        return list(session.exec(select(Observation).order_by(Observation.id)).all())


def written(path: Path, content: bytes, **changes: Any) -> ObservationFacts:
    """A file, and what ingest tells of it."""
    path.write_bytes(content)
    return frame_facts(path=str(path), content=content_hash(path), **{"frame": path.name} | changes)


def test_registering_again_changes_nothing(store: Store) -> None:
    facts = [frame_facts(1), frame_facts(2)]
    first = register(store, facts)
    again = register(store, facts)
    assert [one.new for one in first] == [True, True]
    assert [(one.id, one.state, one.new) for one in again] == [(one.id, "queued", False) for one in first]
    assert [row.frame for row in rows(store)] == ["n1.fits", "n2.fits"]


def test_why_a_frame_is_refused_is_whole_in_the_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    reason = "its header has no date; " + 40 * "nor has it a gain; "
    register(store, [frame_facts(1, state=ObservationState.REJECTED, reason=f"{reason}\x1b[2J")])
    assert caplog.messages == [f"n1.fits registered as rejected: {reason}␛[2J"]


def test_a_header_that_is_read_otherwise_is_believed_where_nothing_was_made_of_the_frame(
    store: Store,
) -> None:
    dark = {"kind": FrameKind.DARK, "state": ObservationState.CALIBRATION}
    lacking = {"mjd": None, "state": ObservationState.REJECTED, "reason": "its header has no date"}
    register(store, [frame_facts(1, filter=None), frame_facts(2, filter=None), frame_facts(3, **lacking)])
    register(store, [frame_facts(4)])
    lease = claimed(store)  # of the first
    assert commit_frame(store, lease, FrameOutcome("rejected", "clouds"), attempts=3, retry_s=0.0)
    again = [frame_facts(1, filter="g"), frame_facts(2, filter="g"), frame_facts(3), frame_facts(4, **dark)]
    told = register(store, again)
    assert [(one.state, one.new) for one in told] == [
        ("rejected", False),
        ("queued", True),
        ("queued", True),
        ("calibration", True),
    ]
    assert [row.filter for row in rows(store)] == [None, "g", again[2].filter, again[3].filter]
    assert rows(store)[2].mjd == again[2].mjd
    assert [one.new for one in register(store, again)] == [False] * 4


def test_every_extension_of_a_file_is_a_frame(store: Store) -> None:
    facts = [frame_facts(1, extension=number, frame=f"n1.fits[{number}]") for number in (1, 2)]
    assert [one.new for one in register(store, facts)] == [True, True]


def test_the_same_content_under_another_name_is_rejected_by_name(store: Store, tmp_path: Path) -> None:
    original = tmp_path / "a.fits"
    facts = written(original, b"one", frame="a.fits")
    copy = replace(facts, path=str(tmp_path / "b.fits"), frame="b.fits")
    first, second = register(store, [facts, copy])
    (third,) = register(store, [copy])
    assert (first.state, first.new) == ("queued", True)
    for told in (second, third):
        assert (told.id, told.frame, told.state, told.new) == (first.id, "b.fits", "rejected", False)
        assert "a.fits" in (told.reason or "")
    assert [row.path for row in rows(store)] == [str(original)]


def test_a_moved_file_is_found_at_its_new_place(store: Store, tmp_path: Path) -> None:
    register(store, [frame_facts(1, path=str(tmp_path / "old.fits"))])
    (told,) = register(store, [frame_facts(1, path=str(tmp_path / "new.fits"), frame="new.fits")])
    assert (told.state, told.reason) == ("queued", None)
    assert [(row.path, row.frame) for row in rows(store)] == [(str(tmp_path / "new.fits"), "new.fits")]


def test_a_frame_whose_name_was_used_again_is_found_where_it_was_archived(
    store: Store, tmp_path: Path
) -> None:
    """The camera begins at 1 every night; what it wrote the night before is copied first."""
    name, archive = tmp_path / "img1.fits", tmp_path / "archive.fits"
    (first,) = register(store, [written(name, b"night 1")])
    (second,) = register(store, [written(name, b"night 2")])
    assert [row.state for row in rows(store)] == ["dropped", "queued"]
    (told,) = register(store, [written(archive, b"night 1")])
    assert (told.id, told.state, told.new) == (first.id, "queued", True)
    assert [(row.id, row.path, row.state, row.reason) for row in rows(store)] == [
        (first.id, str(archive), "queued", None),
        (second.id, str(name), "queued", None),
    ]


def test_a_moved_frame_is_found_though_its_old_name_is_used_again(store: Store, tmp_path: Path) -> None:
    name, archive = tmp_path / "img1.fits", tmp_path / "archive.fits"
    (first,) = register(store, [written(name, b"night 1")])
    name.write_bytes(b"night 2")  # not ingested yet
    (told,) = register(store, [written(archive, b"night 1")])
    assert (told.id, told.state, told.reason) == (first.id, "queued", None)
    assert [row.path for row in rows(store)] == [str(archive)]


def test_of_two_copies_of_a_moved_frame_one_is_it_and_the_other_repeats_it(
    store: Store, tmp_path: Path
) -> None:
    register(store, [written(tmp_path / "old.fits", b"night 1")])
    (tmp_path / "old.fits").unlink()
    one, other = (written(tmp_path / name, b"night 1") for name in ("a.fits", "b.fits"))
    told = register(store, [one, other])
    assert [(each.state, each.new) for each in told] == [("queued", False), ("rejected", False)]
    assert [row.path for row in rows(store)] == [one.path]


def test_a_calibration_frame_that_was_written_over_serves_no_more(store: Store, tmp_path: Path) -> None:
    name = tmp_path / "flat1.fits"
    facts = {"kind": FrameKind.FLAT, "state": ObservationState.CALIBRATION}
    register(store, [written(name, b"flat in R", **facts)])
    register(store, [written(name, b"flat in V", **facts)])
    assert [row.state for row in rows(store)] == ["dropped", "calibration"]
    register(store, [written(name, b"flat in R", **facts)])
    assert [row.state for row in rows(store)] == ["calibration", "dropped"]


def test_many_frames_keep_their_order(store: Store) -> None:
    register(store, [frame_facts(number) for number in range(1200)])
    assert [row.frame for row in rows(store)] == [f"n{number}.fits" for number in range(1200)]


def test_hostile_text_is_kept_and_what_no_database_holds_is_replaced(store: Store) -> None:
    field = "M 31\x1b[2J [/bold] \0 \udcff'; DROP TABLE observation; --"
    (told,) = register(store, [frame_facts(1, field=field)])
    assert told.new
    assert rows(store)[0].field == "M 31\x1b[2J [/bold] \ufffd ?'; DROP TABLE observation; --"


def test_a_path_that_no_database_holds_is_rejected_once(store: Store) -> None:
    facts = frame_facts(1, path="/data/\udcff.fits")
    for _ in range(2):
        (told,) = register(store, [facts])
        assert told.state == "rejected"
        assert "UTF-8" in (told.reason or "")
    assert len(rows(store)) == 1


def test_a_path_that_no_index_holds_is_rejected_until_its_file_is_moved(store: Store) -> None:
    """Random letters: PostgreSQL compresses what repeats. It would have refused the whole batch."""
    folders = np.random.default_rng(1).integers(0x4E00, 0x9FFF, (20, 60))
    path = f"/data/{'/'.join(''.join(map(chr, each)) for each in folders)}.fits"
    for _ in range(2):
        (told,) = register(store, [frame_facts(1, path=path)])
        assert (told.state, told.reason) == ("rejected", "its path has more than 2500 bytes: move it")
    (row,) = rows(store)
    assert path.endswith(row.path)
    (told,) = register(store, [frame_facts(1, path="/data/moved.fits")])
    assert (told.state, rows(store)[0].path) == ("queued", "/data/moved.fits")


def test_a_file_that_was_renamed_as_asked_is_taken(store: Store) -> None:
    register(store, [frame_facts(1, path="/data/\udcff.fits")])
    (told,) = register(store, [frame_facts(1, path="/data/renamed.fits", frame="renamed.fits")])
    assert (told.state, told.reason, told.new) == ("queued", None, True)
    (row,) = rows(store)
    assert (row.path, row.frame, row.state, row.reason) == (
        "/data/renamed.fits",
        "renamed.fits",
        "queued",
        None,
    )


def test_what_could_not_be_read_is_taken_once_it_can_but_not_what_was_judged(store: Store) -> None:
    refused = frame_facts(
        1, width=None, height=None, filter=None, state="rejected", reason="it is no FITS file"
    )
    register(store, [refused])
    assert register(store, [refused])[0].state == "rejected"
    (told,) = register(store, [frame_facts(1)])
    assert (told.state, told.new, rows(store)[0].filter) == ("queued", True, frame_facts(1).filter)
    assert commit_frame(store, claimed(store), FrameOutcome("rejected", "clouds"), attempts=3, retry_s=0.0)
    assert register(store, [frame_facts(1)])[0].reason == "clouds"


def test_a_frame_that_comes_back_has_all_its_attempts_before_it(store: Store, tmp_path: Path) -> None:
    name = tmp_path / "a.fits"
    frame = written(name, b"one")
    register(store, [frame])
    commit_frame(store, claimed(store), FrameOutcome("failed", "a crash"), attempts=1, retry_s=0.0)
    register(store, [written(name, b"two")])
    assert [row.state for row in rows(store)] == ["dropped", "queued"]
    assert register(store, [written(name, b"one")])[0].new
    first, _ = rows(store)
    assert (first.state, first.attempts, first.finished_at) == ("queued", 0, None)
    lease = claimed(store)
    assert (lease.observation_id, lease.attempt) == (first.id, 1)


def test_the_same_reference_is_added_once(store: Store) -> None:
    first, again = add_reference(store, field=None), add_reference(store, field=None)
    other_filter = add_reference(store, filter="g", field=None)
    assert first.id == again.id
    assert other_filter.id != first.id


def a_frame(**changes: Any) -> Observation:
    return Observation(**asdict(frame_facts(1, **changes)), created_at=0.0)


def chosen(store: Store, **changes: Any) -> int | None:
    """The key of the reference that such a frame gets."""
    found = choose(store, a_frame(**changes))
    return found.id if found else None


NO_SKY: dict[str, Any] = {"has_wcs": False, "ra": None, "dec": None, "radius_deg": None}


def test_a_frame_gets_the_newest_reference_of_its_place_and_filter(store: Store) -> None:
    add_reference(store, 1)
    newest = add_reference(store, 2, dec=DEC + 0.001)
    green = add_reference(store, 3, filter="g")
    unfiltered = add_reference(store, 4, filter=None)
    assert chosen(store) == newest.id
    assert chosen(store, filter="g") == green.id
    assert chosen(store, filter=None) == unfiltered.id
    assert chosen(store, filter="R") is None


def test_position_decides_whatever_the_field_is_called(store: Store) -> None:
    here = add_reference(store, 1, field="some other name")
    add_reference(store, 2, ra=RA + 1.0)
    assert chosen(store) == here.id
    assert chosen(store, dec=DEC + 0.019) == here.id
    assert chosen(store, dec=DEC + 0.021) is None


def test_a_detector_of_a_mosaic_gets_its_own_reference(store: Store) -> None:
    # 2:1 detectors beside each other: each centre lies within the other's radius.
    left = add_reference(store, 1, radius_deg=0.0224, field="chip 1")
    right = add_reference(store, 2, radius_deg=0.0224, dec=DEC + 0.02, field="chip 2")
    assert chosen(store, dec=DEC + 0.001) == left.id
    assert chosen(store, dec=DEC + 0.019) == right.id


def test_across_ra_zero_the_distance_is_short(store: Store) -> None:
    reference = add_reference(store, 1, ra=359.995)
    assert chosen(store, ra=0.005) == reference.id


def test_without_a_sky_the_name_and_the_size_decide(store: Store) -> None:
    reference = add_reference(store, 1, field="KB 13475", **NO_SKY)
    assert chosen(store, field="KB 13475", **NO_SKY) == reference.id
    assert chosen(store, field="KB 13475") == reference.id, "one sky is not enough"
    assert chosen(store, field="KB 13475", width=90, **NO_SKY) == reference.id
    assert chosen(store, field="KB 13475", width=70, **NO_SKY) is None
    assert chosen(store, field=None, **NO_SKY) is None


def test_a_reference_found_by_position_comes_before_a_newer_one_found_by_name(store: Store) -> None:
    placed = add_reference(store, 1)
    add_reference(store, 2, **NO_SKY)
    assert chosen(store) == placed.id


def test_a_retired_reference_is_not_chosen_until_it_is_added_again(store: Store) -> None:
    old, new = add_reference(store, 1), add_reference(store, 2)
    assert references.retire(store, new.id or 0)
    assert chosen(store) == old.id
    assert add_reference(store, 2).id == new.id
    assert chosen(store) == new.id
    assert not references.retire(store, 999)


def test_of_each_reference_is_told_which_one_frames_where_it_is_get(store: Store) -> None:
    old, new = add_reference(store, 1), add_reference(store, 2)
    beside = add_reference(store, 3, dec=DEC + 0.019)  # it covers the others, and is not centred on them
    green = add_reference(store, 4, filter="g")
    lost = add_reference(store, 5, filter="z")
    nowhere = [add_reference(store, number, **NO_SKY) for number in (6, 7)]
    references.retire(store, lost.id or 0)
    rows = references.newest_first(store)
    found = references.served_by(rows)
    assert found == {
        old.id: new.id, new.id: new.id, beside.id: beside.id, green.id: green.id, lost.id: None,
        nowhere[0].id: nowhere[1].id, nowhere[1].id: nowhere[1].id,
    }  # fmt: skip
    for row in rows:
        best = choose(store, row)
        assert found[row.id or 0] == (best and best.id)


NEAR = st.one_of(st.none(), st.floats(-0.6, 0.6))
PLACES = st.fixed_dictionaries(
    {
        "ra": NEAR, "dec": NEAR, "radius_deg": st.sampled_from((None, 0.1, 0.4)),
        "field": st.sampled_from((None, "a", "b")), "width": st.sampled_from((100, 110, 200)),
    }
)  # fmt: skip


@given(st.lists(PLACES, min_size=1, max_size=12))
def test_of_many_references_the_same_serves_as_if_each_were_looked_at(places: list[dict[str, Any]]) -> None:
    rows = [_elsewhere(1 + i, **each) for i, each in enumerate(places)]
    rows[0].is_current = len(rows) % 2 == 0
    current = [row for row in rows if row.is_current]
    found = references.served_by(rows)
    for row in rows:
        best = min((_rank(one, row) for one in current if covers(one, row)), default=None)
        assert found[row.id or 0] == (best and -best[2])


def _rank(one: Reference, placed: Reference) -> tuple[bool, int, int]:
    """By position before by name, then the best centred in steps of a quarter radius, then the newest."""
    if None in (one.ra, one.dec, placed.ra, placed.dec):
        return True, 0, -one.id
    distance = float(separation_deg(one.ra, one.dec, placed.ra, placed.dec))
    return False, round(4 * distance / (one.radius_deg or 1.0)), -one.id


def _elsewhere(number: int, **facts: Any) -> Reference:
    size = {"width": 100, "height": 100}
    return Reference(id=number, filter="r", is_current=True, path="x", **size | facts)


def test_frames_wait_for_a_reference_and_come_back_when_it_is_there(store: Store) -> None:
    here, there = add_frames(store, 1), add_frames(store, 2, ra=RA + 5.0)
    for _ in range(2):
        lease = claimed(store)
        outcome = FrameOutcome(state="waiting", reason=missing(store, lease.observation))
        assert commit_frame(store, lease, outcome, attempts=1, retry_s=60.0).state == "waiting"
    assert claim(store, "me", 60) is None
    assert "M 31, filter r" in (rows(store)[0].reason or "")

    add_reference(store, 1, filter="g")
    assert claim(store, "me", 60) is None
    add_reference(store, 2)
    lease = claimed(store)
    assert ([lease.observation.id], lease.attempt, lease.observation.reason) == (here, 1, None)
    assert claim(store, "me", 60) is None
    assert [row.id for row in rows(store) if row.state == "waiting"] == there


def test_a_reference_that_came_while_the_frame_looked_for_one_is_not_missed(store: Store) -> None:
    (key,) = add_frames(store, 1)
    lease = claimed(store)
    assert choose(store, lease.observation) is None
    add_reference(store)
    outcome = FrameOutcome(state="waiting", reason=missing(store, lease.observation))
    assert commit_frame(store, lease, outcome, attempts=1, retry_s=60.0).state == "queued"
    again = claimed(store)
    assert (again.observation.id, again.attempt, again.observation.reason) == (key, 1, None)


def test_a_frame_of_unknown_size_is_not_matched_by_name() -> None:
    reference = Reference(
        content="", path="", width=100, height=100, has_wcs=False, chosen="", field="M 31", filter="r",
        created_at=0.0,
    )  # fmt: skip
    assert covers(reference, a_frame())
    assert not covers(reference, a_frame(height=None))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            {"field": None, "filter": None},
            "no reference for its field, no filter (where its header has one, [camera] keywords names it)",
        ),
        ({}, "field M 31, filter r"),
    ],
)
def test_the_reason_to_wait_says_what_is_missing(
    sqlite_store: Store, frame: dict[str, Any], words: str
) -> None:
    said = missing(sqlite_store, a_frame(**frame))
    assert said.endswith(f"{words}: add one with `astrid reference add`")


def test_the_reason_to_wait_names_the_references_that_its_place_has(store: Store) -> None:
    """The header of the frame says r', that of the reference r; one elsewhere or retired is of no use."""
    for number, band in enumerate(("r", "g", None, "r"), start=1):
        add_reference(store, number, filter=band, n_frames=5 - number, sources=(f"of {number}.fits",))
    add_reference(store, 5, filter="i", ra=RA + 5.0)
    references.retire(store, add_reference(store, 6, filter="z").id or 0)
    frame = a_frame(filter="r'")
    there = "no reference for field M 31, filter r'; of its place there is reference "
    assert missing(store, frame) == (
        f"{there}3 without a filter, 2 in filter g, 4 in filter r: where 4 was taken in that filter, `astrid "
        "reference add 'of 4.fits' --filter 'r'\"'\"''` makes it serve these frames; else add or build one "
        "in filter r'"
    )
    references.retire(store, 4)
    assert missing(store, frame) == (
        f"{there}3 without a filter, 2 in filter g, 1 in filter r: add or build one in filter r'"
    ), "a coadd is not added by its file"
    assert missing(store, a_frame(filter=None, field="M 33", ra=None, dec=None, has_wcs=False)).endswith(
        "names it): add one with `astrid reference add`"
    ), "it lies elsewhere"


def test_a_frame_without_a_filter_is_told_what_its_place_has(sqlite_store: Store) -> None:
    add_reference(sqlite_store, 1, filter="g")
    assert missing(sqlite_store, a_frame(filter=None)).endswith(
        "names it); of its place there is reference 1 in filter g: add one whose header names no filter with "
        "`astrid reference add`"
    )
