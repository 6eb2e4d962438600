"""What each check says of given facts, and that the facts of this machine can be gathered."""

import errno
import math
import sys
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_sun
from astropy.time import Time
from astropy.utils import iers
from sqlalchemy import update

from core.database.store import Store, open_store
from core.database.store_errors import StoreUnreachable
from core.database.tables import Candidate, Cutout, Observation, Run, WatchedFolder
from core.frames import references
from core.frames.scored_by import scoring_key
from core.health import doctor
from core.health.checks import Check, ago, examine, worst
from core.health.events import listed, record
from core.health.facts import Facts, Place, StoreFacts, gather
from core.health.filesystems import is_network, kind_of
from core.operations import runs
from core.operations.power import DevicePower
from core.operations.prefect_server import ServerState
from core.review.rescoring import unscored_cards
from core.review.verdicts import decide
from core.settings import Settings, SettingsError, load
from core.settings_sections import CameraSettings, HealthSettings, StoreSettings
from core.sun import altitude_deg
from core.vocabulary import Label
from tests.core.frames import add_frames, reference_facts
from tests.core.rows import add_candidate

NOW = 1_800_000_000.0
LIMITS = HealthSettings()
GIB = 2**30


def facts(**changes) -> Facts:
    """A machine where all is well, but for what is said."""
    store = StoreFacts("astrid.db", library="SQLite 3", filesystem="ext4", journal_mode="wal")
    of_store = {key: changes.pop(key) for key in list(changes) if key in StoreFacts.__slots__}
    whole = Facts(NOW, "here", store, places=(Place(Path("/home"), 50 * GIB, True),), clock_is_kept=True)
    return replace(whole, store=replace(store, **of_store), **changes)


def found(name: str, **changes) -> list[Check]:
    return [check for check in examine(facts(**changes), LIMITS) if check.name == name]


def one(name: str, **changes) -> Check:
    checks = found(name, **changes)
    assert len(checks) == 1, checks
    return checks[0]


def run(number: int = 7, **changes) -> Run:
    values = {"engine": "local", "host": "here", "pid": 99, "workers": 1, "state": "running"}
    return Run(
        id=number, config_hash="", started_at=NOW - 900, **{"heartbeat_at": NOW - 10, **values, **changes}
    )


def folder(**changes) -> WatchedFolder:
    values = {"host": "here", "path": "/data", "watcher": "w", "interval_s": 5.0, "heartbeat_at": NOW - 3}
    return WatchedFolder(**(values | changes))


def gpu(**changes) -> DevicePower:
    return DevicePower(**({"device": "here/gpu0", "host": "here", "kind": "gpu", "name": "H"} | changes))


def test_where_all_is_well_nothing_is_wrong():
    checks = examine(facts(), LIMITS)
    assert {check.name for check in checks} == {
        "store", "disk", "clock", "queue", "frames", "runs", "watch", "camera", "prefect", "gpu",
        "models", "alerts", "sky",
    }  # fmt: skip
    assert not any(check.is_trouble for check in checks)
    assert worst(checks) == "ok"


@pytest.mark.parametrize(
    ("free_gib", "writable", "state"),
    [
        (2.0, True, "ok"),
        (1.99, True, "warning"),
        (0.25, True, "warning"),
        (0.2, True, "failed"),
        (9, False, "failed"),
    ],
)
def test_a_disk_is_short_before_it_is_full(free_gib, writable, state):
    check = one("disk", places=(Place(Path("/data"), int(free_gib * GIB), writable),))
    assert (check.state, check.cause, check.host) == (state, "/data", "here")


