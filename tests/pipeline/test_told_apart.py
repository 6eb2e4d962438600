"""Files of one name are called by as many of their folders as it takes to tell them apart."""

from pathlib import Path

from pipeline.reference.told_apart import called, ends_of, file_part


def test_a_file_whose_name_no_other_has_is_called_by_it() -> None:
    one, other = Path("/data/a.fits"), Path("b.fits")
    assert ends_of([one, other]) == {one: "a.fits", other: "b.fits"}


def test_folders_are_named_as_far_as_they_are_needed() -> None:
    ends = {
        "/data/1/r/a.fits": "1/r/a.fits",
        "/data/2/r/a.fits": "2/r/a.fits",
        "/data/2/g/a.fits": "g/a.fits",
        "/r/a.fits": "/r/a.fits",
        "/data/2/g/b.fits": "b.fits",
    }
    assert ends_of(map(Path, ends)) == {Path(path): end for path, end in ends.items()}


def test_a_file_that_is_named_twice_is_one(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    twice = [Path("a.fits"), tmp_path / "a.fits"]
    assert ends_of(twice) == dict.fromkeys(twice, "a.fits")


def test_an_image_of_a_file_keeps_its_number() -> None:
    path = Path("/data/1/a.fits")
    ends = ends_of([path, Path("/data/2/a.fits")])
    assert called("a.fits[2]", path, ends) == "1/a.fits[2]"
    assert file_part("1/a.fits[2]") == file_part("a.fits[2]") == "a.fits[2]"
