"""Alert packets at the command line: taken, told of, shown and written, whatever is in them."""

import csv
import io
import json
import tarfile
from typing import Any

import pytest
from astropy.table import Table

from core.database.store import Store
from core.frames.outcome import FrameOutcome
from core.operations import logs
from pipeline.engines.worker import Worker
from tests.astrid_tui.command import Command
from tests.pipeline.packets import past, write_avro, ztf
from tests.pipeline.test_watch import exposure

HOSTILE = "ZTF\x1b[31m\u202eevil"


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys, sqlite_store: Store) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path / 'astrid.db'}")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a.fits").write_bytes(exposure())
    write_avro(folder / "b.avro", [ztf(1), ztf(2, ra=float("nan")), ztf(3, ra=20.0, isdiffpos="f")])
    (folder / "c.avro").write_bytes(b"no alert")
    return folder


def test_packets_and_frames_are_taken_together_and_each_file_is_told(astrid: Command, night) -> None:
    told = astrid.json("ingest", night, code=3)
    assert [(each["frame"], each["state"], each["new"]) for each in told] == [
        ("a.fits", "queued", True), ("b.avro", "done", True), ("c.avro", "rejected", False),
    ]  # fmt: skip
    assert told[1]["alerts"] == {"new": 2, "known": 0, "refused": 1, "unmatched": 0}
    assert told[1]["reason"].startswith("1 refused, the first: alert 2: it is nowhere on the sky")
    assert "alerts" not in told[0]
    text = astrid("ingest", night, code=3)
    assert "alerts: 0 new, 2 already known, 2 refused" in text
    assert "does not hold its schema" in text
    assert astrid("ingest", night / "a.fits").startswith("1 queued")


def test_one_candid_with_two_contents_is_told(astrid: Command, tmp_path) -> None:
    astrid("ingest", write_avro(tmp_path / "a.avro", [ztf(1)]))
    (told,) = astrid.json("ingest", write_avro(tmp_path / "b.avro", [ztf(1, magpsf=19.0)]), code=3)
    assert told["alerts"] == {"new": 0, "known": 0, "refused": 1, "unmatched": 0}
    assert told["reason"].startswith("the ztf alert 1 is known with another flux (")
    assert len(astrid.json("candidates", "list")) == 1