def test_a_disk_that_went_away_is_a_trouble_that_is_told_of(tmp_path, monkeypatch):
    def went_away(_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("shutil.disk_usage", went_away)
    gathered = gather(settings(tmp_path, f"sqlite:///{tmp_path}/astrid.db"), over_network=False)
    told = [check for check in examine(gathered, LIMITS) if check.name == "disk"]
    assert [(each.state, each.message) for each in told] == [
        ("failed", f"{tmp_path} cannot be looked at: Stale file handle")
    ]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_sqlite_over_a_network_is_refused(kind):
    check = one("store", filesystem=kind)
    assert check.state == "failed"
    assert kind in check.message
    assert "PostgreSQL" in check.message


def test_a_store_without_a_write_ahead_log_is_refused():
    check = one("store", journal_mode="delete")
    assert check.state == "failed"
    assert "'delete'" in check.message


def test_a_store_that_takes_no_changes_says_so_and_nothing_of_its_journal():
    why = "cannot be written: its file system is read-only; `astrid --read-only` shows it"
    check = one("store", journal_mode="delete", unwritable=why)
    assert (check.state, check.message) == ("failed", f"astrid.db {why}")
    place = Place(Path("/data"), 50 * GIB, False, True)
    assert one("disk", places=(place,)).message == "/data cannot be written to: its file system is read-only"
    assert one("disk", places=(replace(place, is_read_only=False),)).message.endswith("this login may not")


def test_without_a_store_only_the_machine_is_checked():
    checks = examine(facts(trouble="no such database"), LIMITS)
    assert [(each.name, each.state) for each in checks] == [
        ("store", "failed"),
        ("disk", "ok"),
        ("clock", "ok"),
    ]
    assert checks[0].message == "no such database"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"clock_ahead_s": 61.0}, "failed"),
        ({"clock_ahead_s": -61.0}, "failed"),
        ({"clock_ahead_s": 59.0}, "ok"),
        ({"newest_entry_at": NOW + 61}, "warning"),
        ({"newest_taken_at": NOW + 61, "newest_frame": "a.fits"}, "warning"),
        ({"newest_taken_at": NOW + 59, "newest_entry_at": NOW + 59}, "ok"),
        ({"clock_is_kept": False}, "unknown"),
        ({"clock_is_kept": None}, "unknown"),
    ],
)
def test_a_clock_is_held_against_all_others(changes, state):
    assert one("clock", **changes).state == state


def test_the_oldest_frame_tells_the_age_of_the_queue():
    assert one("queue", due=3, due_since=NOW - 3600).state == "ok"
    behind = one("queue", due=3, due_since=NOW - 3601, running=[run()])
    assert (behind.state, "keep up" in behind.message) == ("warning", True)
    idle = one("queue", due=3, due_since=NOW - 3601)
    assert (idle.state, "no run is at work" in idle.message) == ("warning", True)


def test_frames_that_stand_still_are_told_by_what_holds_them():
    checks = found("frames", quarantined=2, silent_leases=1)
    assert [(each.cause, each.state) for each in checks] == [
        ("quarantined", "warning"),
        ("leases", "warning"),
    ]
    assert checks[0].message == "2 frames quarantined, for a person to look at: `astrid queue list` tells why"


def test_runs_that_died_fell_silent_or_were_lost():
    dead, silent, well = run(1), run(2, host="there", heartbeat_at=NOW - 181), run(3)
    lost = run(4, state="lost", ended_at=NOW - 60, reason="process 99 is gone")
    forgotten = run(5, state="lost", ended_at=NOW - 86401)
    checks = found("runs", running=[dead, silent, well], lost=[lost, forgotten], gone_runs=frozenset({1}))
    assert [(each.cause, each.state, each.host) for each in checks] == [
        ("run 1", "failed", "here"),  # only this machine can know that
        ("run 2", "warning", ""),
        ("run 4", "warning", ""),
    ]
    assert checks[0].message == (
        "process 99 of run 1 is gone: the next run frees its frames, and links the tracklets of what it did"
    )
    assert one("runs", running=[well], lost=[forgotten]).message == "1 run at work"


def test_frames_whose_tracklets_nobody_has_looked_for_are_told_while_no_run_is_at_work():
    check = one("runs", unlinked=3)
    assert (check.state, check.cause) == ("warning", "tracklets")
    assert check.message.startswith(
        "3 frames of a run that was broken off: `astrid run` looks for the tracklets"
    )
    assert one("runs", unlinked=3, running=[run()]).message == "1 run at work"
    dead = found("runs", unlinked=3, running=[run()], gone_runs=frozenset({7}))
    assert [each.cause for each in dead] == ["run 7", "tracklets"]


def test_silence_is_told_by_the_clock_of_the_database():
    ahead = {"clock_ahead_s": 3600.0}
    assert one("runs", running=[run(2, heartbeat_at=NOW + 3590)], **ahead).state == "ok"
    assert one("runs", running=[run(2, heartbeat_at=NOW - 10)], **ahead).state == "warning"
    assert one("watch", folders=[folder(heartbeat_at=NOW + 3597)], **ahead).state == "ok"
    assert one("watch", folders=[folder()], **ahead).state == "failed"


