"""A night from the command line alone, as a script lives it: JSON, exit codes, undo, export."""

import csv
import gzip
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

import pipeline.engines.worker
from astrid_tui.cli.app import app
from core.errors import AstridError
from pipeline.simulate import simulate_night, simulate_pair
from tests.forks import Program
from tests.pipeline.measured import measured_once
from tests.pipeline.processed import processed_once


class Shell:
    """Runs `astrid` as processes, in a home of its own; from `stay` on within this process."""

    def __init__(self, home: Path, store_url: str) -> None:
        self.env = {
            "ASTRID_HOME": str(home),
            "ASTRID_STORE__URL": store_url,
            "ASTRID_REVIEW__REVIEWER": "vera",
            "OMP_NUM_THREADS": "1",
            "PATH": "/usr/bin:/bin",
        }
        self.folder = home.parent
        self.stays = False

    def stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start no more programs: that takes longer than what a short command does."""
        monkeypatch.chdir(self.folder)
        for name, value in self.env.items():
            if name.startswith("ASTRID"):
                monkeypatch.setenv(name, value)
        self.stays = True

    def _within(self, words: tuple[object, ...], code: int) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        known = isinstance(done.exception, AstridError)
        assert known or done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert (done.exception.exit_code if known else done.exit_code) == code, f"{words}: {done.output}"
        self.said = done.stderr + (str(done.exception) if known else "")
        return done.stdout

    def __call__(self, *words: object, code: int = 0) -> str:
        if self.stays:
            return self._within(words, code)
        with Program(*words, env=self.env, folder=self.folder) as program:
            out, self.said = program.communicate(timeout=120)
        assert program.returncode == code, f"{words}: {program.returncode}\n{out}\n{self.said}"
        assert "Traceback" not in self.said
        return out

    def json(self, *words: object, code: int = 0):
        return json.loads(self(*words, "--json", code=code))


@pytest.fixture(scope="module", autouse=True)
def _found_once():
    """What is in a frame is found once, and anew by programs alone."""
    with measured_once(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.engines.worker, "process", processed_once({}))
        yield


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return simulate_night(tmp_path_factory.mktemp("night"), frames=2, size=320, seed=5)


@pytest.fixture
def astrid(tmp_path, empty_url, monkeypatch):
    """Processes on SQLite; what they add does not depend on the database, so on PostgreSQL there are none."""
    shell = Shell(tmp_path / "home", empty_url)
    if not empty_url.startswith("sqlite"):
        shell.stay(monkeypatch)
    return shell


@pytest.fixture
def alone(tmp_path):
    """For commands that use no store."""
    return Shell(tmp_path / "home", f"sqlite:///{tmp_path / 'astrid.db'}")


def test_a_script_takes_a_night_to_a_verdict_and_an_export(astrid, night, monkeypatch):
    astrid("init")
    ingested = astrid.json("ingest", *night.calibration, *night.science)
    assert {record["state"] for record in ingested} == {"calibration", "queued"}
    again = astrid.json("ingest", *night.science)
    assert [record["new"] for record in again] == [False] * len(night.science)

    run = astrid.json("run", code=3)
    assert set(run["counts"]) == {"waiting"}
    assert all("astrid reference add" in frame["reason"] for frame in run["frames"])

    reference = astrid.json("reference", "build", *night.reference)
    assert reference["n_frames"] == len(night.reference)

    # Workers are programs of their own too: once is enough.
    run = astrid.json("run", "--workers", 1 if astrid.stays else 2)
    assert run["counts"] == {"done": len(night.science)}
    assert all(frame["seconds"]["subtract"] > 0 for frame in run["frames"])
    assert all(0.9 < frame["score_std"] < 1.1 for frame in run["frames"])

    astrid.stay(monkeypatch)
    assert astrid.json("run")["counts"] == {}
    status = astrid.json("status")
    assert status["counts"]["done"] == len(night.science)
    listed = astrid.json("candidates", "list", "--order=-significance")
    assert len(listed) == sum(frame["candidates"] for frame in run["frames"]) > 0
    significance = [abs(candidate["snr"]) for candidate in listed]
    assert significance == sorted(significance, reverse=True)
    for candidate in listed:
        assert candidate["scores"].keys() >= {"realbogus", "tree"}
        assert all(0.0 <= score <= 1.0 for score in candidate["scores"].values())
        assert candidate["score"] in candidate["scores"].values()
        assert candidate["verdict"] is None

    first = listed[0]["id"]
    astrid("candidates", "label", first, "supernova", "--note", "near the core")
    assert astrid.json("candidates", "show", first)["verdict"] == "supernova"
    # A real verdict judges the object, and so each of its detections.
    same_object = {each["id"] for each in listed if each["object"] == listed[0]["object"]}
    judged = astrid.json("candidates", "list", "--filter", "verdict:supernova")
    assert {each["id"] for each in judged} == same_object
    assert astrid.json("candidates", "undo")["candidate"] == first
    assert astrid.json("candidates", "show", first)["verdict"] is None
    astrid("candidates", "label", first, "dipole")

    rows = list(csv.DictReader(io.StringIO(astrid("candidates", "export"))))
    assert len(rows) == len(listed)
    assert [row["verdict"] for row in rows if row["id"] == str(first)] == ["dipole"]
    assert "verdict chain cli-vera-" in astrid.said
    target = astrid.folder / "out.jsonl"
    astrid("candidates", "export", "-o", target, "--format", "jsonl")
    assert len(target.read_text().splitlines()) == len(listed)
    assert "difference" in astrid("show", first, "--drawing", "ascii")
    astrid("show", first, "--drawing", "kitty", code=2)  # into a file


def test_a_page_goes_on_where_the_last_one_ended(astrid, night, monkeypatch):
    astrid.stay(monkeypatch)
    astrid("init")
    astrid("reference", "build", *night.reference)
    astrid("ingest", night.science[0])
    astrid("run")
    everything = [candidate["id"] for candidate in astrid.json("candidates", "list")]
    first = [candidate["id"] for candidate in astrid.json("candidates", "list", "--limit", 2)]
    cursor = astrid.said.split("--after ")[1].strip()
    rest = [candidate["id"] for candidate in astrid.json("candidates", "list", "--after", cursor)]
    assert first + rest == everything
    bright = [row["snr"] for row in astrid.json("candidates", "list", "--filter", "snr>8")]
    middle = sorted(bright)[len(bright) // 2]
    both = astrid.json("candidates", "list", "--filter", "snr>8", "--filter", f"snr<={middle}")
    assert 0 < len(both) < len(bright)
    assert [row["snr"] for row in both] == [snr for snr in bright if snr <= middle]
    astrid("candidates", "export", "-o", "-", "--format", "csv")
    assert len(astrid("candidates", "export", "-o", "-").splitlines()) == len(everything) + 1
    astrid("candidates", "tns", "-o", "-", code=2)


def test_one_bad_file_is_told_and_the_others_are_registered(astrid, night, tmp_path):
    broken = tmp_path / "broken.fits"
    whole = Path(night.science[0]).read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    astrid("init")
    ingested = astrid.json("ingest", broken, night.science[0], tmp_path / "absent.fits", code=3)
    assert [record["state"] for record in ingested] == ["rejected", "quarantined", "queued"]
    assert "no such file" in ingested[0]["reason"]
    assert "truncated" in ingested[1]["reason"]


def test_without_a_store_every_command_says_what_to_do(astrid):
    for words in (
        ("status",),
        ("candidates", "list"),
        ("run",),
        ("ingest", "x.fits"),
        ("candidates", "export"),
    ):
        astrid(*words, code=4)
        assert "astrid init" in astrid.said


def test_the_console_is_not_opened_where_there_is_no_terminal(alone):
    alone(code=2)
    assert "needs a terminal" in alone.said


def test_wrong_words_are_usage_errors(astrid):
    astrid("init")
    astrid("candidates", "label", 1, "nonsense", code=2)
    astrid("candidates", "list", "--filter", "colour>3", code=2)
    assert "colour" in astrid.said
    astrid("candidates", "list", "--order", "beauty", code=2)
    astrid("nonsense", code=2)
    astrid("candidates", "show", 77, code=1)
    assert "77" in astrid.said


def _written(path, image, wcs, pair):
    header = wcs.to_header()
    header.update({"GAIN": pair.gain, "RDNOISE": pair.read_noise, "FILTER": "r", "EXPTIME": 60.0})
    header["DATE-OBS"] = "2026-03-04T05:06:07"
    fits.PrimaryHDU(image, header=header).writeto(path)
    return path


def test_two_files_are_subtracted_without_a_store(alone, tmp_path):
    pair = simulate_pair(
        400, seed=3, shift=(7.3, -4.6), rotation_deg=0.2, n_transients=6, n_vanished=2, snr_range=(25, 60)
    )
    new = _written(tmp_path / "new.fits", pair.new, pair.wcs_new, pair)
    ref = _written(tmp_path / "ref.fits", pair.ref, pair.wcs_ref, pair)
    out = tmp_path / "difference.fits"
    told = alone.json("diff", new, ref, "-o", out, "--depth")
    assert 0.95 < told["score_std"] < 1.05
    assert told["registration_rms_px"] < 0.1
    assert told["gain_ratio"] == pytest.approx(pair.flux_ratio, rel=0.02)
    for row in pair.transients:
        distance = [np.hypot(each["x"] - row["x"], each["y"] - row["y"]) for each in told["sources"]]
        nearest = told["sources"][int(np.argmin(distance))]
        assert min(distance) < 1.0
        assert np.sign(nearest["snr"]) == np.sign(row["flux"])
        assert nearest["x_new"] == pytest.approx(row["x_new"], abs=1.0)
        assert nearest["ra"] == pytest.approx(row["ra"], abs=2e-4)
        assert nearest["flux"] == pytest.approx(row["flux_ref"], abs=5 * nearest["flux_err"])
    assert len(told["sources"]) <= len(pair.transients) + 1
    assert told["m50"] is None  # a single file has no zeropoint
    assert told["snr50"] == pytest.approx(5.0, abs=1.0)
    assert told["flux50"] > 0
    assert told["seconds"]["depth"] > 0
    with fits.open(out) as file:
        names = [hdu.name for hdu in file if hdu.name != "PRIMARY"]
        assert names == ["DIFF", "SCORE", "MASK", "PSF", "SOURCES"]
        assert len(file["SOURCES"].data) == len(told["sources"])
        assert np.isfinite(file["DIFF"].data).all()
        assert file[0].header["FLUX50"] == pytest.approx(told["flux50"])
    assert not (alone.folder / "home").exists()


def test_doctor_sees_what_is_missing_and_what_is_there(astrid):
    checks = {check["name"]: check for check in astrid.json("doctor", code=4)}
    assert checks["store"]["state"] == "failed"
    astrid("init")
    checks = {check["name"]: check for check in astrid.json("doctor")}
    assert checks["store"]["state"] == "ok"


def test_a_reference_that_holds_a_supernova_is_told_of(astrid, night, monkeypatch):
    astrid.stay(monkeypatch)
    astrid("init")
    astrid("reference", "build", *night.reference)
    assert "judged real" not in astrid.said
    astrid("ingest", *night.science)
    astrid("run")
    seen = astrid.json("candidates", "list", "--limit", 1)[0]
    astrid("candidates", "label", seen["id"], "supernova")
    built = astrid.json("reference", "build", *night.science)
    assert f"1 transient that reviewers judged real ({seen['object']}) shone while" in astrid.said
    assert f"`astrid reference retire {built['id']}`" in astrid.said
    monkeypatch.setenv("ASTRID_REVIEW__BLIND", "true")
    astrid("reference", "build", *night.science)
    assert "1 transient that reviewers judged real shone while" in astrid.said


def test_a_folder_that_holds_packed_copies_makes_one_reference_of_each_exposure(
    alone, night, tmp_path, monkeypatch
):
    alone.stay(monkeypatch)
    alone("init")
    folder = tmp_path / "earlier"
    folder.mkdir()
    for path in night.reference:
        shutil.copy(path, folder)
    first = night.reference[0].name
    (folder / f"{first}.gz").write_bytes(gzip.compress(night.reference[0].read_bytes()))
    built = alone.json("reference", "build", folder)
    assert (built["n_frames"], built["skipped"]) == (len(night.reference), {})
    assert f"warning: {first}.gz: it holds the exposure of {first}, which is taken once" in alone.said


def test_a_home_that_was_moved_goes_on(astrid, night, tmp_path, monkeypatch):
    astrid.stay(monkeypatch)
    astrid("init")
    reference = astrid.json("reference", "build", *night.reference)
    astrid("ingest", *night.science)
    moved = tmp_path / "elsewhere" / "home"
    moved.parent.mkdir()
    (tmp_path / "home").rename(moved)
    monkeypatch.setenv("ASTRID_HOME", str(moved))
    assert not Path(reference["path"]).exists()
    assert astrid.json("run")["counts"] == {"done": len(night.science)}
    seen = astrid.json("candidates", "list", "--limit", 1)[0]
    astrid("chart", seen["object"], "-o", tmp_path / "chart.png")
    assert "reference" in astrid.json("candidates", "show", seen["id"])["known"]
