"""An astronomer asks why nothing was found at a place: from raw frames to the answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from pipeline.simulate import simulate_night
from tests.stories.test_command_line import Shell


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return simulate_night(tmp_path_factory.mktemp("night"), frames=2, size=256, seed=3, references=2)


@pytest.fixture(scope="module")
def astrid(night, tmp_path_factory):
    """The command line of a store in which a night was processed: two good frames and a starless one."""
    folder = tmp_path_factory.mktemp("observatory")
    shell = Shell(folder / "home", f"sqlite:///{folder / 'home' / 'astrid.db'}")

    def run(*words: object, code: int = 0) -> str:
        return shell(*words, code=code) + shell.said * (code != 0)

    starless = starless_copy(night.science[0], folder)
    with pytest.MonkeyPatch.context() as patch:
        shell.stay(patch)
        run("init")
        run("ingest", *night.calibration, *night.science, starless)
        run("reference", "build", *night.reference)
        run("run", code=3)  # one frame is rejected
        yield run


def starless_copy(path: Path, folder: Path) -> Path:
    """The same field and time, behind a closed dome."""
    target = folder / "closed-dome.fits"
    with fits.open(path) as hdus:
        sky = np.random.default_rng(0).normal(np.median(hdus[0].data), 10.0, hdus[0].data.shape)
        hdus[0].data = sky.astype(hdus[0].data.dtype)
        hdus.writeto(target)
    return target


@pytest.fixture(scope="module")
def brightest(night):
    truth = Table.read(night.truth)
    rows = truth[(truth["kind"] == "transient") & (truth["epoch"] == "science")]
    first = rows[rows["file"] == "science/science_001.fits"]
    return first[np.argmax(first["snr_change"])]


def test_a_transient_is_followed_through_the_night(astrid, brightest):
    position = (f"{brightest['ra']:.7f}", f"{brightest['dec']:.7f}")
    story = json.loads(astrid("why", *position, "--json"))
    assert story["next"] is None
    frames = {frame["frame"]: frame for frame in story["frames"]}
    assert sorted(frames) == ["closed-dome.fits", "science_001.fits", "science_002.fits"]
    found = frames["science_001.fits"]
    assert found["fate"] == "candidate"
    assert found["x_frame"] == pytest.approx(brightest["x"], abs=0.5)
    assert found["y_frame"] == pytest.approx(brightest["y"], abs=0.5)
    number = found["candidates"][0]["candidate"]
    assert json.loads(astrid("candidates", "show", number, "--json"))["frame"] == "science_001.fits"
    rejected = frames["closed-dome.fits"]
    assert (rejected["fate"], rejected["end"]["stage"]) == ("rejected", "quality")
    assert rejected["end"]["value"] < rejected["end"]["limit"]

    astrid("candidates", "label", number, "supernova")
    told = astrid("why", *position)
    assert "verdict supernova" in told
    assert "2025" in told

    # The same from the frame's own pixel, and from the reference's.
    alone = json.loads(
        astrid("why", "--pixel", brightest["x"], brightest["y"], "--frame", found["id"], "--json")
    )
    assert [frame["fate"] for frame in alone["frames"]] == ["candidate"]
    assert alone["place"]["ra"] == pytest.approx(brightest["ra"], abs=1e-4)
    place = alone["place"]
    grid = astrid("why", "--pixel", place["x"], place["y"], "--reference", place["reference"])
    assert "science_002.fits" in grid


def test_empty_sky_and_sky_never_seen(astrid, brightest):
    nowhere = astrid("why", "10:00:00", "-05:00:00")
    assert "No frame of this store shows the place" in nowhere
    far = astrid("why", "150", "-5", "--frame", "science_001.fits")
    assert "not covered" in far
    ra, dec = brightest["ra"], brightest["dec"]
    page = json.loads(astrid("why", ra, dec, "--limit", 1, "--json"))
    rest = json.loads(astrid("why", ra, dec, "--after", page["next"], "--json"))
    assert len(page["frames"]) + len(rest["frames"]) == 3
    assert json.loads(astrid("why", ra, dec, "--since", "2035-01-01", "--json"))["frames"] == []


def test_any_place_is_measured_and_written(astrid, brightest, tmp_path):
    """A coordinate of a circular: the flux in each frame, a limit beside it, why there is none."""
    sky = SkyCoord(brightest["ra"], brightest["dec"], unit="deg")
    circular = (sky.ra.to_string("hour", sep=":", precision=3), sky.dec.to_string(sep=":", precision=2))
    told = json.loads(astrid("forced", *circular, "--json"))
    assert [each["n_candidates"] for each in told["objects"]] == [2]
    frames = {frame["frame"]: frame for frame in told["frames"]}
    assert frames["closed-dome.fits"]["status"] == "rejected"
    assert "stars" in frames["closed-dome.fits"]["reason"]
    found = frames["science_001.fits"]
    (kept,) = (
        each
        for each in json.loads(astrid("candidates", "list", "--json"))
        if each["id"] == found["candidate"]
    )
    for name in ("snr", "flux"):  # at the place itself, not at the peak beside it
        assert found[name] == pytest.approx(kept[name], rel=0.05)
    for name in ("flux_unit", "mag_system", "mjd", "filter"):
        assert found[name] == kept[name]

    table = tmp_path / "place.ecsv"
    beside = (sky.ra.deg, sky.dec.deg + 0.004)
    said = astrid("forced", *beside, "--until", found["mjd"] + 1e-6, "--filter", kept["filter"], "-o", table)
    assert "measured in 1 of" in said
    rows = Table.read(table)
    assert (rows.meta["place"]["ra"], rows.meta["place"]["dec"]) == pytest.approx(beside)
    (row,) = rows[rows["status"] == "measured"]
    assert row["frame"] == "science_001.fits"
    assert row["is_limit"]
    assert abs(row["snr"]) < 5
    assert rows["mjd"].unit == "d"
    astrid(
        "forced",
        *beside,
        "--until",
        found["mjd"] + 1e-6,
        "--filter",
        kept["filter"],
        "-o",
        tmp_path / "p.vot",
    )
    same = Table.read(tmp_path / "p.vot", format="votable")
    assert list(same["frame"]) == list(rows["frame"])
    assert (same["mjd"].unit, same["flux_njy"].unit) == ("d", "nJy")
    assert np.ma.is_masked(row["reason"])
    astrid("forced", *beside, "-o", table, code=2)
    assert json.loads(astrid("forced", *beside, "--filter", "none", "--json"))["frames"] == []


def test_an_object_is_asked_for_by_its_name_as_it_is_copied(astrid):
    (first,) = json.loads(astrid("candidates", "list", "--limit", 1, "--json"))
    name = first["object"]
    found = json.loads(astrid("objects", "show", name, "--json"))
    by_place = json.loads(astrid("why", found["ra"], found["dec"], "--json"))["frames"]
    assert by_place
    for words in ([name], name.split(" ", 1)):
        assert json.loads(astrid("why", *words, "--json"))["frames"] == by_place
    assert "no object is called so" in astrid("why", "AT2099zzz", code=2).replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["10:99:00", "1"], 2, "is no coordinate"),
        (["10"], 2, "is no coordinate"),
        (["--pixel", 1, 2], 2, "go together"),
        (["--pixel", 1, 2, "--reference", 77], 1, "there is no reference 77"),
        (["10", "-5", "--until", "soon"], 2, "write an MJD"),
        (["10", "-5", "-o", "flux.txt"], 2, "must end in .csv or .json or .ecsv or .vot or"),
    ],
)
def test_a_wrong_place_is_refused_in_one_sentence(astrid, words, code, says):
    assert says in astrid("forced", *words, code=code).replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["10:99:00", "1"], 2, "is no coordinate"),
        (["10", "-5", "--radius", "5"], 2, "a radius is a number and a unit"),
        (["--pixel", 1, 2], 2, "whose pixel it is"),
        (["--pixel", 1, 2, "--frame", "none.fits"], 1, "there is no frame none.fits"),
        (["10", "-5", "--after", "nonsense"], 2, "the cursor is damaged"),
    ],
)
def test_a_wrong_question_is_refused_in_one_sentence(astrid, words, code, says):
    assert says in astrid("why", *words, code=code).replace("\n", " ")