def test_a_watcher_that_fell_silent_or_cannot_read():
    checks = found(
        "watch",
        folders=[
            folder(),
            folder(path="/b", heartbeat_at=NOW - 61),
            folder(path="/c", problem="no such folder"),
            folder(path="/d", watcher=None, heartbeat_at=0.0),  # nobody means to
            folder(path="/e", interval_s=60.0, heartbeat_at=NOW - 290),  # looks seldom
        ],
    )
    assert [(each.cause, each.state) for each in checks] == [("here:/b", "failed"), ("here:/c", "failed")]
    assert one("watch", folders=[folder()]).state == "ok"


@pytest.mark.parametrize(
    ("missing_s", "state"), [(300, "ok"), (301, "warning"), (3599, "warning"), (3601, "ok")]
)
def test_a_camera_that_stops_is_missed_until_its_night_seems_over(missing_s, state):
    assert one("camera", cadence_s=60.0, last_arrival_at=NOW - missing_s).state == state


def test_a_camera_is_missed_in_the_dark_of_its_site_alone():
    # 15 January 2027, 08:00 UTC: night in Hawaii, day on the Canaries.
    mauna_kea, la_palma = (19.82, -155.47), (28.76, -17.88)
    late = {"cadence_s": 60.0, "last_arrival_at": NOW - 5 * 3600}
    assert one("camera", site=mauna_kea, **late).state == "warning"
    assert one("camera", site=la_palma, **late).state == "ok"


def test_the_site_is_a_latitude_and_a_longitude(sqlite_store: Store, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text("[site]\nposition = [28.76, -17.88]\n")
    assert gather(load(file), sqlite_store, over_network=False).site == (28.76, -17.88)
    for wrong in ("[91.0, 0.0]", "[28.76]", "[0.0, 361.0]"):
        file.write_text(f"[site]\nposition = {wrong}\n")
        with pytest.raises(SettingsError, match=r"site\.position"):
            load(file)


def test_a_camera_of_unknown_cadence_is_not_judged():
    assert one("camera", last_arrival_at=NOW - 9e5, folders=[folder()]).state == "unknown"
    assert one("camera", cadence_s=60.0).state == "unknown"


def test_a_camera_is_missed_no_more_when_the_watch_of_its_folder_was_ended(sqlite_store: Store):
    late = {"last_arrival_at": NOW - 600}
    record(sqlite_store, found("camera", cadence_s=30.0, folders=[folder()], **late), "here")
    assert [(each.check, each.state) for each in listed(sqlite_store)] == [("camera", "open")]
    record(sqlite_store, found("camera", folders=[folder(watcher=None)], **late), "here")
    assert [(each.check, each.state) for each in listed(sqlite_store)] == [("camera", "over")]


def test_prefect_matters_to_runs_that_need_it():
    absent = ServerState("absent", None, True, "it is not running")
    wrong = ServerState("unusable", "http://x", False, "it is of version 2")
    mine = [run(engine="prefect")]
    assert one("prefect", prefect=None).state == "unknown"
    assert one("prefect", prefect=absent).state == "ok"
    assert one("prefect", prefect=absent, running=mine).state == "failed"
    assert one("prefect", prefect=wrong).state == "warning"
    assert one("prefect", prefect=wrong, running=mine).state == "failed"


def test_a_gpu_that_is_hot_or_was_lost():
    hot = gpu(at=NOW - 1, temperature_c=86.0)
    lost = gpu(device="here/gpu1", at=NOW - 500, reason="it does not answer any more")
    never = gpu(device="here/gpu", reason="no NVIDIA driver")
    checks = found("gpu", devices=[hot, lost, gpu(device="here/gpu2", at=NOW - 1, temperature_c=40.0)])
    assert [(each.cause, each.state) for each in checks] == [
        ("here/gpu0", "warning"),
        ("here/gpu1", "warning"),
    ]
    assert one("gpu", devices=[never]).message == "here/gpu: not measured: no NVIDIA driver"
    assert one("gpu", devices=[gpu(kind="cpu", at=NOW, temperature_c=99.0)]).state == "unknown"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (2e6, "23 d")],
)
def test_times_are_told_coarsely(seconds, text):
    assert ago(seconds) == text


