"""What the health checks are about is gathered from machine and store, and told by the doctor."""

import errno
import math
import sys
from pathlib import Path

import astropy.units as u
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_sun
from astropy.time import Time
from astropy.utils import iers
from sqlalchemy import update

from core.database.store import Store, open_store
from core.database.store_errors import StoreUnreachable
from core.database.tables import Observation, Run
from core.frames import references
from core.health import doctor
from core.health.check import Check
from core.health.checks import examine
from core.health.facts import gather
from core.health.filesystems import is_network, kind_of
from core.operations import runs
from core.settings import Settings, SettingsError, load
from core.settings_sections import CameraSettings, StoreSettings
from core.sun import altitude_deg
from tests.core.frames import add_frames, reference_facts
from tests.core.well import LIMITS, folder, run


def test_a_disk_that_went_away_is_a_trouble_that_is_told_of(tmp_path, monkeypatch):
    def went_away(_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("shutil.disk_usage", went_away)
    gathered = gather(settings(tmp_path, f"sqlite:///{tmp_path}/astrid.db"), over_network=False)
    told = [check for check in examine(gathered, LIMITS) if check.name == "disk"]
    assert [(each.state, each.message) for each in told] == [
        ("failed", f"{tmp_path} cannot be looked at: Stale file handle")
    ]


def test_the_site_is_a_latitude_and_a_longitude(sqlite_store: Store, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text("[site]\nposition = [28.76, -17.88]\n")
    assert gather(load(file), sqlite_store, over_network=False).site == (28.76, -17.88)
    for wrong in ("[91.0, 0.0]", "[28.76]", "[0.0, 361.0]"):
        file.write_text(f"[site]\nposition = {wrong}\n")
        with pytest.raises(SettingsError, match=r"site\.position"):
            load(file)


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


def test_the_doctor_names_what_the_environment_sets_and_no_value(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", "postgresql://u:secret@localhost:1/x")
    monkeypatch.setenv("ASTRID_DETECT", '{"threshold": 6}')
    monkeypatch.setenv("ASTRID_QUEUE__LEASE_S", "")  # sets nothing
    monkeypatch.setenv("ASTRID_UNRELATED", "1")
    empty = tmp_path / "config.toml"
    empty.touch()
    said = next(each.message for each in doctor.diagnose(empty) if each.name == "settings")
    assert said.startswith(f"{empty}, ASTRID_DETECT, ASTRID_HOME, ASTRID_STORE__URL; science ")


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
    how = "beside those that it has, as by `pipx install --force '.[train]'` in its folder"
    install = f"install AstrID with its extra 'train' {how}, or say 'cpu'"
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
