"""The demo: the whole way on a simulated night, told with honest numbers, and done once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from astropy.table import Table

from astrid_tui.cli.invocation import print_table
from astrid_tui.demo import (
    DemoRefused,
    DemoSummary,
    Recovery,
    _must_be_free,
    compare,
    demo_settings,
    run_demo,
    streaks_found,
)
from core.catalogs.library import Library
from core.database.tables import Candidate
from tests.astrid_tui import documented
from tests.astrid_tui.command import Command


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoSummary, list[tuple[int, int]]]:
    folder = tmp_path_factory.mktemp("demo")
    steps: list[tuple[int, int]] = []

    def progress(done: int, total: int, _: str) -> None:
        steps.append((done, total))

    summary = run_demo(folder, frames=3, size=256, seed=3, workers=1, progress=progress)
    return folder, summary, steps


def test_every_frame_is_done_and_bright_changes_are_found(
    demo: tuple[Path, DemoSummary, list[tuple[int, int]]],
) -> None:
    _, summary, _ = demo
    assert summary.counts == {"calibration": 13, "done": 3}
    injected = sum(each.injected for each in summary.recovered.values())
    found = sum(each.found for each in summary.recovered.values())
    assert injected >= 3
    assert found >= 0.8 * injected
    assert summary.unexplained <= 3
    assert summary.record()["recovered"]["transient"].keys() == {"injected", "found"}
    assert any("3 done" in line for line in summary.lines())
    assert summary.streaks.injected == 1
    assert any("of 1 streaks" in line for line in summary.lines())


def test_frames_have_the_zeropoints_of_the_simulated_stars(
    demo: tuple[Path, DemoSummary, list[tuple[int, int]]],
) -> None:
    folder, summary, _ = demo
    kinds = {each.name: each for each in Library(folder / "home").catalogs()}
    assert {name: each.kind for name, each in kinds.items()} == {"stars": "stars", "galaxies": "galaxies"}
    truth = json.loads((folder / "night" / "simulation.json").read_text())
    expected = [each["zeropoint"] for each in truth["frames"] if each["file"].startswith("science")]
    assert summary.zeropoints == pytest.approx((min(expected), max(expected)), abs=0.03)
    assert any("Zeropoints" in line for line in summary.lines())


def test_progress_only_rises(demo: tuple[Path, DemoSummary, list[tuple[int, int]]]) -> None:
    _, _, steps = demo
    done = [each for each, _ in steps]
    assert done == sorted(done)
    assert {total for _, total in steps} == {100}


def test_a_second_call_does_nothing_again(demo: tuple[Path, DemoSummary, list[tuple[int, int]]]) -> None:
    folder, first, _ = demo
    again = run_demo(folder, frames=3, size=256, seed=3, workers=1)
    assert (again.counts, again.candidates, again.objects) == (first.counts, first.candidates, first.objects)
    assert again.recovered == first.recovered
    assert len(list((folder / "home" / "references").glob("*.fits"))) == 1


@pytest.mark.parametrize(
    ("files", "is_free"),
    [
        ((), True),
        (("night/",), True),  # ended before it began
        (("night/simulation.json",), True),
        (("night/simulation.json", "home/astrid.db", "my notes.txt"), True),
        (("thesis.tex",), False),
        (("home/astrid.db",), False),  # of another night
        (("night/a.fits",), False),
        (("night/simulation.json", "thesis.tex"), False),
        ((".hidden",), False),
    ],
)
def test_it_mixes_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, files: tuple[str, ...], is_free: bool
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for name in files:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("mine")
    if is_free:
        _must_be_free(folder)
        return
    before = sorted(folder.rglob("*"))
    astrid = Command(monkeypatch, capsys.readouterr)
    astrid("demo", folder, "--headless", code=2)
    assert astrid.said == f"astrid: {folder} is not empty and holds no demo: choose another folder\n"
    assert sorted(folder.rglob("*")) == before


def test_it_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoRefused, match="Not a directory"):
        run_demo(tmp_path / "file")
    _must_be_free(tmp_path / "new")


def test_it_stays_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRID_HOME", "/nowhere")
    monkeypatch.setenv("ASTRID_STORE__URL", "postgresql://real/store")
    settings = demo_settings(tmp_path)
    assert settings.home == tmp_path / "home"
    assert settings.store_url == f"sqlite:///{tmp_path / 'home' / 'astrid.db'}"


def candidate(x: float, y: float) -> Candidate:
    return Candidate(external_id="", sky_object_id=1, frame="a.fits", mjd=0.0, snr=9.0, x_frame=x, y_frame=y)


def test_the_truth_is_matched_frame_by_frame() -> None:
    nan = float("nan")
    truth = Table(
        rows=[
            ("science/a.fits", "transient", 10.0, 10.0, nan, nan, 30.0),
            ("science/a.fits", "transient", 50.0, 50.0, nan, nan, 30.0),
            ("science/a.fits", "fading", 80.0, 20.0, nan, nan, -4.0),
            ("science/a.fits", "streak", 0.0, 100.0, 100.0, 100.0, nan),
            ("science/b.fits", "transient", 10.0, 10.0, nan, nan, 30.0),
        ],
        names=("file", "kind", "x", "y", "x_end", "y_end", "snr_change"),
    )
    places = [(11.0, 11.0), (80.5, 20.0), (60.0, 102.0), (120.0, 100.0), (200.0, 200.0)]
    recovered, unexplained = compare([candidate(*place) for place in places], truth, {"a.fits"})
    assert recovered["transient"] == Recovery(injected=2, found=1)
    assert recovered["fading"] == Recovery(injected=0, found=0)  # too faint to be required
    assert unexplained == 2  # beyond the streak's end, and alone


def test_a_streak_is_found_where_one_candidate_is_a_streak_on_its_line() -> None:
    rows = [
        ("science/a.fits", "streak", 0.0, 100.0, 100.0, 100.0),
        ("science/b.fits", "streak", 0.0, 0.0, 50.0, 0.0),
    ]
    truth = Table(rows=rows, names=("file", "kind", "x", "y", "x_end", "y_end"))
    streak = candidate(60.0, 102.0)
    streak.features = {"streak_length": 90.0}
    assert streaks_found([streak], truth, {"a.fits", "b.fits"}) == Recovery(injected=2, found=1)
    assert streaks_found([candidate(60.0, 102.0)], truth, {"a.fits"}) == Recovery(injected=1, found=0)


def test_the_share_of_injected_sources_is_the_settings(tmp_path: Path, monkeypatch, capsys) -> None:
    asked = {}

    def run_demo(folder: Path, **more: object) -> DemoSummary:
        asked.update(more)
        return DemoSummary(str(folder), {}, {}, 0, 0, {}, 0)

    monkeypatch.setattr("astrid_tui.demo.run_demo", run_demo)
    monkeypatch.setenv("ASTRID_FAKES__SHARE", "0.25")
    Command(monkeypatch, capsys.readouterr)("demo", tmp_path, "--headless")
    fakes = asked["fakes"]
    assert fakes.share == 0.25
    assert demo_settings(tmp_path, fakes).fakes.share == 0.25
    assert demo_settings(tmp_path).fakes.share == 0.0


LISTS = (
    ("queue", "list", "--filter", "id>0"), ("runs", "list"), ("status",), ("candidates", "list"),
    ("objects", "list"), ("objects", "show", "1"), ("objects", "lightcurve", "1"), ("catalog", "list"),
    ("catalog", "near", "RA", "DEC", "--radius", "120arcsec"), ("reference", "list"), ("models", "list"),
    ("power",), ("keys",), ("why", "RA", "DEC"), ("forced", "RA", "DEC"),
)  # fmt: skip
LONG = {
    "frame": "a_camera_of_a_telescope-20250314-0123-e91.fits.fz[SCI,1]",
    "object": "AID J102847.67-202506.4",
    "reason": "no reference of this field and filter: 12 others are there, none of which covers a tenth",
}


def test_no_table_is_wider_than_a_terminal_of_80_columns(
    demo: tuple[Path, DemoSummary, list[tuple[int, int]]], monkeypatch, capsys
) -> None:
    folder, _, _ = demo
    monkeypatch.setenv("ASTRID_HOME", str(folder / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    astrid = Command(monkeypatch, capsys.readouterr)
    first = astrid.json("candidates", "list")[0]
    place = {"RA": f"{first['ra']:.6f}", "DEC": f"{first['dec']:.6f}"}
    tables = 0

    def checked(headings, rows, **how) -> None:
        nonlocal tables
        longest = [
            tuple(LONG.get(name, cell) for name, cell in zip(headings, row, strict=True)) for row in rows
        ]
        for told in (rows, longest):
            with monkeypatch.context() as terminal:
                terminal.setattr(sys.stdout, "isatty", lambda: True)
                print_table(headings, told, **how)
            lines = capsys.readouterr().out.splitlines()
            assert len(lines) > len(rows)
            assert max(map(len, lines)) <= 80, lines
        tables += 1

    for name, module in list(sys.modules.items()):
        if name.startswith("astrid_tui.cli.") and hasattr(module, "print_table"):
            monkeypatch.setattr(module, "print_table", checked)
    for words in LISTS:
        before = tables
        astrid(*(place.get(word, word) for word in words))
        assert tables > before, words


ARGUMENTS = {
    "queue list": ("--filter", "id>0", "--history"), "queue show": ("14",), "ingest": ("SCIENCE",),
    "runs show": ("1",), "reference show": ("1",),
    "candidates show": ("1",), "candidates label": ("2", "dipole"), "candidates note": ("2", "a note"),
    "objects show": ("1",), "objects lightcurve": ("1",), "why": ("RA", "DEC"), "forced": ("RA", "DEC"),
    "diff": ("--depth", "NEW", "REF"), "catalog near": ("RA", "DEC", "--radius", "120arcsec"),
    "candidates filters": ("--save", "mine", "snr>7 or mag<18"), "db backup": ("BACKUP",),
    "chart": ("1",), "models card": ("tree",), "models retrain": ("--dry-run",),
    "candidates export": ("-o", "EXPORT"), "reference add": ("REF",), "reference build": ("EARLIER",),
}  # fmt: skip
# They take longer, or more than a demo has: where they are tested, `Command.json` holds them to the document.
ELSEWHERE = {
    "candidates label --from",
    "deploy",
    *(f"models train {each}" for each in ("unet", "realbogus", "tree", "outliers", "ensemble")),
    *(
        f"models {each}"
        for each in ("promote", "rollback", "sync", "evaluate", "examples", "score", "import", "stop")
    ),
}


def test_what_json_prints_is_documented(
    demo: tuple[Path, DemoSummary, list[tuple[int, int]]], monkeypatch, capsys, tmp_path
) -> None:
    folder, _, _ = demo
    monkeypatch.setenv("ASTRID_HOME", str(folder / "home"))
    astrid = Command(monkeypatch, capsys.readouterr)
    first = astrid.json("candidates", "list")[0]
    given = {
        "RA": f"{first['ra']:.6f}", "DEC": f"{first['dec']:.6f}", "SCIENCE": folder / "night" / "science",
        "NEW": folder / "night" / "science" / "science_001.fits",
        "REF": folder / "night" / "reference" / "reference_001.fits", "BACKUP": tmp_path / "copy.db",
        "EXPORT": tmp_path / "labels.csv", "EARLIER": folder / "night" / "reference",
    }  # fmt: skip
    told = documented.commands()
    assert ARGUMENTS.keys() | ELSEWHERE <= {each.removeprefix("astrid ") for each in told}
    for candidate, label, reviewer in ((1, "real", "a"), (1, "dipole", "b"), (3, "ask-expert", "a")):
        astrid("candidates", "label", candidate, label, "--reviewer", reviewer)
    for command, fields in told.items():
        name = command.removeprefix("astrid ")
        if name in ELSEWHERE:
            continue
        words = [given.get(each, each) for each in ARGUMENTS.get(name, ())]
        paths = documented.printed(astrid.json(*name.split(), *words))
        assert (command, documented.untold(paths, fields)) == (command, [])
        assert (command, documented.unprinted(paths, fields)) == (command, [])