def test_the_file_system_of_a_path_is_that_of_the_innermost_mount(tmp_path):
    inner = tmp_path / "a b" / "c"
    inner.mkdir(parents=True)
    escaped = str(tmp_path / "a b").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        f"2 1 0:5 / {escaped} rw,noatime shared:1 - nfs4 server:/x rw\n"
        f"3 1 0:6 / {tmp_path}/a rw - cifs //x rw\n"
        "nonsense\n"
    )
    assert kind_of(inner / "not-there.db", table) == "nfs4"
    assert kind_of(tmp_path, table) == "ext4"
    assert kind_of(tmp_path, tmp_path / "missing") is None
    assert is_network("nfs4")
    assert not is_network("ext4")
    assert not is_network(None)


def test_no_store_is_made_where_sqlite_loses_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("core.database.migrations.kind_of", lambda _: "nfs4")
    with pytest.raises(StoreUnreachable, match=r"network file system \(nfs4\)") as refused:
        open_store(f"sqlite:///{tmp_path}/new/astrid.db", create=True)
    assert refused.value.exit_code == 4
    assert not (tmp_path / "new").exists()


def test_the_sun_is_where_astropy_has_it():
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        for latitude, longitude in ((28.76, -17.88), (-30.24, -70.74), (78.2, 15.6)):
            place = EarthLocation(lat=latitude * u.deg, lon=longitude * u.deg)
            for at in (1_500_000_000.0, 1_600_000_123.0, 1_650_500_000.0):
                when = Time(at, format="unix")
                truth = get_sun(when).transform_to(AltAz(obstime=when, location=place)).alt.deg
                assert altitude_deg(at, latitude, longitude) == pytest.approx(truth, abs=0.02)


def test_facts_are_gathered_from_both_databases(store: Store, store_url: str, tmp_path):
    first, second, third = add_frames(store, 1, 2, 3)
    with store.write() as session:
        session.get_one(Observation, first).created_at = 1000.0
        put_off = session.get_one(Observation, second)
        put_off.created_at, put_off.not_before = 500.0, 2000.0
        session.get_one(Observation, third).not_before = 4e9
        session.add(run(1, pid=2**22 + 5, host=gather(settings(tmp_path, store_url)).host))
        session.add(folder(cadence_s=30.0, last_file_at=5e9))
    seen = gather(settings(tmp_path, store_url), store, over_network=False)
    assert (seen.store.due, seen.store.due_since) == (2, 1000.0)
    assert seen.gone_runs == {1}
    assert seen.cadence_s == 30.0
    assert seen.store.last_arrival_at == 5e9
    assert seen.store.newest_frame == "n3.fits"
    assert seen.store.newest_taken_at == pytest.approx((60003.0 - 40587.0) * 86400)
    assert seen.prefect is None
    assert seen.store.journal_mode == (None if store.is_postgresql else "wal")
    assert store.is_postgresql == (seen.store.clock_ahead_s is not None)
    assert math.isfinite(seen.places[0].free_bytes)


def test_the_cadence_of_the_settings_goes_before_what_folders_find(sqlite_store: Store, tmp_path):
    with sqlite_store.write() as session:
        session.add(folder(cadence_s=30.0))
    told = Settings(home=tmp_path, camera=CameraSettings(cadence_s=90.0))
    assert gather(told, sqlite_store, over_network=False).cadence_s == 90.0
    assert told.science_hash == Settings(home=tmp_path).science_hash  # it changes no result


def test_a_store_that_is_missing_is_a_fact(tmp_path):
    seen = gather(settings(tmp_path, f"sqlite:///{tmp_path}/none.db"), over_network=False)
    assert "astrid init" in (seen.store.trouble or "")


def test_the_doctor_begins_with_the_settings(tmp_path, monkeypatch):
    broken = tmp_path / "config.toml"
    broken.write_text("[health]\nlook_s = -1\n")
    checks = list(doctor.diagnose(broken))
    assert (checks[-1].name, checks[-1].state) == ("settings", "failed")
    assert "health.look_s" in checks[-1].message