def test_an_archive_may_hold_anything(astrid: Command, tmp_path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(write_avro(tmp_path / "a.avro", [ztf(1)]), "../../a.avro")
        archive.add(write_avro(tmp_path / "b.avro", [ztf(2)]), "b.avro")
        link = tarfile.TarInfo("c.avro")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (told,) = astrid.json("ingest", tmp_path / "a.tar.gz", code=3)
    assert (told["state"], told["alerts"]) == ("done", {"new": 1, "known": 0, "refused": 2, "unmatched": 0})
    assert told["refusals"] == [
        "../../a.avro: its name leads out of the archive", "c.avro: it is a link",
    ]  # fmt: skip


def test_watching_takes_packets_and_leaves_the_cameras_pace_alone(astrid: Command, night) -> None:
    words = ("watch", night, "--once", "--interval", "0.1", "--json")
    lines = [json.loads(line) for line in astrid(*words).splitlines()]
    assert [line["file"].rpartition("/")[2] for line in lines] == ["a.fits", "b.avro", "c.avro"]
    assert lines[1]["frames"] == []
    assert lines[1]["alerts"]["alerts"] == {"new": 2, "known": 0, "refused": 1, "unmatched": 0}
    assert [line["cadence_s"] for line in lines] == [None] * 3
    assert astrid(*words) == ""
    write_avro(night / "d.avro", [ztf(4, ra=30.0)])
    assert "d.avro done 1 new, 0 already known, 0 refused" in astrid(
        "watch", night, "--once", "--interval", "0.1"
    )


def test_a_damaged_packet_is_watched_until_it_is_whole(sqlite_store: Store, tmp_path) -> None:
    from core.frames.watched_folders import take
    from core.settings import Settings
    from pipeline.intake.watch import PATIENCE_S, FolderWatch
    from tests.pipeline.test_watch import Clock

    (tmp_path / "night").mkdir()
    path = write_avro(tmp_path / "night" / "a.avro", [ztf(1), ztf(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-500])
    clock = Clock()
    watching = FolderWatch(sqlite_store, Settings(), take(sqlite_store, path.parent, interval_s=5.0), clock)
    assert [list(watching.poll()) for _ in range(3)] == [[], [], []]
    path.write_bytes(whole)
    assert list(watching.poll()) == []
    (taken,) = watching.poll()
    assert (taken.alerts.new, taken.alerts.known, taken.alerts.refused) == (1, 1, 0)
    path.write_bytes(whole[:-400])
    assert [list(watching.poll()) for _ in range(3)] == [[], [], []]
    clock.now = PATIENCE_S
    (taken,) = watching.poll()
    assert (taken.alerts.state, taken.alerts.known) == ("quarantined", 1)


@pytest.fixture
def known(astrid: Command, tmp_path) -> Command:
    """A store with one object: an alert, a detection and a limit before it."""
    before = [past(2), past(1, candid=9, magpsf=19.0, sigmapsf=0.2, isdiffpos="t")]
    astrid("ingest", write_avro(tmp_path / "a.avro", [ztf(1, prv_candidates=before, objectId=HOSTILE)]))
    return astrid


def test_hostile_text_is_displayed_and_kept_as_it_is(known: Command) -> None:
    shown = HOSTILE.replace("\x1b", "␛").replace("\u202e", "<U+202E>")
    for words in (("objects", "show", "1"), ("candidates", "list"), ("candidates", "show", "1")):
        text = known(*words)
        assert shown in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert known.json("objects", "show", "1")["name"] == HOSTILE
    assert known.json("objects", "show", HOSTILE)["id"] == 1
    known("objects", "show", "no\x1bbody", code=1)
    assert "no object 'no␛body'" in known.said
    assert HOSTILE in known("candidates", "export").replace("␛", "\x1b").replace("<U+202E>", "\u202e")


def test_an_object_is_shown_with_its_bands_candidates_and_names(known: Command) -> None:
    record = known.json("objects", "show", "1")
    assert record["names"] == [{"source": "ztf", "name": HOSTILE}]
    assert [each["external_id"] for each in record["candidates"]] == ["1"]
    (band,) = record["bands"]
    assert (band["source"], band["filter"], band["detections"], band["limits"]) == ("ztf", "r", 2, 1)
    assert band["brightest"] == pytest.approx(18.0)
    assert [point["is_limit"] for point in record["light_curve"]] == [True, False, False]
    known("candidates", "label", "1", "supernova")
    text = known("objects", "show", "1")
    assert "state     real, supernova" in text
    assert "UTC, supernova by " in text


def test_a_light_curve_is_written_in_four_forms(known: Command, tmp_path) -> None:
    rows = known.json("objects", "lightcurve", "1")
    assert [(row["kind"], row["is_limit"]) for row in rows] == [
        ("limit", True), ("detection", False), ("detection", False),
    ]  # fmt: skip
    assert [row["mag"] for row in rows] == pytest.approx([20.5, 19.0, 18.0])
    assert {row["calibration"] for row in rows} == {"ab"}
    assert rows[0]["flux_njy"] is None
    assert rows[2]["flux_njy"] == pytest.approx(10 ** (0.4 * 13.4))
    told = list(csv.DictReader(io.StringIO(known("objects", "lightcurve", "1", "--csv"))))
    assert [float(row["mag"]) for row in told] == pytest.approx([20.5, 19.0, 18.0])
    assert told[0]["flux"] == ""
    known("objects", "lightcurve", "1", "-o", "curve.vot")
    assert "3 epochs in curve.vot" in known.said
    table = Table.read(tmp_path / "curve.vot", format="votable")
    assert list(table["mag"]) == pytest.approx([20.5, 19.0, 18.0])
    assert table["flux_njy"].unit == "nJy"
    assert list(table["flux"].mask) == [True, False, False]
    assert list(table["is_limit"]) == [True, False, False]
    assert list(table["candidate"].mask) == [True, True, False]
    known("objects", "lightcurve", "1", "-o", "curve.ecsv")
    own = Table.read(tmp_path / "curve.ecsv")
    assert list(own["mag"]) == pytest.approx([20.5, 19.0, 18.0])
    assert (own["flux_njy"].unit, own["mjd"].unit) == ("nJy", "d")
    assert list(own["flux"].mask) == [True, False, False]
    assert ">20.500" in known("objects", "lightcurve", "1")


def test_what_cannot_be_written_leaves_what_was_there(known: Command, tmp_path) -> None:
    (tmp_path / "curve.csv").write_text("mine")
    known("objects", "lightcurve", "7", "-o", "curve.csv", "--force", code=1)
    assert (tmp_path / "curve.csv").read_text() == "mine"
    known("objects", "lightcurve", "1", "-o", "none/curve.csv", code=1)
    assert "cannot write" in known.said
    known("objects", "lightcurve", "1", "-o", "curve.txt", code=2)
    known("objects", "lightcurve", "1", "--csv", "--json", code=2)
    known("objects", "lightcurve", "1", "-o", "curve.csv", code=2)
    known("objects", "lightcurve", "1", "-o", "curve.csv", "--force")
    assert (tmp_path / "curve.csv").read_text().startswith("mjd,source,filter")
    assert not list(tmp_path.glob("*.part"))


def test_an_object_without_a_zeropoint_is_marked_instrumental(astrid: Command, sqlite_store: Store) -> None:
    from tests.builders import add_night
    from tests.core.rows import add_candidate

    add_night(sqlite_store, objects=1, epochs=3)
    rows = astrid.json("objects", "lightcurve", "1")
    assert [(row["kind"], row["calibration"], row["source"]) for row in rows] == [
        ("forced", "ab", "astrid"), ("forced", "ab", "astrid"), ("detection", "ab", "astrid"),
    ]  # fmt: skip
    assert rows[0]["flux_njy"] == pytest.approx(40.0 * 10 ** (0.4 * (31.4 - 27.0)))
    number = add_candidate(sqlite_store, flux=5.0, flux_err=1.0, flux_unit="electron")
    record = astrid.json("candidates", "show", number)
    (row,) = astrid.json("objects", "lightcurve", record["object"])
    assert (row["flux"], row["flux_njy"], row["calibration"]) == (5.0, None, "instrumental")
    table = Table.read(
        io.BytesIO(astrid("objects", "lightcurve", record["object"], "--votable").encode()), format="votable"
    )
    assert bool(table["flux_njy"].mask[0])


def test_what_was_refused_of_packets_is_there_the_next_morning(astrid: Command, night, tmp_path) -> None:
    (night / "d.avro").write_bytes((night / "b.avro").read_bytes()[:-100])
    astrid("ingest", night, code=3)
    astrid("ingest", night, code=3)  # once, however often they come
    found = astrid.json("status")
    assert found["counts"] == {"queued": 1, "quarantined": 1, "rejected": 2}
    told = {each["frame"]: each["reason"] for each in found["frames"]}
    assert "refused" in told["b.avro"] or "position" in told["b.avro"]
    assert told["d.avro"]
    assert "1 file of alerts quarantined" in astrid("health", "check") + astrid.said
    damaged = next(each["id"] for each in found["frames"] if each["frame"] == "d.avro")
    # No worker could take it.
    refused = astrid.json("queue", "retry", damaged, code=1)
    assert (refused["matched"], refused["changed"], refused["exit_code"]) == (1, 0, 1)
    assert refused["error"].startswith(f"The state of frame {damaged} does not allow it")
    assert astrid.json("queue", "drop", damaged) == {"matched": 1, "changed": 1}
    assert "none is quarantined" in astrid("health", "check")
    write_avro(night / "c.avro", [ztf(3, ra=20.0, isdiffpos="f")])  # copied again, and whole
    astrid("ingest", night / "c.avro")
    assert astrid.json("status")["counts"] == {"queued": 1, "rejected": 1, "dropped": 2}
    log = (tmp_path / "home" / "logs" / "pipeline.log").read_text()
    assert log.count("a.fits registered as queued") == 1
    assert "d.avro registered as quarantined: " in log


def test_a_run_is_told_of_by_the_log_whoever_started_it(astrid: Command, night) -> None:
    astrid("ingest", night / "a.fits")
    run = astrid.json("run", code=3)["run"]
    told = astrid.json("runs", "log", run)
    assert f": run {run}: begun by the local engine" in told[0]
    assert f": run {run}: a.fits waiting" in told[1]
    assert told[2].endswith(f": run {run}: done: 1 waiting")
    assert len(astrid("runs", "log", run, "--lines", 1).splitlines()) == 1
    assert "no run 77" in astrid("runs", "log", 77, code=1) + astrid.said


def test_why_a_frame_failed_is_whole_in_the_log(astrid: Command, night, tmp_path, monkeypatch) -> None:
    sentences = "; ".join(f"look at place {number}, which is saturated here" for number in range(22))
    reason = f"\x1b[2J{sentences}"
    assert 900 < len(reason) < 1000
    monkeypatch.setattr(Worker, "_outcome", lambda *_: FrameOutcome("rejected", reason))
    astrid("ingest", night / "a.fits")
    run = astrid.json("run", code=3)["run"]
    assert astrid("runs", "log", run).splitlines()[1].endswith(f": ␛[2J{sentences}")
    monkeypatch.setattr(Worker, "_outcome", lambda *_: FrameOutcome("rejected", reason + 10_000 * "!"))
    astrid("queue", "retry", 1)
    run = astrid.json("run", code=3)["run"]
    assert astrid("runs", "log", run).splitlines()[1].endswith("!!!…")
    assert len((tmp_path / "home" / "logs" / "pipeline.log").read_text()) < 5000


def test_each_line_of_a_run_that_is_followed_is_told_once(
    astrid: Command, night, tmp_path, monkeypatch
) -> None:
    astrid("ingest", night / "a.fits")
    run = astrid.json("run", code=3)["run"]
    log = tmp_path / "home" / "logs" / f"run-{run}.log"
    log.write_text("one\ntwo\nthree\n")

    tail = logs.tail

    def while_it_goes_on(*words: Any, **named: Any) -> tuple[str, ...]:
        with log.open("a") as file:
            file.write("four\n")
        return tail(*words, **named)

    monkeypatch.setattr(logs, "tail", while_it_goes_on)
    assert astrid("runs", "log", run, "--follow", "--lines", 2).split() == ["two", "three", "four"]


def test_a_place_tells_of_the_alerts_that_are_there(known: Command) -> None:
    (alert,) = known.json("candidates", "list")
    place = alert["ra"], alert["dec"]
    (told,) = known.json("why", *place)["alerts"]
    assert (told["id"], told["source"], told["arcsec"]) == (alert["id"], "ztf", 0.0)
    text = known("why", *place)
    assert "Alerts of surveys there" in text
    assert "No frame of this store shows the place" in text
    assert known.json("why", place[0], place[1] + 0.01)["alerts"] == []
    assert f"{alert['ra']:.5f}" in known("candidates", "list")
