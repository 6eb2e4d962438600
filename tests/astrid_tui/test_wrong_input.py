"""What a user may get wrong at the command line: one sentence and an exit code, never a traceback."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from core.database.store import Store
from core.database.tables import Observation
from pipeline.simulate.pair import simulate_pair
from tests.astrid_tui.command import Command
from tests.builders import add_night

FAR_TOO_LARGE = 10**23


@pytest.fixture
def astrid(tmp_path, store_url, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", store_url)
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "image.fits"
    fits.writeto(path, np.ones((40, 40), dtype=np.float32))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("candidates", "show", FAR_TOO_LARGE),
        ("candidates", "label", FAR_TOO_LARGE, "real"),
        ("queue", "show", FAR_TOO_LARGE),
        ("queue", "retry", 1, FAR_TOO_LARGE),
        ("queue", "priority", 1, "--to", -FAR_TOO_LARGE),
        ("runs", "show", FAR_TOO_LARGE),
        ("runs", "list", "--before", FAR_TOO_LARGE),
        ("runs", "list", "--limit", FAR_TOO_LARGE),
        ("status", "--after", FAR_TOO_LARGE),
        ("status", "--limit", FAR_TOO_LARGE),
        ("models", "card", "realbogus", FAR_TOO_LARGE),
        ("models", "promote", "realbogus", FAR_TOO_LARGE),
        ("candidates", "search", "--like", FAR_TOO_LARGE),
        ("candidates", "search", "--unlike", FAR_TOO_LARGE),
        ("health", "ack", FAR_TOO_LARGE),
        ("why", "--pixel", 1, 1, "--reference", FAR_TOO_LARGE),
        ("forced", "--pixel", 1, 1, "--reference", FAR_TOO_LARGE),
    ],
)
def test_a_number_that_no_store_can_hold_is_wrong_usage(
    astrid: Command, store: Store, words: tuple[object, ...]
) -> None:
    astrid(*words, code=2)
    assert "is out of range" in astrid.said


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("candidates", "show", 77), "candidate 77"),
        (("show", 77), "candidate 77"),
        (("show", FAR_TOO_LARGE), "candidate"),
        (("runs", "show", 77), "run 77"),
        (("queue", "show", 77), "frame 77"),
        (("models", "card", "nope"), "model 'nope'; there are realbogus"),
    ],
)
def test_what_is_not_there_is_a_failure(
    astrid: Command, store: Store, words: tuple[object, ...], what: str
) -> None:
    astrid(*words, code=1)
    assert f"astrid: there is no {what}" in astrid.said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("candidates", "list", "--filter", "frame:\udcff*"), 0),
        (("queue", "list", "--filter", "path:*\udcff"), 0),
        (("candidates", "filters", "--save", "mine", "field:\udcff"), 0),
        (("candidates", "show", "\udcff"), 1),
        (("candidates", "show", "9" * 5000), 2),  # Python itself makes no number of so many digits
        (("candidates", "undo", "--reviewer", "x" * 101), 2),
        (("candidates", "undo", "--reviewer", "Any"), 2),
        (("objects", "show", "\udcff"), 1),
        (("why", 10, 20, "--frame", "\udcff"), 1),
        (("candidates", "undo", "--reviewer", "\udcff"), 0),
        (("candidates", "experts", "--expert", "\udcff"), 0),
        (("candidates", "stats", "--reviewer", "\udcff"), 0),
    ],
)
def test_bytes_that_are_no_text_and_words_without_end_are_a_name_that_nothing_has(
    astrid: Command, store: Store, words: tuple[object, ...], code: int
) -> None:
    astrid(*words, code=code)
    assert "Traceback" not in astrid.said


@pytest.mark.parametrize(("columns", "lines"), [("1", "1"), ("1000000", "1000000")])
def test_a_terminal_that_says_an_absurd_size_is_drawn_on_within_bounds(
    astrid: Command, store: Store, image: Path, monkeypatch: pytest.MonkeyPatch, columns: str, lines: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", lines)
    fits.PrimaryHDU(np.arange(64.0 * 64.0).reshape(64, 64)).writeto(image, overwrite=True)
    drawn = astrid("show", image, "--drawing", "ascii").splitlines()
    assert 4 < len(drawn) <= 500 + 6  # of the image, and of what was taken of its header
    assert 8 <= max(map(len, drawn)) <= 1000
    astrid("show", image, "--width", 1_000_000, code=2)
    add_night(store)
    chart = astrid("chart", 1, "--drawing", "ascii").splitlines()
    assert 8 <= len(chart) <= 510
    assert 16 <= max(map(len, chart)) <= 1000


def test_an_export_that_cannot_be_written_says_why(astrid: Command, store: Store, tmp_path: Path) -> None:
    astrid("candidates", "export", "-o", tmp_path / "none" / "x.csv", code=1)
    assert "x.csv: there is no folder" in astrid.said
    astrid("candidates", "export", "-o", tmp_path, code=1)
    assert f"cannot write to {tmp_path}: it is no regular file" in astrid.said


def test_an_export_to_a_device_leaves_the_device_there(astrid: Command, store: Store, tmp_path: Path) -> None:
    add_night(store, objects=1, epochs=1)
    device = tmp_path / "device"
    device.symlink_to("/dev/null")  # were it replaced, this name would be a file of its own
    astrid("candidates", "export", "-o", device)
    assert device.is_symlink()
    assert device.is_char_device()


def test_a_candidate_is_shown_with_the_digits_of_its_place(astrid: Command, store: Store) -> None:
    first = add_night(store, objects=1, epochs=1)[0]
    record = astrid.json("candidates", "show", first)
    shown = astrid("candidates", "show", first)
    for name, digits in (("ra", 6), ("dec", 6), ("mjd", 5)):
        assert f"{record[name]:.{digits}f}" in shown
    assert "None" not in shown


@pytest.mark.parametrize(
    "option", ["--gain=0", "--gain=-1", "--gain=nan", "--saturation=0", "--read-noise=-4"]
)
def test_a_detector_that_cannot_be_is_wrong_usage(astrid: Command, image: Path, option: str) -> None:
    astrid("diff", image, image, option, code=2)
    assert option.partition("=")[0] in astrid.said


def test_an_input_is_not_replaced_by_the_output(astrid: Command, image: Path, tmp_path: Path) -> None:
    before = image.read_bytes()
    (tmp_path / "alias.fits").symlink_to(image)
    for output in (image, tmp_path / "alias.fits"):
        astrid("diff", image, tmp_path / "other.fits", "-o", output, code=2)
        assert "is an input" in astrid.said
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "why"), [("none/x.fits", "there is no folder none"), (".", "no regular file")]
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(
    astrid: Command, image: Path, output: str, why: str
) -> None:
    astrid("diff", image, image, "-o", output, code=1)
    assert why in astrid.said


def test_a_home_that_cannot_be_made_is_one_sentence(
    astrid: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "file"))
    astrid("init", code=1)
    assert astrid.said.startswith(f"astrid: cannot write to {tmp_path / 'file'}: it is a file")


def test_a_store_that_is_not_there_is_told_by_the_check(
    astrid: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/none/astrid.db")
    astrid("db", "check", code=4)
    assert "run `astrid init`" in astrid.said
    assert not (tmp_path / "none").exists()
    assert "was made" in astrid("db", "upgrade")
    assert "as it should be" in astrid("db", "check")


def test_a_folder_with_nothing_to_take_is_told_and_no_failure(astrid: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert astrid("ingest", empty) == "No FITS files and no alert packets there.\n"
    assert astrid.json("ingest", empty) == []


def test_a_path_that_is_not_there_is_told_and_not_kept(astrid: Command, store: Store, tmp_path: Path) -> None:
    told = astrid.json("ingest", tmp_path / "mistyped.fits", code=1)
    assert [(each["id"], each["state"], each["reason"]) for each in told] == [
        (None, "rejected", "there is no such file or folder")
    ]
    assert astrid.json("queue", "list")["counts"] == {}


def test_a_folder_that_ingest_cannot_list_is_told(astrid: Command, tmp_path: Path, barred) -> None:
    (tmp_path / "night" / "ccd2").mkdir(parents=True)
    barred(tmp_path / "night" / "ccd2")
    (told,) = astrid.json("ingest", tmp_path / "night", code=3)
    assert (told["id"], told["state"]) == (None, "rejected")
    assert told["reason"] == "this folder cannot be read: Permission denied"
    assert told["file"].endswith("ccd2")
    astrid.json("ingest", tmp_path / "night" / "ccd2", code=1)  # of what was named nothing could be read


def test_a_reference_is_retired_by_its_number(astrid: Command, store: Store) -> None:
    astrid("reference", "retire", 7, code=1)
    assert "there is no reference 7" in astrid.said
    add_night(store, objects=1, epochs=1)
    (row,) = astrid.json("reference", "list")
    assert row["is_current"]
    astrid("reference", "retire", row["id"])
    assert not astrid.json("reference", "list")[0]["is_current"]


def test_a_subtraction_names_the_file_at_fault(astrid: Command, image: Path, tmp_path: Path) -> None:
    astrid("diff", tmp_path / "none.fits", image, code=1)
    assert f"astrid: {image}: " in astrid.said  # it holds one value everywhere, and is read first
    (tmp_path / "text.fits").write_text("no image")
    astrid("diff", image, tmp_path / "text.fits", code=1)
    assert f"astrid: {tmp_path / 'text.fits'}: it is not a FITS file" in astrid.said


def test_an_extension_is_named(astrid: Command, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(100.0, 5.0, (64, 64)).astype(np.float32)
    file = tmp_path / "mef.fits"
    images = [fits.ImageHDU(pixels, name="SCI"), fits.ImageHDU(pixels[:40], name="OTHER")]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(file)
    shown = astrid("show", f"{file}[other]", "--drawing", "ascii")
    assert "64 x 40" in shown
    assert "gain -, read noise -, full at -, airmass -\nno WCS\n" in shown
    astrid("show", f"{file}[THIRD]", code=1)
    assert "no extension is named THIRD; there are PRIMARY, SCI, OTHER" in astrid.said


def test_what_the_system_refuses_is_one_sentence(
    astrid: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/file")

    monkeypatch.setattr("core.review.candidates.page", full)
    astrid("candidates", "list", code=1)
    assert astrid.said == "astrid: /somewhere/file: No space left on device\n"


def test_frames_of_two_filters_are_subtracted_with_a_warning(astrid: Command, tmp_path: Path) -> None:
    pair = simulate_pair(320, 3, n_stars=90)
    for name, image, band in (("new", pair.new, "g"), ("ref", pair.ref, "r")):
        header = pair.wcs_ref.to_header()
        header["GAIN"], header["RDNOISE"], header["FILTER"] = 1.0, 6.0, band
        fits.writeto(tmp_path / f"{name}.fits", image, header)
    told = astrid.json("diff", tmp_path / "new.fits", tmp_path / "ref.fits")
    assert told["warnings"] == [
        "NEW is of filter g and REF of r: stars of other than the usual colour remain"
    ]


def test_a_verdict_that_there_is_not_is_told_with_those_that_there_are(astrid: Command, store: Store) -> None:
    astrid("candidates", "label", 1, "bogus", code=2)
    assert (
        "Invalid value for 'VERDICT': 'bogus' is no verdict: real, supernova, variable, nuclear, moving"
        " (real); artefact, dipole, cosmic-ray, trail, poor-subtraction (bogus); indeterminate, snooze,"
        " ask-expert (neither)" in astrid.said
    )


def test_a_group_that_is_given_no_command_says_which_it_has_in_lines(astrid: Command) -> None:
    astrid("queue", code=2)
    assert astrid.said.startswith("Usage: astrid queue [OPTIONS] COMMAND [ARGS]...\n\n")
    assert "\n  retry  " in astrid.said


def test_an_option_of_its_commands_is_told_to_whoever_gives_it_to_the_group(astrid: Command) -> None:
    astrid("health", "--json", code=2)
    assert "No such option: --json; it goes behind one of check, list, ack\n" in astrid.said
    astrid("health", "--jsn", code=2)
    assert "goes behind" not in astrid.said
    astrid("health", "check", "--jsn", code=2)
    assert "--json" in astrid.said


@pytest.mark.parametrize(
    "words",
    [
        ("objects", "tracklets", "--night", "\x1b[31m\x07"),
        ("objects", "\x1b[31m\x07"),
        ("\x1b[31m\x07",),
        ("--\x1b[31m\x07",),
        ("objects", "tracklets", "--night", "A" * 100_000),
    ],
)
def test_a_wrong_word_is_quoted_displayable_and_short(
    astrid: Command, store: Store, words: tuple[str, ...]
) -> None:
    astrid(*words, code=2)
    assert "\x1b" not in astrid.said
    assert "\x07" not in astrid.said
    assert len(astrid.said) < 2000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("candidates", "list", "--filter"), "Option '--filter' requires an argument."),
        (("--config",), "Option '--config' requires an argument."),
        (("--limit", "3"), "No such option: --limit"),
        (("candidates", "list", "--limit", "x"), "Invalid value for '--limit': a whole number is needed"),
        (("candidates", "list", "--limit", "0"), "'--limit': it should be greater than or equal to 1"),
        (("queue", "show", "1.5"), "Invalid value for 'FRAME': a whole number is needed"),
        (("watch", "/none/here"), "Invalid value for 'FOLDER': folder '/none/here' does not exist."),
        (("objects", "--kept"), "No such option: --kept; it goes behind one of tracklets"),
    ],
)
def test_what_an_option_lacks_is_said_in_plain_words(
    astrid: Command, store: Store, words: tuple[str, ...], said: str
) -> None:
    astrid(*words, code=2)
    assert said in " ".join(astrid.said.split())


def test_a_reason_of_bytes_that_are_no_text_is_kept(astrid: Command, store: Store) -> None:
    with store.write() as db:
        db.add(Observation(content="o", frame="a.fits", path="a.fits", created_at=1.0, state="queued"))
    astrid("queue", "drop", 1, "--reason", "clouds \udcff", "--yes")
    assert astrid.json("queue", "show", 1)["reason"] == "clouds ?"
