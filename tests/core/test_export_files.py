"""What leaves AstrID for other programs: read again by their own readers, without any injected source."""

import csv
import io
import json
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse, parse_single_table
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table
from astropy.wcs import WCS

from core.database.tables import Candidate, Cutout, Difference, Observation, Reference, SkyObject, StageRun
from core.objects import curve_table
from core.places import place_flux
from core.review.cutouts import pack
from core.review.export import COLUMNS, write_csv
from core.review.export_cutouts import write_cutouts
from core.review.export_files import (
    DESCRIPTIONS,
    UCDS,
    write_ecsv,
    write_parquet,
    write_regions,
    write_votable,
)
from core.review.real_rows import real_candidates
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from pipeline.detection.cutting import to_sky
from tests.builders import add_night, cutouts
from tests.copies import made_once
from tests.core.rows import add_candidate, add_difference, add_object

HOSTILE = "x}\x1b[2J\u202e{ # color=blue\n"


@made_once
def a_night(store):
    first = add_candidate(store, ra=10.5, dec=-41.25, mag=19.25, flux=5.0, scores={"m": 0.5})
    second = add_candidate(store, add_object(store, HOSTILE), frame=HOSTILE)
    fake = add_candidate(store, add_object(store, injected=True), ra=10.5, dec=-41.25)
    for candidate in (first, fake):
        decide(store, session="s", reviewer="ada", candidate_id=candidate, label=Label.REAL, shown={},
               note="seen", tags=["host", "blue"])  # fmt: skip
    with store.write() as db:
        for candidate in (first, fake):
            db.add(Cutout(candidate_id=candidate, pixels=pack(cutouts(candidate))))
        db.add(Cutout(candidate_id=second, pixels=b"damaged"))
    return first, second


@pytest.fixture
def night(store):
    """Two real candidates, the second with no place and a hostile name, and an injected one."""
    return store, *a_night(store)


def written(write, store, **more):
    stream = io.BytesIO()
    found = real_candidates(store, **more)
    count = write(found, stream, store) if write is write_cutouts else write(found, stream)
    return count, io.BytesIO(stream.getvalue())


def reference_of(store, difference):
    with store.read() as db:
        return db.get_one(Difference, difference).reference_id


def test_parquet(night):
    store, first, second = night
    count, stream = written(write_parquet, store)
    table = pq.read_table(stream)
    assert tuple(table.column_names) == COLUMNS
    records = {row["id"]: row for row in table.to_pylist()}
    assert count == len(records) == 2
    assert records[first]["tags"] == ["host", "blue"]
    assert (records[first]["ra"], records[first]["verdict"]) == (10.5, "real")
    assert json.loads(records[first]["scores"]) == {"m": 0.5}
    assert records[second]["ra"] is None
    assert written(write_parquet, store, judged_only=True)[0] == 1


@pytest.mark.filterwarnings("ignore:No table:astropy.utils.exceptions.AstropyUserWarning")
def test_astropy_reads_parquet_where_candidates_await_a_verdict(night):
    store, first, second = night
    table = Table.read(written(write_parquet, store)[1], format="parquet")
    assert list(table["id"]) == [first, second]
    assert list(table["verdict"]) == ["real", ""]
    assert list(table["note"]) == ["seen", ""]


def test_a_votable_needs_no_note_at_all(store):
    add_night(store, objects=2, epochs=1)
    table = parse_single_table(written(write_votable, store)[1]).to_table()
    assert list(table["note"]) == list(table["tags"]) == ["", ""]


def test_no_note_is_cut_however_long(night):
    store, first, _ = night
    long = "w" * 4990 + "\u202e the end"
    for _ in range(2):
        annotate(store, session="s", reviewer="eve", candidate_id=first, note=long)
    shown = " | ".join([*["w" * 4990 + "<U+202E> the end"] * 2, "seen"])
    text = io.StringIO()
    write_csv(real_candidates(store), text)
    usual = csv.field_size_limit(1 << 20)
    try:
        notes = [row["note"] for row in csv.DictReader(io.StringIO(text.getvalue()))]
    finally:
        csv.field_size_limit(usual)
    assert notes == [shown, ""]
    table = parse_single_table(written(write_votable, store)[1]).to_table()
    assert list(table["note"]) == [shown, ""]
    assert list(table["tags"]) == ["host blue", ""]


