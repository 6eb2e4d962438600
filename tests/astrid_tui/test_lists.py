"""Lists at the command line: objects, tracklets that are kept, runs and troubles."""

import re

import pytest

from core.database.store import Store
from core.database.tables import Run
from core.health import events
from core.health.check import Check
from core.objects.tracklets import FoundTracklet, NightSpan, write_tracklets
from core.operations import runs
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.core.rows import add_candidate, add_object

TRACKLET = {
    "first_mjd": 60000.0, "last_mjd": 60000.1, "ra": 10.0, "dec": -5.0, "rate_arcsec_hour": 30.0,
    "position_angle": 158.0, "rms_arcsec": None, "mag": 18.0, "filter": "r", "chance": 0.01,
}  # fmt: skip


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def test_objects_are_listed_a_page_at_a_time_and_by_a_filter(astrid: Command, sqlite_store: Store) -> None:
    bright, faint, third = (add_object(sqlite_store, name) for name in ("AT1", "AT2", "AT3"))
    best = add_candidate(sqlite_store, bright, mag=17.0, snr=20.0, ra=10.0, dec=20.0)
    add_candidate(sqlite_store, bright, score=1.0, mag=21.0)  # it does not stand for its object
    add_candidate(sqlite_store, faint, mag=None)
    add_candidate(sqlite_store, third, mag=19.0)
    add_object(sqlite_store, "AT4")  # without a candidate
    who = {"session": "s", "reviewer": "ada", "shown": {}}
    decide(sqlite_store, candidate_id=best, label=Label.SUPERNOVA, **who)
    first = astrid.json("objects", "list", "--limit", 2)
    assert [each["id"] for each in first["objects"]] == [third, faint]
    rest = astrid.json("objects", "list", "--limit", 2, "--after", first["next"])
    (row,) = rest["objects"]
    assert rest["next"] is None
    assert (row["id"], row["candidate"], row["n_candidates"]) == (bright, best, 2)
    assert (row["mag"], row["state"], row["label"]) == (17.0, "real", "supernova")
    assert "injected" not in row

    def ids(*words: str) -> list[int]:
        return [each["id"] for each in astrid.json("objects", "list", *words)["objects"]]

    assert ids("--filter", "-mag<18") == [third, faint]
    assert ids("--filter", "-verdict:real", "--filter", "mag>0") == [third]
    assert ids("--filter", "mag>20") == []
    assert "AT1" in astrid("objects", "list")
    assert "more: --after" in astrid("objects", "list", "--limit", 1)
    astrid("objects", "list", "--filter", "colour:red", code=2)


def test_who_works_blind_is_told_of_no_decision(astrid: Command, sqlite_store: Store, monkeypatch) -> None:
    monkeypatch.setenv("ASTRID_REVIEW__BLIND", "true")
    seen = add_candidate(sqlite_store)
    for who in ("ada", "vera"):
        decide(sqlite_store, session=who, reviewer=who, candidate_id=seen, label=Label.SUPERNOVA, shown={})
        (row,) = astrid.json("objects", "list")["objects"]
        assert (row["state"], row["label"]) == (
            ("unreviewed", None) if who == "ada" else ("real", "supernova")
        )


def test_tracklets_that_are_kept_are_listed_without_linking(
    astrid: Command, sqlite_store: Store, monkeypatch
) -> None:
    assert "No tracklet is kept" in astrid("objects", "tracklets", "--kept")
    places = ((60000.0, 10.0), (60000.1, 11.0))
    ids = tuple(add_candidate(sqlite_store, mjd=mjd, ra=ra, dec=-5.0) for mjd, ra in places)
    add_candidate(sqlite_store, mjd=60100.0)  # a later night
    night = NightSpan(60000.0, 60000.1)
    write_tracklets(sqlite_store, night, [FoundTracklet(ids, TRACKLET)])
    monkeypatch.setattr("pipeline.engines.tracklets.link_night", lambda *_: pytest.fail("it linked"))
    (found,) = astrid.json("objects", "tracklets", "--kept")
    assert tuple(found["candidates"]) == ids
    assert astrid.json("objects", "tracklets", "--kept", "--night", "2023-02-25") == [found]
    assert astrid.json("objects", "tracklets", "--kept", "--night", "2023-06-05") == []


@pytest.mark.parametrize(
    ("ending", "begins"),
    [("csv", "mjd,"), ("ecsv", "# %ECSV"), ("vot", "<?xml"), ("votable", "<?xml"), ("XML", "<?xml")],
)
def test_light_curves_of_places_and_objects_are_written_by_the_same_names(
    astrid: Command, sqlite_store: Store, tmp_path, ending: str, begins: str
) -> None:
    key = add_object(sqlite_store, "AT1")
    add_candidate(sqlite_store, key, ra=10.0, dec=20.0)
    for number, words in enumerate([("objects", "lightcurve", key), ("forced", 10.0, 20.0)]):
        file = tmp_path / f"curve-{number}.{ending}"
        astrid(*words, "-o", file)
        assert begins in file.read_text().splitlines()[0]
        assert number or f"1 epoch in {file}" in astrid.said.replace("\n", " ")