def test_the_doctor_looks_for_references_that_another_machine_keeps(
    sqlite_store: Store, tmp_path, monkeypatch
):
    """As where workers share a store, but not the folder of references."""
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))

    def said() -> list[tuple[str, str]]:
        return [(each.state, each.message) for each in doctor.diagnose() if each.name == "references"]

    assert said() == []
    here, there = tmp_path / "here.fits", tmp_path / "there.fits"
    here.touch()
    references.add(sqlite_store, reference_facts(1, path=str(here)))
    assert [state for state, _ in said()] == ["ok"]
    lost = references.add(sqlite_store, reference_facts(2, path=str(there)))
    ((state, message),) = said()
    found = f"1 of 2 cannot be read on this machine, such as {there}"
    assert (state, message.partition(":")[0]) == ("warning", found)  # it may be there to review
    assert "no run was made here" in message
    run = runs.start(sqlite_store, engine="local", workers=1, config_hash="")
    with sqlite_store.write() as session:
        session.exec(update(Run).values(host="another"))
    assert [state for state, _ in said()] == ["warning"]
    runs.finish(sqlite_store, run.id or 0, "done")
    runs.start(sqlite_store, engine="local", workers=1, config_hash="")
    ((state, message),) = said()
    assert (state, message.partition(":")[0]) == ("failed", found)
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "there.fits").touch()  # as where this home was moved
    assert [state for state, _ in said()] == ["ok"]
    (tmp_path / "references" / "there.fits").unlink()
    references.retire(sqlite_store, lost.id or 0)
    assert [state for state, _ in said()] == ["ok"]


def test_the_doctor_looks_for_the_device_that_subtractions_are_to_be_made_on(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    config = tmp_path / "config.toml"

    def said(device: str) -> list[tuple[str, str]]:
        config.write_text(f'[subtract]\ndevice = "{device}"\n')
        return [(check.state, check.message) for check in doctor.diagnose(config) if check.name == "cuda"]

    assert said("cpu") == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    begins = "subtract.device is 'cuda', and torch"
    assert said("cuda") == [("failed", f"{begins} finds no CUDA device: say 'cpu'")]
    monkeypatch.setitem(sys.modules, "torch", None)
    install = "`pip install 'astrid-tui[train]'`, or say 'cpu'"
    assert said("cuda") == [("failed", f"{begins} is not installed: {install}")]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    assert said("cuda") == [("ok", "a card")]


def settings(home: Path, url: str) -> Settings:
    return Settings(home=home, store=StoreSettings(url=url))


def test_an_open_store_whose_file_is_gone_has_failed(sqlite_store: Store, tmp_path: Path):
    asked = settings(tmp_path, f"sqlite:///{tmp_path}/astrid.db")

    def said() -> Check:
        seen = gather(asked, sqlite_store, over_network=False)
        return next(check for check in examine(seen, LIMITS) if check.name == "store")

    assert said().state == "ok"
    (tmp_path / "astrid.db").rename(tmp_path / "away.db")
    assert said().state == "failed"
    assert "was deleted or renamed while it was open" in said().message


def test_cards_that_stand_by_their_snr_before_all_that_models_scored_are_told_of():
    """As where the store is older than the models."""
    check = one("models", unscored=3)
    assert (check.state, check.cause) == ("warning", "unscored")
    assert check.message == (
        "3 cards of the queue without a score: `astrid models rescore` gives scores; until then what is "
        "without stands before all that models scored, by |snr|"
    )
    assert one("models", unscored=1).message.startswith("1 card of ")
    assert one("models", unscored=1000).message.startswith("1000 cards and more of ")


@pytest.mark.parametrize(
    ("facts", "alerts", "counts"),
    [
        ({"score": 8.0}, True, True),
        ({"score": 0.97, "scores": {"ensemble": 0.97}}, True, False),
        ({"score": 8.0, "source": "ztf"}, True, True),
        ({"score": 8.0, "source": "ztf"}, False, False),  # nobody is to score it
    ],
)
def test_it_is_asked_of_cards_that_await_a_verdict_and_can_be_scored(
    store: Store, facts, alerts, counts
) -> None:
    seen = [add_candidate(store, **facts) for _ in range(3)]
    with store.write() as session:
        session.add_all([Cutout(candidate_id=each, pixels=b"") for each in seen[:2]])  # the third has none
    with store.read() as session:
        assert unscored_cards(session, alerts=alerts, most=9) == 2 * counts
        assert unscored_cards(session, alerts=alerts, most=1) == 1 * counts
    decide(store, session="s", reviewer="ada", candidate_id=seen[0], label=Label.REAL, shown={})
    for told, more in (("scored by no model.", 1), ("scored by tree abc.", 0)):  # by none, and in vain
        with store.write() as session:
            session.get(Candidate, seen[1]).scoring_id = scoring_key(session, told)
        with store.read() as session:
            assert unscored_cards(session, alerts=alerts, most=9) == more * counts