def test_votable(night):
    store, first, second = night
    count, stream = written(write_votable, store)
    assert b"\x1b" not in stream.getvalue()
    table = parse_single_table(stream).to_table()
    assert count == len(table) == 2
    assert list(table["id"]) == [first, second]
    assert table["ra"].unit == "deg"
    assert bool(table["ra"].mask[1]) is True
    empty, stream = written(write_votable, store, filters="score>1000")
    assert empty == len(parse_single_table(stream).array) == 0


def test_regions(night):
    store, first, _ = night
    with store.write() as db:
        row = db.get_one(SkyObject, 1)
        row.name = HOSTILE.replace("\n", "") + "1"
        db.add(row)
    stream = io.StringIO()
    assert write_regions(real_candidates(store), stream) == 1
    lines = stream.getvalue().splitlines()
    assert lines[1] == "icrs"
    assert lines[2].startswith('circle(10.5000000,-41.2500000,3") # color=green text={')
    assert str(first) in lines[2]
    assert lines[2].count("{") == lines[2].count("}") == 1
    assert "\x1b" not in stream.getvalue()


def test_regions_without_a_sky_are_in_pixels_where_one_image_has_them(store):
    def regions(filters=""):
        stream = io.StringIO()
        count = write_regions(real_candidates(store, filters=filters), stream)
        lines = stream.getvalue().splitlines()[1:]
        assert sum(line.startswith("circle") for line in lines) == count
        return lines

    observation, difference = add_difference(store)
    reference = reference_of(store, difference)
    ours = {"observation_id": observation, "difference_id": difference, "frame": "a}\n.fits"}
    one, two = (add_object(store, reference_id=reference) for _ in range(2))
    add_candidate(store, one, x=10.0, y=20.0, x_frame=109.0, y_frame=219.5, **ours)
    _, *lines = regions()
    assert lines[0] == "image"
    assert lines[1].startswith("# pixels of frame a}")
    assert lines[2].startswith("circle(110.00,220.50,6) # color=yellow text={1 ")  # DS9 counts from one
    add_candidate(store, two, x=30.0, y=40.0, frame="b.fits")
    _, *lines = regions()
    assert lines[1] == f"# pixels of the grid of reference {reference}"
    assert [line.partition(",6)")[0] for line in lines[2:]] == ["circle(11.00,21.00", "circle(31.00,41.00"]
    add_candidate(store, add_object(store), frame="c.fits")  # of no reference
    assert regions() == ["icrs"]
    assert len(regions("frame:a*")) == 4
    add_candidate(store, ra=10.0, dec=-41.0, frame="d.fits")
    assert [line[:6] for line in regions("-frame:c.fits -frame:b.fits")] == [
        "icrs", "circle", "image", "# pixe", "circle"
    ]  # fmt: skip


def test_cutouts_are_fits_that_another_program_verifies(night):
    store, first, _ = night
    count, stream = written(write_cutouts, store)
    assert count == 1  # one has none that can be read, and is left out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(stream) as found:
            found.verify("exception")
            assert [(hdu.name, hdu.ver) for hdu in found[2:]] == [
                ("NEW", first),
                ("REF", first),
                ("DIFF", first),
            ]
            header = found["DIFF", first].header
            assert (header["CANDID"], header["RA"], header["VERDICT"]) == (first, 10.5, "real")
            assert header["SKYSIG"] == 12.0
            expected = np.round(cutouts(first).diff * 4) / 4
            np.testing.assert_allclose(found["DIFF", first].data, expected, atol=0.13)


