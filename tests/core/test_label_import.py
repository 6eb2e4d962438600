"""Verdicts from another vetting tool: how rows are read, which candidate each is of, and what is stored."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

import core.review.label_file
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Tracklet, Verdict
from core.objects.sphere import zone_of
from core.review.chain import verify
from core.review.export import write_csv
from core.review.label_file import Asked, LabelFileRefused, UnclearRow, UnknownWord, read_labels
from core.review.label_import import BATCH, Fate, Reach, bring, plan
from core.review.pace import pace
from core.review.real_rows import real_candidates
from core.review.retractions import undo
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_object

ARCSEC = 1 / 3600
REACH = Reach(ARCSEC, 2.0)


def quietly(_done: int, _total: int, _what: str) -> None:
    pass


def file_of(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    return path


def planned(store: Store, tmp_path: Path, text: str, words=None):
    return plan(
        store, read_labels(file_of(tmp_path, text), words or {}), reviewer="vera", reach=REACH, report=quietly
    )


def brought(store: Store, tmp_path: Path, text: str, report=quietly):
    labels = read_labels(file_of(tmp_path, text), {})
    rows = plan(store, labels, reviewer="vera", reach=REACH, report=quietly)
    return bring(store, rows, sha256=labels.sha256, session_of=lambda who: f"cli-{who}", report=report)


def fates(rows) -> list[Fate]:
    return [row.fate for row in rows]


def verdicts(store: Store) -> list[Verdict]:
    with store.read() as db:
        return list(db.scalars(select(Verdict).order_by(col(Verdict.id))))


def at(ra: float, dec: float, **more):
    return {"ra": ra, "dec": dec, "zone": zone_of(dec)} | more


def test_three_kinds_of_files_say_the_same(tmp_path: Path) -> None:
    said = Asked(
        2, 7, "ztf:9", (10.5, -3.25), 60001.5, "a.fits[1]", (3.0, 4.5), Label.COSMIC_RAY, "eve", "odd, this",
        ("hot",),
    )  # fmt: skip
    names = "id,alert_id,ra,dec,mjd,frame,x,y,verdict,reviewer,note,tags"
    row = '7,ztf:9,10.5,-3.25,60001.5,/data/a.fits[1],3,4.5,Cosmic_Ray,eve,"odd, this",#hot'
    ecsv = (
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\n# schema: astropy-2.0\n"
        f"{names.replace(',', ' ')}\n"
        '7 ztf:9 10.5 -3.25 60001.5 "/data/a.fits[1]" 3 4.5 "cosmic ray" eve "odd, this" hot\n'
    )
    as_json = {
        "Candidate": 7, "candid": "ztf:9", "RA": "00:42:00", "dec": -3.25, "mjd": 60001.5,
        "frame": "a.fits[1]", "x_frame": 3, "y_frame": 4.5, "label": "cosmic-ray", "user": "eve",
        "note": "odd, this", "tags": ["hot"],
    }  # fmt: skip
    for text, line in (
        (f"\ufeff{names}\r\n{row}\r\n", 2),
        (ecsv, 7),
        (f"\n{json.dumps(as_json)}\n", 2),
        (f"# of another tool\n{names}\n{row}\n".replace(",", "\t").replace("odd\t", "odd,"), 3),
    ):
        ((number, found),) = read_labels(file_of(tmp_path, text), {}).rows
        assert number == line
        assert found == Asked(line, *[getattr(said, name) for name in Asked.__slots__[1:]])


@pytest.mark.parametrize(("written", "number"), [("12.0", 12), ("12.", 12), ("12.000", 12), ("120", 120)])
def test_a_number_is_read_as_spreadsheets_write_it(tmp_path: Path, written: str, number: int) -> None:
    ((_, found),) = read_labels(file_of(tmp_path, f"id,verdict\n{written},real\n"), {}).rows
    assert found.candidate == number


def test_ecsv_as_astropy_writes_it_is_read(tmp_path: Path) -> None:
    from astropy.table import Table

    table = Table({"id": [1, 2], "verdict": ["real", "cosmic-ray"], "note": ["", 'a "b" c']})
    for delimiter in (" ", ","):
        table.write(tmp_path / "a.ecsv", delimiter=delimiter, overwrite=True)
        rows = [row for _, row in read_labels(tmp_path / "a.ecsv", {}).rows]
        assert [(row.candidate, row.label, row.note) for row in rows] == [
            (1, Label.REAL, None),
            (2, Label.COSMIC_RAY, 'a "b" c'),
        ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("12.5,,,,,,real", "'12.5' is no candidate's number"),
        (".0,,,,,,real", "'.0' is no candidate's number"),
        ("1e3,,,,,,real", "'1e3' is no candidate's number"),
        ("99999999999,,,,,,real", "no candidate's number"),
        (",ten,2,,,,real", "'ten' is no coordinate"),
        (",400,2,,,,real", "right ascension is 0 to below 360"),
        (",nan,2,,,,real", "no coordinate"),
        (",,,a.fits,1,inf,real", "its y, 'inf', is no number"),
        (",,,a.fits,1,,real", "neither a candidate, nor an alert, nor ra and dec, nor frame, x and y"),
        (",,,,1,2,real", "it tells neither a candidate"),
        ("1,,,,,,maybe\x1b[31m", "'maybe␛[31m' is no verdict"),
        ("1,,,,,,r", "'r' is no verdict"),
        ("1,,real", "it has 3 cells, and there are 7 names"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_and_the_rest_goes_on(
    tmp_path: Path, row: str, reason: str
) -> None:
    text = f"id,ra,dec,frame,x,y,verdict\n{row}\n5,,,,,,real\n6,,,,,,\n"
    (line, refused), (_, good), (_, empty) = read_labels(file_of(tmp_path, text), {}).rows
    assert line == 2
    assert isinstance(refused, UnclearRow)
    assert reason in str(refused).replace("\x1b", "␛")
    assert isinstance(refused, UnknownWord) == ("no verdict" in reason)
    assert good.candidate == 5
    assert empty is None


def test_words_of_the_other_tool_are_those_that_were_told(tmp_path: Path) -> None:
    text = "id,class\n1,Bad Subtraction\n2,real\n"
    found = read_labels(
        file_of(tmp_path, text), {"bad-subtraction": Label.POOR_SUBTRACTION, "real": Label.SUPERNOVA}
    )
    assert [row.label for _, row in found.rows] == [Label.POOR_SUBTRACTION, Label.SUPERNOVA]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line of names"),
        ("# only this\n\n", "no line of names"),
        ("id,ra\n1,2\n", "no column of verdicts"),
        ("ra,verdict\n1,real\n", "no column that tells a candidate"),
        ('id,verdict\n1,"' + "x" * 200_000, r"line 2: field larger"),
        ("a\0b", "no text"),
    ],
)
def test_a_file_without_labels_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(LabelFileRefused, match=reason):
        read_labels(file_of(tmp_path, text), {})
    with pytest.raises(LabelFileRefused, match="cannot read"):
        read_labels(tmp_path, {})


@given(st.text(max_size=200), st.sampled_from(["", "id,verdict\n", "id,ra,dec,verdict,note,tags\n", "{"]))
def test_no_text_breaks_the_reader(tmp_path_factory, text: str, head: str) -> None:
    path = file_of(tmp_path_factory.getbasetemp(), head + text, "any")
    try:
        rows = read_labels(path, {}).rows
    except LabelFileRefused:
        return
    assert all(isinstance(row, Asked | UnclearRow | None) for _, row in rows)


def test_what_json_can_hide_is_unclear(tmp_path: Path) -> None:
    lines = [
        '{"id": true, "verdict": "real"}', '{"id": 1, "verdict": {"a": 1}}', "[1]", '{"id": 1', "[" * 100_000,
        '{"id": ' + "9" * 5000 + ', "verdict": "real"}', '{"id": 1, "verdict": "real", "tags": [["a b"]]}',
        '{"id": 1.5, "verdict": "real"}', '{"id": 1, "verdict": "real", "note": "' + "x" * 5000 + '"}',
        '{"id": 1, "verdict": "real", "reviewer": "' + "x" * 300 + '"}',
    ]  # fmt: skip
    rows = [row for _, row in read_labels(file_of(tmp_path, '{"id": 1}\n' + "\n".join(lines)), {}).rows]
    assert rows[0] is None
    assert len(rows) == len(lines) + 1
    assert all(isinstance(row, UnclearRow) for row in rows[1:])


def test_a_place_on_the_sky_is_the_candidate_nearby(store: Store, tmp_path: Path) -> None:
    near, edge = add_candidate(store, **at(0.0001, 40.0)), add_candidate(store, **at(10.0, 89.9999))
    rows = planned(
        store,
        tmp_path,
        "ra,dec,verdict\n359.99999,40.0,real\n190,89.9999,dipole\n200,-5,real\n0.0001,40.0004,real\n",
    )
    assert fates(rows) == [Fate.NEW, Fate.NEW, Fate.UNMATCHED, Fate.UNMATCHED]
    assert [row.candidate for row in rows] == [near, edge, None, None]


def test_mjd_and_frame_tell_one_of_several_detections(store: Store, tmp_path: Path) -> None:
    thing = add_object(store)
    one = add_candidate(store, thing, **at(10.0, 20.0), mjd=60000.0, frame="A.fits", score=0.5)
    two = add_candidate(store, thing, **at(10.0, 20.0), mjd=60000.01, frame="b.fits", score=0.9)
    old = add_candidate(store, thing, **at(10.0, 20.0), mjd=60000.0, score=0.1)
    with store.write() as db:  # a newer version of its difference superseded it
        db.get_one(Candidate, old).is_current = False
    text = (
        "ra,dec,mjd,frame,verdict\n10,20,60000.001,,real\n10,20,,b.FITS,real\n10,20,60000.005,,real\n10,20,,,dipole\n"
        "10,20,60001,,real\n"
    )
    rows = planned(store, tmp_path, text)
    assert [row.candidate for row in rows] == [one, two, None, two, None]  # without either, that of the card
    assert fates(rows[2:]) == [Fate.UNMATCHED, Fate.DIFFERS, Fate.UNMATCHED]


def test_a_frame_is_known_by_its_name_in_any_letters(store: Store, tmp_path: Path) -> None:
    one = add_candidate(store, **at(10.0, 20.0), frame="\u00d6TZTAL_1.fits")
    rows = planned(store, tmp_path, "ra,dec,frame,verdict\n10,20,\u00d6TZTAL_1.FITS,real\n")
    assert [row.candidate for row in rows] == [one]


def test_two_objects_at_a_place_are_told(store: Store, tmp_path: Path) -> None:
    one, two = add_candidate(store, **at(10.0, 20.0)), add_candidate(store, **at(10.0, 20.0002))
    (row,) = planned(store, tmp_path, "ra,dec,verdict\n10,20.0001,real\n")
    assert (row.fate, row.candidate) == (Fate.AMBIGUOUS, None)
    assert row.reason in {
        f"candidates {one}, {two} are at that place",
        f"candidates {two}, {one} are at that place",
    }


def test_a_pixel_of_a_frame_is_the_candidate_nearby(store: Store, tmp_path: Path) -> None:
    one = add_candidate(store, frame="a.fits", x_frame=10.0, y_frame=20.0, x=500.0, y=500.0)
    add_candidate(store, frame="b.fits", x_frame=10.0, y_frame=20.0)
    text = (
        "frame,x,y,verdict\na.fits,11,21,real\na.fits,11.5,21.5,real\nA.FITS,10,20,real\nc.fits,10,20,real\n"
    )
    rows = planned(store, tmp_path, text)
    assert [row.candidate for row in rows] == [one, None, one, None]
    assert fates(rows) == [Fate.NEW, Fate.UNMATCHED, Fate.SAME, Fate.UNMATCHED]
    assert rows[2].reason == "as in line 2"


def test_a_number_of_another_store_is_seen_by_its_place(store: Store, tmp_path: Path) -> None:
    one = add_candidate(store, **at(10.0, 20.0))
    text = f"id,ra,dec,verdict\n{one},10,20,real\n{one},11,20,real\n{one + 99},10,20,real\n"
    rows = planned(store, tmp_path, text)
    assert fates(rows) == [Fate.NEW, Fate.UNMATCHED, Fate.UNMATCHED]
    assert rows[1].reason == f"candidate {one} is not at the place of its row"


def test_an_alert_is_known_by_its_survey_and_number(store: Store, tmp_path: Path) -> None:
    number = "2663414753415015014"  # more digits than a float has
    one = add_candidate(store, source="ztf", external_id=number)
    add_candidate(store, source="ztf", external_id="8")
    add_candidate(store, source="rubin", external_id="8")
    add_candidate(store, external_id="77.1")  # one of ours
    asked = (f"ztf:{number}", f"ZTF:{number}", number, "8", f"rubin:{number}", "77.1")
    text = "alert_id,verdict\n" + "".join(f"{each},real\n" for each in asked)
    rows = planned(store, tmp_path, text)
    assert fates(rows) == [Fate.NEW, Fate.SAME, Fate.SAME, Fate.AMBIGUOUS, Fate.UNMATCHED, Fate.UNMATCHED]
    assert rows[0].candidate == one
    assert rows[3].reason == "rubin and ztf have an alert of that number"
    assert rows[4].reason == f"there is no alert rubin:{number}"
    (packet,) = planned(store, tmp_path, f'{{"candid": {number}, "verdict": "real"}}\n')
    assert (packet.fate, packet.candidate) == (Fate.NEW, one)


def test_a_second_import_stores_nothing_anew(store: Store, tmp_path: Path) -> None:
    some = [add_candidate(store) for _ in range(3)]
    text = "id,verdict,reviewer,note,tags\n" + "".join(
        f"{each},real,eve\x1b,so #it is,a B\n" for each in some
    )
    first = brought(store, tmp_path, text)
    assert fates(first) == [Fate.NEW] * 3
    kept = verdicts(store)
    assert [(row.candidate_id, row.label, row.reviewer, row.note, row.tags) for row in kept] == [
        (each, "real", "eve\x1b", "so #it is", ["a", "b"]) for each in some
    ]
    assert kept[1].shown["by"] == "import"
    assert kept[1].shown["import"]["line"] == 3
    assert verify(store) == []
    undo(store, session="s", reviewer="eve\x1b")
    decide(store, session="s", reviewer="eve\x1b", candidate_id=some[1], label=Label.DIPOLE, shown={})
    again = brought(store, tmp_path, text)
    assert fates(again) == [Fate.SAME] * 3
    assert [row.reason for row in again] == [
        None,
        "it was brought in before, and decided as dipole since",
        "it was brought in before, and taken back since",
    ]
    assert len(verdicts(store)) == 5


def test_what_was_exported_comes_in_again_as_what_was_said(store: Store, tmp_path: Path) -> None:
    """An export says of each detection what its object is; of that nothing is to be said anew."""
    owner, body = add_object(store), [add_object(store) for _ in range(2)]
    some = [add_candidate(store, owner, **at(10.0, 5.0)) for _ in range(3)]
    moving = [add_candidate(store, each, **at(20.0 + each, 5.0)) for each in body]
    other = add_candidate(store, owner, **at(10.0, 5.0))
    with store.write() as db:
        tracklet = Tracklet(
            n=2, first_mjd=1.0, last_mjd=2.0, ra=20.0, dec=5.0, rate_arcsec_hour=30.0, position_angle=10.0,
            rms_arcsec=0.1, chance=0.001, made_at=1.0,
        )  # fmt: skip
        db.add(tracklet)
        db.flush()
        for each in body:
            db.get_one(SkyObject, each).tracklet_id = tracklet.id
    for candidate, label in ((some[1], Label.SUPERNOVA), (moving[0], Label.MOVING)):
        decide(store, session="s", reviewer="vera", candidate_id=candidate, label=label, shown={})
    text = io.StringIO()
    assert write_csv(real_candidates(store), text) == 6
    rows = brought(store, tmp_path, text.getvalue())
    assert fates(rows) == [Fate.SAME] * 6
    assert len(verdicts(store)) == 2
    # Somebody else says it once of the whole, and what is bogus of the one detection alone.
    said = "".join(f"{each},supernova,eve\n" for each in some) + f"{other},dipole,eve\n"
    rows = brought(store, tmp_path, "id,verdict,reviewer\n" + said)
    assert fates(rows) == [Fate.NEW, Fate.SAME, Fate.SAME, Fate.NEW]
    assert rows[1].reason == "of its object, as in line 2"
    rows = brought(store, tmp_path, f"id,verdict,reviewer\n{some[2]},supernova,eve\n{some[2]},real,bob\n")
    assert fates(rows) == [Fate.SAME, Fate.NEW]
    assert rows[0].reason == "it was said of its object already"


def test_what_a_reviewer_decided_here_is_not_overruled(store: Store, tmp_path: Path) -> None:
    one, two, three = (add_candidate(store) for _ in range(3))
    for candidate in (one, two):
        decide(store, session="s", reviewer="vera", candidate_id=candidate, label=Label.REAL, shown={})
    decide(store, session="t", reviewer="eve", candidate_id=three, label=Label.REAL, shown={})
    rows = brought(store, tmp_path, f"id,verdict\n{one},real\n{two},dipole\n{three},dipole\n")
    assert fates(rows) == [Fate.SAME, Fate.DIFFERS, Fate.NEW]
    assert rows[1].reason == "vera decided real in AstrID"


def test_what_was_taken_back_here_may_be_brought_in_once(store: Store, tmp_path: Path) -> None:
    """Only what an import brought, and a person took back, is not said again."""
    one = add_candidate(store)
    decide(store, session="s", reviewer="eve", candidate_id=one, label=Label.REAL, shown={})
    undo(store, session="s", reviewer="eve")
    text = f"id,verdict,reviewer\n{one},real,eve\n"
    assert fates(brought(store, tmp_path, text)) == [Fate.NEW]
    undo(store, session="s", reviewer="eve")
    assert fates(brought(store, tmp_path, text)) == [Fate.SAME]


def test_rows_that_contradict_each_other_are_both_told(store: Store, tmp_path: Path) -> None:
    one = add_candidate(store)
    rows = brought(store, tmp_path, f"id,verdict,reviewer\n{one},real,\n{one},dipole,\n{one},dipole,eve\n")
    assert fates(rows) == [Fate.DIFFERS, Fate.DIFFERS, Fate.NEW]
    assert rows[0].reason == "the file says dipole in line 3"


def test_an_import_that_is_killed_goes_on_where_it_was(sqlite_store: Store, tmp_path: Path) -> None:
    some = [add_candidate(sqlite_store) for _ in range(BATCH + 3)]
    text = "id,verdict\n" + "".join(f"{each},artefact\n" for each in some)

    def killed(_done: int, _total: int, _what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        brought(sqlite_store, tmp_path, text, killed)
    assert len(verdicts(sqlite_store)) == BATCH
    rows = brought(sqlite_store, tmp_path, text)
    assert fates(rows) == [Fate.SAME] * BATCH + [Fate.NEW] * 3
    assert [row.candidate_id for row in verdicts(sqlite_store)] == some
    assert pace(sqlite_store, "vera").gaps == 0  # nobody decided these one by one here


def test_a_device_without_an_end_is_read_no_further_than_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.review.label_file, "MOST_BYTES", 100)
    with pytest.raises(LabelFileRefused, match="part it"):
        read_labels(Path("/dev/zero"), {})