def test_an_export_tells_how_long_each_chain_of_verdicts_is(astrid: Command, sqlite_store: Store) -> None:
    for label, told in (("real", "1 row"), ("dipole", "2 rows")):
        astrid("candidates", "label", add_candidate(sqlite_store), label)
        astrid("candidates", "export")
        assert re.search(rf"verdict chain cli-vera-\S+: {told}, head", astrid.said)


def test_an_object_that_is_not_there_is_not_measured_in_silence(astrid: Command, sqlite_store: Store) -> None:
    there = add_object(sqlite_store, "AT1")
    told = astrid.json("objects", "forced", there, 999, code=1)
    assert told == {"error": "there is no object '999': `astrid objects list` shows them", "exit_code": 1}
    assert astrid.json("objects", "forced", there)["points"] == 0


@pytest.mark.parametrize(
    ("words", "lister"),
    [
        (("candidates", "show", 999), "candidates list"),
        (("candidates", "label", 999, "real"), "candidates list"),
        (("show", "9" * 30), "candidates list"),
        (("queue", "show", 999), "status"),
        (("runs", "show", 999), "runs list"),
        (("forced", "--pixel", 1, 1, "--reference", 999), "reference list"),
        (("health", "ack", 999), "health list"),
    ],
)
def test_a_number_of_nothing_is_told_with_the_list_of_what_is_there(
    astrid: Command, words: tuple[object, ...], lister: str
) -> None:
    astrid(*words, code=1)
    assert re.search(rf"there is no .* `astrid {lister}`", astrid.said)


def test_runs_are_listed_with_the_machines_that_they_were_made_on(
    astrid: Command, sqlite_store: Store
) -> None:
    hosts = {}
    for host in ("dome", "cellar"):
        key = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe").id
        hosts[key] = host
        with sqlite_store.write() as db:
            db.get_one(Run, key).host = host
    headings, *rows = astrid("runs", "list").splitlines()
    at = headings.index("host")
    assert {int(row.split()[0]): row[at:].split()[0] for row in rows} == hosts
    assert {each["run"]: each["host"] for each in astrid.json("runs", "list")} == hosts


def test_a_run_whose_clock_was_set_back_has_no_length(astrid: Command, sqlite_store: Store) -> None:
    key = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe").id
    with sqlite_store.write() as db:
        row = db.get_one(Run, key)
        row.ended_at = row.started_at - 7189.4
    (run,) = astrid.json("runs", "list")
    assert run["seconds"] is None
    assert "-7189" not in astrid("runs", "list")
    shown = astrid("runs", "show", key)
    assert "-7189" not in shown
    assert re.search(r"^started_at .* UTC$", shown, re.MULTILINE)


def test_more_runs_than_are_listed_are_said_to_be_there(astrid: Command, sqlite_store: Store) -> None:
    keys = [runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe").id for _ in range(3)]
    assert f"more: --before {keys[1]}" in astrid("runs", "list", "--limit", 2)
    assert [each["run"] for each in astrid.json("runs", "list", "--limit", 2)] == [keys[2], keys[1]]
    assert "more: --before" in astrid.said
    assert "more" not in astrid("runs", "list", "--limit", 2, "--before", keys[2])
    assert "more" not in astrid("runs", "list", "--limit", 3)


def test_a_year_of_troubles_is_told_with_its_year_and_acknowledged_as_one(
    astrid: Command, sqlite_store: Store
) -> None:
    lost = [Check("runs", "warning", f"run {n} was lost", f"run {n}") for n in range(1001)]
    events.record(sqlite_store, lost, "here", now=1_700_000_000.0)
    assert "2023-11-14 22:13" in astrid("health", "list", "--limit", 2)
    assert "there are more than these 2" in astrid.said
    assert len(astrid.json("health", "list", "--limit", 1000)) == 1000
    assert "there are more than these 1000; `astrid health ack` takes off the list\n" in astrid.said
    astrid("health", "list", "--all", "--limit", 2)  # what was seen stays on this list
    assert "there are more than these 2; --limit lists up to 1000\n" in astrid.said
    assert len(astrid.json("health", "ack", "--all")) == 1001
    events.record(sqlite_store, [Check("runs", "ok", "none at work")], "here", now=1_700_000_060.0)
    assert astrid.json("health", "list") == []
    assert "there are more" not in astrid.said