def test_a_table_of_the_candidates_comes_before_their_cutouts(night):
    store, first, _ = night
    annotate(store, session="s", reviewer="ada", candidate_id=first, note="ünï " + "long " * 300)
    stream = written(write_cutouts, store)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(stream) as found:
            found.verify("exception")
            assert (found[1].name, found[1].header["TCOMM11"]) == ("CANDIDATES", "right ascension, ICRS")
            assert (found[1].header["TTYPE11"], found[1].header["TUCD11"]) == ("ra", UCDS["ra"])
            table = Table.read(found["CANDIDATES"])
    assert tuple(table.colnames) == COLUMNS
    (row,) = table  # of the other one there are no cutouts that can be read
    assert (row["id"], row["ra"], row["verdict"], row["tags"]) == (first, 10.5, "real", "host blue")
    assert row["note"].startswith("?n? long")  # FITS knows ASCII alone
    assert row["tracklet"] is np.ma.masked
    assert str(table["ra"].unit) == "deg"
    count, stream = written(write_cutouts, store, filters="score>1000")
    assert (count, len(Table.read(stream, format="fits", hdu="CANDIDATES"))) == (0, 0)


@pytest.mark.parametrize("parity", [1.0, -1.0])
def test_cutouts_have_the_sky_of_the_reference_and_the_times_of_the_frame(store, parity):
    grid = WCS(naxis=2)
    grid.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    grid.wcs.crval, grid.wcs.crpix = [359.98, -71.0], [900.0, 80.0]
    turn, scale = np.radians(30.0), 0.7 / 3600
    grid.wcs.cd = scale * np.array(
        [[-parity * np.cos(turn), np.sin(turn)], [parity * np.sin(turn), np.cos(turn)]]
    )
    x, y = 103.3, 57.8
    ra, dec = (float(each) for each in grid.all_pix2world(x, y, 0))
    observation, difference = add_difference(store)
    candidate = add_candidate(
        store,
        x=x,
        y=y,
        ra=ra,
        dec=dec,
        mjd=60000.5,
        filter="r",
        observation_id=observation,
        difference_id=difference,
    )
    lies = to_sky(SimpleNamespace(wcs=grid), x, y)
    with store.write() as db:
        db.get_one(Observation, observation).exposure_s = 172.8
        row = db.get_one(Difference, difference)
        reference = db.get_one(Reference, row.reference_id)
        reference.mjd_first, reference.mjd_last = 59990.25, 59991.0
        db.add(Cutout(candidate_id=candidate, pixels=pack(replace(cutouts(), to_sky=lies))))
    _, stream = written(write_cutouts, store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(stream) as found:
            new, ref = found["NEW"].header, found["REF"].header
            columns, rows = (each.ravel() for each in np.meshgrid([0, 31, 62], [0, 31, 62]))
            sky = WCS(new).all_pix2world(columns, rows, 0)
    there = grid.all_world2pix(*sky, 0)
    np.testing.assert_allclose(there[0], columns - 31 + round(x), atol=0.01)
    np.testing.assert_allclose(there[1], rows - 31 + round(y), atol=0.01)
    assert WCS(ref).wcs.crpix == pytest.approx([32.3, 31.8])
    assert new["TIMESYS"] == ref["TIMESYS"] == "UTC"
    assert (new["DATE-OBS"], new["MJD-OBS"]) == (
        "2023-02-25T11:58:33.600",
        pytest.approx(60000.499, abs=1e-9),
    )
    assert (new["DATE-AVG"], new["MJD-AVG"], new["XPOSURE"]) == ("2023-02-25T12:00:00.000", 60000.5, 172.8)
    assert new.comments["DATE-OBS"] == new.comments["MJD-OBS"] == "start, if it had no gaps"
    assert (ref["DATE-BEG"], ref["MJD-BEG"], ref["MJD-END"]) == ("2023-02-15T06:00:00.000", 59990.25, 59991.0)
    assert not {"DATE-OBS", "MJD-OBS", "MJD-AVG"} & set(ref)
    assert new["FILTER"] == ref["FILTER"] == "r"


def test_an_export_says_which_frame_reference_settings_and_models_made_a_candidate(store):
    """Two frames of one name: what tells them apart, and by what they were processed, goes along."""
    made = {}
    for settings, models in (("cafe", "tree abc"), ("beef", "tree def, " + "realbogus " + 9 * "0123456789")):
        frame, difference = add_difference(store, "n.fits", config_hash=settings)
        key = add_candidate(
            store, frame="n.fits", observation_id=frame, difference_id=difference, x=9.0, y=8.0,
            position_error_px=0.25, mask_flags=6,
        )  # fmt: skip
        with store.write() as db:
            for attempt, said in enumerate(("an older version", models)):
                db.add(
                    StageRun(observation_id=frame, attempt=attempt, stage="classify", started_at=1.0,
                             seconds=0.1, outcome="done", reason=f"scored by {said}.")
                )  # fmt: skip
            db.add(Cutout(candidate_id=key, pixels=pack(cutouts(key))))
            owner = db.get_one(Candidate, key).sky_object_id
        made[key] = {
            "object_id": owner, "frame_id": frame, "reference": reference_of(store, difference),
            "position_error_px": 0.25, "mask_flags": 6, "config_hash": settings, "scored_by": f"{models}.",
        }  # fmt: skip
    text = io.StringIO()
    write_csv(real_candidates(store), text)
    text.seek(0)
    as_csv = {int(row["id"]): {name: row[name] for name in made[key]} for row in csv.DictReader(text)}
    assert as_csv == {key: {name: str(value) for name, value in each.items()} for key, each in made.items()}
    parquet = pq.read_table(written(write_parquet, store)[1])
    assert {row["id"]: {name: row[name] for name in made[key]} for row in parquet.to_pylist()} == made
    assert parquet.schema.metadata[b"creator"].startswith(b"AstrID")
    document = parse(written(write_votable, store)[1], verify="exception")
    table = document.get_first_table().to_table()
    assert {row["id"]: {name: row[name] for name in made[key]} for row in table} == made
    assert [(each.name, each.value) for each in document.resources[0].infos] == [
        ("server_software", parquet.schema.metadata[b"creator"].decode())
    ]
    with fits.open(written(write_cutouts, store)[1]) as found:
        found.verify("exception")
        assert found[0].header["CREATOR"].startswith("AstrID")
        words = ("OBJID", "FRAMEID", "REFID", "CONFHASH", "SCOREDBY")
        told = {hdu.ver: [hdu.header[word] for word in words] for hdu in found[2:]}
    names = ("object_id", "frame_id", "reference", "config_hash", "scored_by")
    assert told == {key: [each[name] for name in names] for key, each in made.items()}


def test_a_survey_says_nothing_of_frames_and_references(store):
    number = "1034526141515010021"  # more digits than a float has
    key = add_candidate(store, source="ztf", ra=1.0, dec=2.0, external_id=number)
    table = pq.read_table(written(write_parquet, store)[1]).to_pylist()
    names = ("id", "frame_id", "reference", "position_error_px", "config_hash", "scored_by", "alert_id")
    said = (key, None, None, None, "", "", f"ztf:{number}")
    assert [tuple(row[name] for name in names) for row in table] == [said]
    text = io.StringIO()
    write_csv(real_candidates(store), text)
    text.seek(0)
    assert next(csv.DictReader(text))["alert_id"] == f"ztf:{number}"


def test_an_export_says_what_is_a_streak_or_in_a_row(store):
    made = {
        add_candidate(store, features={"streak_length": 64.0}): "streak",
        add_candidate(store, features={"row_count": 9.0, "row_length": 723.0, "row_angle": 152.6}): "row",
        add_candidate(store): "",
    }
    text = io.StringIO()
    write_csv(real_candidates(store), text)
    text.seek(0)
    assert {int(row["id"]): row["line"] for row in csv.DictReader(text)} == made
    table = pq.read_table(written(write_parquet, store)[1]).to_pylist()
    assert {row["id"]: row["line"] for row in table} == made
    table = parse_single_table(written(write_votable, store)[1], verify="exception").to_table()
    assert {row["id"]: str(row["line"]) for row in table} == made


def test_the_planes_of_masks_are_told_by_name():
    assert DESCRIPTIONS["mask_flags"] == (
        "planes of the mask under it, added up: 1 bad pixels, 2 saturated, 4 cosmic ray, 8 edge,"
        " 16 interpolated, 32 streak, 64 stars not subtracted"
    )


def test_cutouts_without_a_known_sky_or_exposure_have_neither(night):
    store, first, _ = night
    _, stream = written(write_cutouts, store)
    with fits.open(stream) as found:
        header = found["NEW", first].header
    assert not {"CTYPE1", "CRVAL1", "DATE-OBS", "MJD-OBS", "XPOSURE"} & set(header)
    assert header["MJD-AVG"] > 60000


def test_ecsv_is_what_astropy_reads_and_comes_back_as_it_was(night):
    store, first, second = night
    note = "two words, \"quoted\" 'x' # ünï"
    annotate(store, session="s", reviewer="ada", candidate_id=second, note=note)
    stream = io.StringIO()
    assert write_ecsv(real_candidates(store), stream) == 2
    assert "\x1b" not in stream.getvalue()
    table = Table.read(stream.getvalue(), format="ascii.ecsv")
    assert tuple(table.colnames) == COLUMNS
    assert table.meta["creator"].startswith("AstrID")
    rows = {row["id"]: row for row in table}
    assert (rows[first]["ra"], rows[first]["verdict"], rows[first]["tags"]) == (10.5, "real", "host blue")
    assert json.loads(rows[first]["scores"]) == {"m": 0.5}
    assert rows[second]["note"] == note
    assert rows[second]["ra"] is np.ma.masked
    assert table["disputed"].dtype == bool
    assert str(table["ra"].unit) == "deg"
    assert table["ra"].description == "right ascension, ICRS"
    nobody = io.StringIO()
    assert write_ecsv(real_candidates(store, filters="score>1000"), nobody) == 0
    assert len(Table.read(nobody.getvalue(), format="ascii.ecsv")) == 0


def test_every_column_of_a_votable_says_what_it_is(night):
    store, *_ = night
    _, stream = written(write_votable, store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = parse(stream, verify="exception")
    resource, fields = document.resources[0], document.get_first_table().fields
    assert document.version == "1.4"
    assert [(each.ID, each.system) for each in resource.coordinate_systems] == [("icrs", "ICRS")]
    (times,) = resource.time_systems
    assert (times.timescale, times.timeorigin, times.refposition) == ("UTC", 2400000.5, "TOPOCENTER")
    assert {each.name: each.ref for each in fields if each.ref} == {
        "ra": "icrs",
        "dec": "icrs",
        "mjd": times.ID,
    }
    assert [each.name for each in fields] == [*COLUMNS]
    for ucds in (UCDS, curve_table.UCDS, place_flux.UCDS):
        for ucd in ucds.values():
            parse_ucd(ucd, check_controlled_vocabulary=True)
    assert all(each.ucd == UCDS[each.name] and each.description for each in fields)
    for table in (curve_table, place_flux):
        assert set(table.UCDS) == {each.name for each in table.COLUMNS}
        (systems,) = (each.description for each in table.COLUMNS if each.name == "mag_system")
        assert systems == "of mag: ab, vega or instrumental"


def test_a_votable_is_written_as_its_rows_are_read(night):
    store, first, _ = night
    (row,) = (each for each in real_candidates(store) if each.candidate.id == first)
    stream, before = io.BytesIO(), []

    def rows():
        for _ in range(3):
            before.append(len(stream.getvalue()))
            yield row

    assert write_votable(rows(), stream) == 3
    assert before[0] < before[1] < before[2] < len(stream.getvalue())
    table = parse_single_table(stream, verify="exception").to_table()
    assert list(table["object"]) == [row.record["object"]] * 3


def test_texts_and_numbers_of_a_votable_come_back_as_they_were(night):
    store, _, second = night
    note = "a <b> & \"c\" 'd' ]]> ünï 𝛼"
    annotate(store, session="s", reviewer="ada", candidate_id=second, note=note)
    stream = written(write_votable, store)[1]
    table = parse_single_table(stream, verify="exception").to_table()
    rows = {each.candidate.id: each for each in real_candidates(store)}
    assert table["note"][list(table["id"]).index(second)] == note
    assert table["disputed"].dtype == bool
    for each in table:
        for name in ("id", "mjd", "ra", "snr", "flux", "mag", "x_frame", "mask_flags"):
            said = rows[each["id"]].record[name]
            assert each[name] is np.ma.masked if said is None else each[name] == said
