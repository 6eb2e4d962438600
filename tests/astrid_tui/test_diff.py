"""`astrid diff` at the command line: what it says of two files, and what it leaves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.classify import classify, unet
from pipeline.classify.shipped import ShippedModel
from pipeline.simulate.pair import simulate_pair
from tests.astrid_tui.command import Command
from tests.pipeline.synthetic import star_frame

SIDE = 320


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """A folder with new.fits and ref.fits of one field."""
    folder = tmp_path_factory.mktemp("pair")
    made = simulate_pair(SIDE, 3, n_stars=90)
    for name, image, mjd in (("new", made.new, 60100.25), ("ref", made.ref, 60000.25)):
        header = made.wcs_ref.to_header()
        header["GAIN"], header["RDNOISE"], header["FILTER"], header["MJD-OBS"] = 1.0, 6.0, "r", mjd
        header["EXPTIME"] = 60.0
        fits.writeto(folder / f"{name}.fits", image, header)
    return folder


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys, pair) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(pair)
    return Command(monkeypatch, capsys.readouterr)


def test_sources_are_scored_by_the_models_without_a_store(astrid: Command, tmp_path: Path) -> None:
    out = tmp_path / "d.fits"
    told = astrid.json("diff", "new.fits", "ref.fits", "-o", out)
    sources = told["sources"]
    assert sources
    assert all(0.0 <= each["score"] == each["scores"]["ensemble"] <= 1.0 for each in sources)
    assert {"realbogus", "tree", "unet"} <= {*sources[0]["scores"]}
    with fits.open(out) as files:
        rows = {(row["x"], row["y"]): (row["score"], row["kind"]) for row in files["SOURCES"].data}
    assert rows == {(each["x"], each["y"]): (each["score"], each["kind"]) for each in sources}
    least = sorted(each["score"] for each in sources)[len(sources) // 2]
    some = astrid.json("diff", "new.fits", "ref.fits", "--min-score", least)["sources"]
    assert some == [each for each in sources if each["score"] >= least]


def test_any_number_of_threads_finds_the_same_to_the_last_bit(
    astrid: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(unet.UNet.log_odds, "__defaults__", (64,))  # tiles of the frame
    asked, look = [], unet.UNet.log_odds

    def log_odds(*given, at_once, **words):
        asked.append(at_once)
        return look(*given, at_once=at_once, **words)

    monkeypatch.setattr(unet.UNet, "log_odds", log_odds)
    monkeypatch.setenv("ASTRID_RUN__THREADS", "1")
    told, written = [], []
    for threads in ([], ["--threads", 2], ["--threads", 7]):
        out = tmp_path / f"d{len(told)}.fits"
        told.append(astrid.json("diff", "new.fits", "ref.fits", "-o", out, *threads))
        del told[-1]["seconds"]
        with fits.open(out) as files:
            written.append([hdu.data.tobytes() for hdu in files if hdu.data is not None])
    assert told[1] == told[2] == told[0]
    assert written[1] == written[2] == written[0]
    assert asked == [1, 2, 2]


def test_models_that_are_damaged_leave_the_difference(
    astrid: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = {name: ShippedModel(tmp_path / name, "0" * 64) for name in classify.SHIPPED}
    monkeypatch.setattr(classify, "SHIPPED", gone)
    monkeypatch.setenv("ASTRID_DETECT__UNET", "false")
    told = astrid("diff", "new.fits", "ref.fits", "--min-score", 0.9)
    assert "realbogus" in astrid.said
    assert "is refused" in astrid.said
    assert "score" not in told.splitlines()[-2] + told.splitlines()[-3]
    plain = astrid("diff", "new.fits", "ref.fits", "--no-score")
    assert told.splitlines()[-1].startswith(plain.splitlines()[-1])
    assert astrid.said == ""


def test_a_least_score_needs_scores(astrid: Command) -> None:
    astrid("diff", "new.fits", "ref.fits", "--no-score", "--min-score", 0.5, code=2)
    assert "--no-score" in astrid.said


def test_a_file_is_replaced_only_when_told_and_an_input_never(astrid: Command, tmp_path: Path) -> None:
    planes = tmp_path / "planes.npz"
    np.savez(
        planes, **dict.fromkeys(("new", "ref", "diff"), np.random.default_rng(1).normal(size=(2, 63, 63)))
    )
    before = planes.read_bytes()
    astrid("models", "score", planes, "-o", planes, "--force", code=2)
    assert "is an input" in astrid.said
    assert planes.read_bytes() == before
    out = tmp_path / "scores.json"
    astrid("models", "score", planes, "-o", out)
    first = out.read_text()
    astrid("models", "score", planes, "-o", out, code=2)
    assert "--force replaces it" in astrid.said
    out.write_text("old")
    astrid("models", "score", planes, "-o", out, "--force")
    assert out.read_text() == first


def test_what_cannot_be_seen_gets_no_score(astrid: Command, tmp_path: Path) -> None:
    tiny, some = tmp_path / "tiny.npz", tmp_path / "some.npz"
    np.savez(tiny, new=np.ones((2, 2, 2)), ref=np.ones((2, 2, 2)), diff=np.ones((2, 2, 2)))
    assert {*astrid.json("models", "score", tiny, code=1)["scores"]["realbogus"]} == {None}
    assert "2 of 2 triplets have no score" in astrid.said
    noise = np.random.default_rng(1).normal(size=(2, 63, 63))
    blank = np.where(np.arange(2)[:, None, None] == 1, np.nan, noise)
    np.savez(some, new=noise, ref=np.full_like(noise, np.nan), diff=blank)
    first, second = astrid.json("models", "score", some, code=3)["scores"]["realbogus"]
    assert first is not None
    assert second is None
    assert "rows 1" in astrid.said


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (("diff", "new.fits", "ref.fits"), "fits"),
        (("objects", "lightcurve", "1"), "csv"),
        (("chart", "1"), "png"),
        (("models", "evaluate"), "png"),
        (("models", "examples"), "npz"),
        (("candidates", "export"), "csv"),
        (("candidates", "tns"), "json"),
    ],
)
def test_every_command_leaves_a_file_that_is_there(
    astrid: Command, words: tuple[str, ...], ending: str, tmp_path: Path
) -> None:
    there = tmp_path / f"there.{ending}"
    there.write_text("mine")
    astrid("init")
    astrid(*words, "-o", there, code=2)
    assert "--force replaces it" in astrid.said
    assert there.read_text() == "mine"


def test_a_difference_is_written_as_fits_alone(astrid: Command, tmp_path: Path) -> None:
    astrid("diff", "new.fits", "ref.fits", "-o", tmp_path / "x.txt", code=2)
    assert "must end in .fits" in astrid.said


def test_frames_in_the_wrong_order_are_told_and_strict_minds(astrid: Command) -> None:
    told = astrid.json("diff", "ref.fits", "new.fits", "--no-score", "--strict", code=3)
    assert told["warnings"] == ["NEW is 100 days older than REF: what faded since counts as brighter here"]
    assert told["registration_scatter_px"] >= told["registration_rms_px"]
    assert astrid.json("diff", "new.fits", "ref.fits", "--no-score", "--strict")["warnings"] == []


def test_a_frame_whose_wcs_is_far_off_is_subtracted_by_its_stars_and_told(
    astrid: Command, pair: Path, tmp_path: Path
) -> None:
    far = tmp_path / "far.fits"
    with fits.open(pair / "new.fits") as files:
        files[0].header["CRVAL2"] += 10.0
        files.writeto(far)
    told = astrid.json("diff", far, "ref.fits", "--no-score")
    assert len(told["warnings"]) == 1
    assert "The stars lie 10 degrees from where the frame's own WCS has them" in told["warnings"][0]
    near = astrid.json("diff", "new.fits", "ref.fits", "--no-score")["sources"]
    for one, other in zip(told["sources"], near, strict=True):
        assert [one[key] for key in ("x", "y")] == pytest.approx([other[key] for key in ("x", "y")], abs=0.01)
        assert (one["ra"], one["dec"]) == pytest.approx((other["ra"], other["dec"]), abs=1e-5)


def test_the_region_that_lies_worst_on_the_reference_is_told(astrid: Command, tmp_path: Path) -> None:
    """Stars that jitter by .4 px in one corner alone."""
    random = np.random.default_rng(5)
    x, y = random.uniform(8, 504, (2, 320))
    flux = 10.0 ** random.uniform(4.0, 5.0, 320)
    corner = (x > 341) & (y > 341)
    jitter = random.normal(0.0, 0.4, (2, 320)) * corner
    for name, at, seed in (("moved", (x + jitter[0], y + jitter[1]), 1), ("still", (x, y), 2)):
        stars = list(zip(*at, flux, strict=True))
        frame, _ = star_frame((512, 512), 3, noise_seed=seed, n_stars=0, extra=stars)
        header = fits.Header(
            {"GAIN": 1.0, "RDNOISE": 6.0, "FILTER": "r", "MJD-OBS": 60000.0 + seed, "EXPTIME": 60.0}
        )
        fits.writeto(tmp_path / f"{name}.fits", frame.data, header)
    given = "diff", tmp_path / "moved.fits", tmp_path / "still.fits", "--no-score"
    told = astrid.json(*given)
    regions = told["registration_regions"]
    middles = np.array([[each["x"], each["y"]] for each in regions])
    np.testing.assert_allclose(middles[::4], np.repeat(512 / 6 * np.array([[1], [3], [5]]) - 0.5, 2, axis=1))
    *others, worst = regions
    assert worst["rms_px"] > 0.15 > 3.0 * told["registration_rms_px"]
    assert worst["stars"] == pytest.approx(np.count_nonzero(corner) / 2, abs=6)
    assert max(each["rms_px"] for each in others) < 0.06
    lines = astrid(*given).splitlines()
    (line,) = [line for line in lines if line.startswith("worst of 9 regions, ")]
    assert f"around x 426, y 426: {worst['stars']} stars scatter by {worst['scatter_px']:.3f} px" in line
    assert line.endswith(f", {worst['rms_px']:.3f} px beyond noise")
    assert {"read", "calibrate", "stars", "reference", "align", "subtract", "detect"} <= told[
        "seconds"
    ].keys()
    (stages,) = [line for line in lines if line.startswith("read ")]
    assert [each.rsplit(" ", 2)[0] for each in stages.split(", ")] == list(told["seconds"])
    assert all(float(each.split()[-2]) >= 0.0 and each.endswith(" s") for each in stages.split(", "))


@pytest.fixture(scope="module")
def in_units(pair: Path) -> Callable[[float], tuple[Path, Path]]:
    """The pair in units so large, its headers telling no gain."""

    def written(unit: float) -> tuple[Path, Path]:
        paths = pair / f"{unit:g}" / "new.fits", pair / f"{unit:g}" / "ref.fits"
        paths[0].parent.mkdir(exist_ok=True)
        for path in paths:
            with fits.open(pair / path.name) as files:
                header = files[0].header.copy()
                del header["GAIN"], header["RDNOISE"]
                header["BUNIT"] = "Jy"
                data = (files[0].data.astype(float) * unit).astype(np.float32)
            fits.writeto(path, data, header, overwrite=True)
        return paths

    return written


@pytest.mark.parametrize("unit", [1e-9, 1e-18, 1e-28])
def test_what_is_found_is_the_same_in_whatever_unit_the_pixels_are(
    astrid: Command, in_units: Callable[[float], tuple[Path, Path]], unit: float
) -> None:
    usual, other = (astrid.json("diff", *in_units(each), "--no-score", "--depth") for each in (1.0, unit))
    assert usual["sources"]
    assert len(usual["sources"]) == len(other["sources"])
    for one, same in zip(usual["sources"], other["sources"], strict=True):
        assert (same["x"], same["y"]) == pytest.approx((one["x"], one["y"]), abs=0.01)
        assert same["snr"] == pytest.approx(one["snr"], rel=1e-3)
        assert same["flux"] / unit == pytest.approx(one["flux"], rel=1e-3)
        assert same["flux_err"] / unit == pytest.approx(one["flux_err"], rel=1e-3)
    assert other["score_std"] == pytest.approx(usual["score_std"], abs=1e-3)
    assert other["snr50"] == pytest.approx(usual["snr50"], rel=0.02)
    assert [each.split(":")[1] for each in other["warnings"]] == [" gain unknown"] * 2


def test_a_frame_against_itself_is_told(astrid: Command) -> None:
    (said,) = astrid.json("diff", "new.fits", "new.fits", "--no-score")["warnings"]
    assert "the same exposure" in said


def test_which_of_several_exposures_was_taken_is_told(astrid: Command, tmp_path: Path) -> None:
    made = [fits.ImageHDU(*_part("new.fits"), name=name) for name in ("CCD1", "CCD2")]
    made[1].data = made[1].data[::-1]  # one chip is no copy of the other
    fits.HDUList([fits.PrimaryHDU(), *made]).writeto(tmp_path / "both.fits")
    both = tmp_path / "both.fits"
    (said,) = astrid.json("diff", both, "ref.fits", "--no-score")["warnings"]
    assert said.endswith("of 2 exposures in the file, [1] (CCD1) is taken; the others are [2] (CCD2)")
    assert astrid.json("diff", f"{both}[CCD2]", "ref.fits", "--no-score")["warnings"] == []
    astrid("init")
    assert "both.fits[2]" in astrid("reference", "add", f"{both}[2]")
    built = astrid("reference", "build", both, "ref.fits[0]")
    assert "coadd of 2 frames" in built
    assert "both.fits: of 2 exposures in the file, [1] (CCD1) is taken" in astrid.said
    names = (f"{both}{which}" for which in ("[CCD2]", "[1]", "[7]"))
    built = astrid.json("reference", "build", *names, code=3)
    assert "is taken" not in astrid.said
    assert sorted(built["sources"]) == ["both.fits[1]", "both.fits[2]"]
    assert built["skipped"] == {"both.fits[7]": "extension 7 of the file is no exposure"}


def _part(name: str):
    with fits.open(name) as file:
        return file[0].data.copy(), file[0].header.copy()
