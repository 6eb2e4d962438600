"""An observer brings catalogues, and every candidate is seen beside what is known there; no network."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from sqlmodel import select

from core.database.store import open_store
from core.database.tables import Candidate, Tracklet, TrackletMember
from core.objects.sphere import separation_deg
from pipeline.known.kepler import Orbits, seen
from pipeline.known.orbit_file import DTYPE
from pipeline.simulate import simulate_night
from tests.astrid_tui.command import Command
from tests.pipeline.catalogs import write_csv


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory):
    return simulate_night(tmp_path_factory.mktemp("night"), frames=3, size=320, seed=5, references=2)


@pytest.fixture
def astrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path / 'astrid.db'}")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something looked for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def line_of_mpcorb(ra: float, dec: float, mjd: float) -> str:
    """An orbit that is at a place at a time: found among many by its mean anomaly, node and inclination."""
    random = np.random.default_rng(1)
    rows = np.zeros(40_000, dtype=DTYPE)
    rows["epoch"], rows["a"], rows["e"] = np.floor(mjd), 2.6, 0.01
    rows["incl"] = random.uniform(max(abs(dec) - 5.0, 0.0), 60.0, len(rows))
    rows["node"], rows["mean"] = random.uniform(0, 360, len(rows)), random.uniform(0, 360, len(rows))
    for _ in range(14):  # each time nearer to what comes nearest
        places = seen(Orbits.of(rows), mjd, None, perturbed=False)
        apart = np.hypot((places.ra - ra + 180) % 360 - 180, places.dec - dec)
        best = rows[np.argsort(apart)[:200]]
        spread = max(float(np.sort(apart)[0]), 1e-7)
        rows = np.repeat(best, 50)
        for name in ("incl", "node", "mean"):
            rows[name] = np.round(rows[name] + random.normal(0.0, spread, len(rows)), 5)
        rows["incl"] = np.abs(rows["incl"])
    places = seen(Orbits.of(rows), mjd, None)
    one = rows[np.argmin(np.hypot((places.ra - ra + 180) % 360 - 180, places.dec - dec))]
    day = np.datetime64("1858-11-17") + int(one["epoch"])
    year, month, date = (int(part) for part in str(day).split("-"))
    packed = f"K{year - 2000:02d}{'0123456789ABC'[month]}{'0123456789ABCDEFGHIJKLMNOPQRSTUV'[date]}"
    return (
        f"99999   18.0   0.15 {packed} {one['mean']:9.5f}  {0.0:9.5f}  {one['node'] % 360:9.5f}"
        f"  {one['incl']:9.5f}  {one['e']:9.7f}  {0.23:10.8f}  {one['a']:10.7f}"
        "  0 MPO000000   100  10 2000-2026 0.40"
    ).ljust(166) + "(99999) Here".ljust(28)


def test_every_candidate_beside_what_is_known(
    astrid: Command, night, tmp_path: Path, no_network: None
) -> None:
    astrid("init")
    astrid("ingest", *night.calibration)
    sky = Table.read(night.truth.parent / "catalogue.ecsv")
    stars = sky[[str(name).startswith("star") for name in sky["id"]]]
    columns = {
        name: np.asarray(stars[column]) for name, column in (("ra", "ra"), ("dec", "dec"), ("rmag", "mag"))
    }
    write_csv(tmp_path / "field.csv", source_id=np.arange(len(stars)) + 1, **columns)
    added = astrid.json(
        "catalog", "add", "field.csv", "--kind", "stars", "--mag-system", "ab", "--epoch", 2000
    )
    assert (added["added"], added["rows"], added["bands"]) == (True, len(stars), ["r"])
    assert astrid.json("catalog", "add", "field.csv")["added"] is False
    astrid("reference", "build", *night.reference)
    astrid("ingest", *night.science)
    assert astrid.json("run")["counts"] == {"done": 3}

    # Brightness and WCS of each frame are those of the catalogue.
    truth = json.loads((night.truth.parent / "simulation.json").read_text())
    expected = {Path(one["file"]).name: one["zeropoint"] for one in truth["frames"]}
    frames = [one for one in astrid.json("status")["frames"] if one["kind"] == "science" and one["zeropoint"]]
    assert len(frames) == 3
    for frame in frames:
        assert frame["zeropoint_from"] == "field r"
        assert frame["zeropoint"] == pytest.approx(expected[frame["frame"]], abs=0.05)
        assert abs(frame["wcs_dra_arcsec"]) < 0.3
        assert frame["wcs_stars"] > 20
        assert frame["reason"] is None

    found = astrid.json("candidates", "list", "--order=-significance")
    assert found
    assert all(one["mag"] is not None and one["mag_system"] == "ab" for one in found)
    detail = astrid.json("candidates", "show", found[0]["id"])
    assert detail["known"]["star"]["status"] in {"match", "none"}
    assert detail["known"]["variable"]["status"] == "unknown"
    assert detail["known"]["reference"]["status"] in {"match", "none"}

    # A variable and an asteroid at the very place, known only now.
    target = found[0]
    place = {"RAJ2000": [target["ra"]], "DEJ2000": [target["dec"]]}
    write_csv(tmp_path / "vsx.csv", OID=[1], Name=["V1"], **place, Type=["M"], Period=[9.5])
    astrid("catalog", "add", "vsx.csv")
    (tmp_path / "MPCORB.DAT").write_text(line_of_mpcorb(target["ra"], target["dec"], target["mjd"]) + "\n")
    astrid("catalog", "add", "MPCORB.DAT")
    matched = astrid.json("catalog", "match")
    assert matched == {"matched": len(found), "left": 0}
    assert astrid.json("catalog", "match") == {"matched": 0, "left": 0}
    text = astrid("candidates", "show", target["id"])
    assert "V1" in text
    assert "period 9.5 d" in text
    assert "(99999) Here" in text
    assert {one["name"] for one in astrid.json("catalog", "list")} == {"field", "vsx", "MPCORB"}
    near = astrid.json("catalog", "near", target["ra"], target["dec"], "--radius", "1arcsec")
    assert "V1" in {one["name"] for one in near}

    # Its light curve in all frames, what moves, and a chart to find it by.
    object_id = detail["object_id"]
    assert astrid.json("objects", "forced", object_id)["left"] == 0
    curve = astrid.json("candidates", "show", target["id"])["light_curve"]
    assert len({point["mjd"] for point in curve}) == len(curve) <= 3
    moving = astrid.json("objects", "tracklets", "--all")
    assert all(one["n"] == len(one["candidates"]) for one in moving)
    chart = astrid.json("chart", object_id, "--size", "2arcmin", "-o", "chart.png")
    assert chart["offset_stars"]
    assert Path(chart["file"]).read_bytes().startswith(b"\x89PNG")
    drawn = astrid("chart", object_id, "--size", "2arcmin", "--drawing", "ascii")
    assert "N up, E left" in drawn
    assert "from A go" in drawn
    astrid("catalog", "remove", "vsx", "--yes")
    assert "there is no catalogue" in (astrid("catalog", "remove", "vsx", "--yes", code=1) or astrid.said)


def test_bodies_of_a_simulated_night_are_linked_when_a_run_ends(
    astrid: Command, tmp_path: Path, no_network: None
) -> None:
    night = simulate_night(tmp_path / "frames", frames=4, size=384, seed=1, references=2)
    astrid("init")
    astrid("ingest", *night.calibration)
    astrid("reference", "build", *night.reference)
    astrid("ingest", *night.science)
    astrid("run")
    bodies = Table.read(night.truth)
    bodies = bodies[bodies["kind"] == "moving"]
    assert len(bodies) >= 3
    with closing(open_store(f"sqlite:///{tmp_path / 'astrid.db'}")) as store, store.read() as session:
        kept = session.exec(select(Tracklet)).all()  # as the run left them
        members = {
            row.id: (row.ra, row.dec, row.mjd) for row in session.exec(select(Candidate).join(TrackletMember))
        }
    assert len(kept) >= 1
    truth = np.array([bodies["ra"], bodies["dec"]]).T
    for ra, dec, _ in members.values():
        apart = separation_deg(truth[:, 0], truth[:, 1], ra, dec) * 3600.0
        assert apart.min() < 2.0  # no member is anything but a body
    assert len(astrid.json("objects", "tracklets")) == len(kept)
