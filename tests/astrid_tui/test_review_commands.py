"""What reviewers type at the command line: exports, reports, filters, verdicts and experts."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import update

from core.database.store import Store
from core.database.tables import Cutout, SkyObject
from core.frames import references
from core.objects.reference_light import told
from core.objects.sphere import zone_of
from core.review.cutouts import pack
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.builders import cutouts
from tests.core.frames import DEC, RA, reference_facts
from tests.core.rows import add_candidate, add_difference, add_object


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def judge(store: Store, who: str, candidate: int, label: Label, **more) -> None:
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={}, **more)


def test_an_export_goes_by_the_name_of_its_file_and_replaces_none(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    candidate = add_candidate(sqlite_store, ra=10.0, dec=20.0)
    there = tmp_path / "x.fits"
    there.write_bytes(b"an image")
    astrid("candidates", "export", "-o", there, code=2)
    assert "x.fits is there already: --force replaces it" in astrid.said
    assert there.read_bytes() == b"an image"
    astrid("candidates", "export", "-o", there, "--force")
    assert there.read_bytes().startswith(b"SIMPLE")
    astrid("candidates", "export", "-o", tmp_path / "x.jsonl")
    assert json.loads((tmp_path / "x.jsonl").read_text())["id"] == candidate
    astrid("candidates", "export", "-o", tmp_path / "x.txt", code=2)
    assert "'x.txt' ends in none of .csv" in astrid.said
    astrid("candidates", "export", "-o", tmp_path / "x.txt", "--format", "regions")
    assert (tmp_path / "x.txt").read_text().startswith("# Region file")
    for frame in ("b.fits", "c.fits"):
        add_candidate(sqlite_store, frame=frame)
    astrid("candidates", "export", "-o", tmp_path / "x.reg")
    assert "1 candidate exported" in astrid.said
    assert "2 of 3 are left out: they have no place on the sky" in astrid.said


def test_a_script_is_told_what_an_export_wrote(astrid: Command, sqlite_store: Store, tmp_path: Path) -> None:
    judge(sqlite_store, "vera", add_candidate(sqlite_store, ra=10.0, dec=20.0), Label.REAL)
    add_candidate(sqlite_store, frame="b.fits")
    told = astrid.json("candidates", "export", "-o", tmp_path / "x.reg")
    (chain,) = told.pop("chains")
    assert told == {
        "file": str(tmp_path / "x.reg"), "format": "regions", "candidates": 1, "left_out": 1,
        "judged_only": False,
    }  # fmt: skip
    assert (chain["session"], chain["sequence"]) == ("vera", 1)
    assert chain["hash"] in (astrid("candidates", "export", "-o", tmp_path / "x.csv") or astrid.said)
    astrid("candidates", "export", "--json", code=2)
    assert "name one" in astrid.said


def test_a_report_replaces_no_file_unless_told(astrid: Command, tmp_path: Path) -> None:
    there = tmp_path / "report.json"
    there.write_text("{}")
    astrid("candidates", "tns", "-o", there, code=2)
    assert "--force replaces it" in astrid.said


def test_a_saved_filter_stands_in_any_filter(astrid: Command, sqlite_store: Store) -> None:
    bright = add_candidate(sqlite_store, snr=20.0, mag=17.0)
    add_candidate(sqlite_store, snr=9.0, mag=19.0)
    astrid("candidates", "filters", "--save", "b2", "snr>8")
    astrid("candidates", "filters", "--save", "b3", "@b2 mag<18")
    assert astrid.json("candidates", "filters")[1]["expression"] == "snr>8 mag<18"
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "@b3")] == [bright]
    astrid("candidates", "search", "--filter", "@b3", code=1)
    assert "no candidate with cutouts" in astrid.said
    assert astrid.json("candidates", "tns", "--filter", "@b3") == []


def test_a_dispute_is_listed_with_what_settles_it_and_an_expert_is_asked_at_once(
    astrid: Command, sqlite_store: Store
) -> None:
    add_object(sqlite_store)  # so that the two numbers differ
    candidate = add_candidate(sqlite_store)
    judge(sqlite_store, "ada", candidate, Label.REAL)
    judge(sqlite_store, "bob", candidate, Label.DIPOLE)
    (dispute,) = astrid.json("candidates", "disagreements")
    assert dispute["candidate"] == candidate != dispute["object"]
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "disputed:yes")] == [candidate]
    astrid("candidates", "assign", dispute["object"], "adda", code=1)
    assert "adda is no expert by [review] experts, which names nobody, and gave no verdict" in astrid.said
    assert astrid.json("candidates", "experts") == []
    astrid("candidates", "assign", dispute["object"], "ada")
    assert "ada is no expert by [review] experts, which names nobody" in astrid.said
    assert astrid.json("candidates", "experts")[0]["expert"] == "ada"
    astrid("candidates", "assign", dispute["object"], "vera")
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "expert:me")] == [candidate]


def with_cutouts(store: Store, candidate: int, *, score: bool = False) -> None:
    content = cutouts(peak=9.0)
    planes = dataclasses.replace(content, score=content.diff) if score else content
    with store.write() as db:
        db.add(Cutout(candidate_id=candidate, pixels=pack(planes)))


def test_a_candidate_is_shown_with_facts_limits_and_score(astrid: Command, sqlite_store: Store) -> None:
    candidate = add_candidate(
        sqlite_store, add_object(sqlite_store, "AT9", ra=10.0, dec=20.0), snr=8.4, mag=19.5, filter="r"
    )
    said = astrid("show", candidate)
    assert "AT9" in said
    assert "+8.4σ" in said
    assert "19.50" in said
    assert "No images: no cutouts were kept." in said
    with_cutouts(sqlite_store, candidate, score=True)
    judge(sqlite_store, "ada", candidate, Label.DIPOLE, note="two halves")
    said = astrid("show", candidate, "--width", 200, "--drawing", "ascii")
    for word in ("AT9", "dipole by ada", "two halves", "new ", "reference ", "difference ±", "score ±"):
        assert word in said
    assert "faint sources are hidden" in said
    by_name = astrid.json("candidates", "show", astrid.json("candidates", "show", candidate)["object"])
    assert by_name["id"] == candidate
    assert "dipole by ada" in astrid("show", by_name["object"], "--width", 200, "--drawing", "ascii")
    said = astrid("show", candidate, "--width", 80, "--drawing", "half")
    assert "score ±" not in said
    assert "hidden" not in said


def test_what_is_no_file_and_no_number_is_named(astrid: Command) -> None:
    astrid("show", "abc", code=1)
    assert "there is no file abc, and no object is called so; a candidate has a number" in astrid.said


def test_a_blind_reviewer_hears_no_verdict_of_others_before_an_own_one(
    astrid: Command, sqlite_store: Store, monkeypatch
) -> None:
    monkeypatch.setenv("ASTRID_REVIEW__BLIND", "true")
    candidate = add_candidate(sqlite_store)
    judge(sqlite_store, "ada", candidate, Label.DIPOLE, note="two halves")
    assert astrid.json("candidates", "list")[0]["verdict"] is None
    told = astrid.json("candidates", "show", candidate)
    assert (told["verdict"], told["verdicts"], told["review_state"]) == (None, [], "unreviewed")
    assert "ada" not in astrid("show", candidate)
    astrid("candidates", "label", candidate, "real")
    assert astrid.json("candidates", "list")[0]["verdict"] == "real"
    assert len(astrid.json("candidates", "show", candidate)["verdicts"]) == 2


def test_the_list_shows_what_it_is_ordered_by(astrid: Command, sqlite_store: Store) -> None:
    for score in (0.25, 0.75):
        add_candidate(sqlite_store, score=score)
    heading, *rows = astrid("candidates", "list").splitlines()
    assert "score" in heading.split()
    assert ["0.75" in row for row in rows] == [True, False]


def test_a_verdict_that_stands_is_not_given_twice(astrid: Command, sqlite_store: Store) -> None:
    candidate = add_candidate(sqlite_store)

    def labelled(label: str, *more: str) -> tuple[bool, int]:
        told = astrid.json("candidates", "label", candidate, label, *more)
        return told["new"], len(astrid.json("candidates", "show", candidate)["verdicts"])

    assert labelled("dipole") == (True, 1)
    assert labelled("dipole") == (False, 1)
    assert "already, and nothing was changed" in astrid("candidates", "label", candidate, "dipole")
    assert labelled("dipole", "--note", "two halves #odd") == (True, 2)
    assert labelled("dipole", "--note", "two halves #odd") == (False, 2)
    assert labelled("dipole", "--tag", "new") == (True, 3)
    assert labelled("dipole", "--reviewer", "eve") == (True, 4)
    assert labelled("dipole") == (True, 5)  # else eve's would be in force
    astrid("candidates", "undo")
    assert labelled("dipole", "--reviewer", "eve") == (False, 6)
    with sqlite_store.write() as db:  # as a clear detection brings it back
        db.execute(update(SkyObject).values(review_state="unreviewed", review_label=None))
    assert labelled("dipole", "--reviewer", "eve") == (True, 7)
    assert labelled("real", "--reviewer", "eve") == (True, 8)


def test_a_verdict_is_noted_tagged_taken_back_and_given_again(astrid: Command, sqlite_store: Store) -> None:
    candidate = add_candidate(sqlite_store)
    astrid("candidates", "redo")
    astrid("candidates", "label", candidate, "real", "--note", "nice #Host", "--tag", "blue")
    assert f"real on candidate {candidate} is taken back" in astrid("candidates", "undo")
    assert f"Candidate {candidate} is real again." in astrid("candidates", "redo")
    astrid("candidates", "note", candidate, "look again #later")
    astrid("candidates", "note", candidate, code=2)
    assert "a note needs words or tags" in astrid.said
    astrid("candidates", "label", candidate, "real", "--tag", "two words", code=2)
    noted, again, retracted, first = astrid.json("candidates", "show", candidate)["verdicts"]
    assert (noted["note"], noted["tags"]) == ("look again #later", ["later"])
    assert (first["note"], first["tags"], again["tags"]) == (
        "nice #Host #blue",
        ["host", "blue"],
        ["host", "blue"],
    )
    assert (again["stands"], first["stands"], retracted["label"]) == (True, False, None)
    said = astrid("candidates", "show", candidate)
    assert re.search(r"\d{4}-\d\d-\d\d [\d:]{8} UTC, note by vera on candidate 1: look again #later", said)
    assert "real by vera on candidate 1, taken back since: nice #Host #blue" in said
    assert "stands" not in said
    assert astrid.json("candidates", "redo")["verdict"] is None
    assert len(astrid.json("candidates", "list", "--filter", "tag:later")) == 1


def test_labels_of_another_tool_are_told_first_and_stored_once(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    one, two = add_candidate(sqlite_store), add_candidate(sqlite_store)
    file = tmp_path / "labels.csv"
    file.write_text(f"id,verdict,note\n{one},real,\x1b[31mred\n{two},Bad,\n99,real,\n{two},\x1b[0mno,\n")
    told = astrid.json("--read-only", "candidates", "label", "--from", file, code=3)
    assert (told["stored"], told["counts"]) == (0, {"new": 1, "unmatched": 1, "unknown verdict": 2})
    assert [row["line"] for row in told["rows"]] == [2, 3, 4, 5]
    said = astrid("candidates", "label", "--from", file, "--map", "bad=poor-subtraction", code=3)
    assert "\x1b" not in said
    assert "2 new, 1 unmatched, 1 unknown verdict; nothing was stored: --yes does it" in said
    assert "--map WORD=VERDICT says what another word stands for" in said
    assert "'␛[0mno' is no verdict" in said
    assert [row["verdict"] for row in astrid.json("candidates", "list")] == [None, None]
    said = astrid("candidates", "label", "--from", file, "--map", "bad=poor-subtraction", "--yes", code=3)
    assert "2 new, 1 unmatched, 1 unknown verdict; 2 stored" in said
    told = astrid.json(
        "candidates", "label", "--from", file, "--map", "bad=poor-subtraction", "--yes", code=3
    )
    assert told["stored"] == 0
    assert told["counts"] == {"same": 2, "unmatched": 1, "unknown verdict": 1}
    said = astrid("candidates", "label", "--from", file, "--map", "bad=poor-subtraction", code=3)
    assert "1 unmatched, 1 unknown verdict; nothing was stored\n" in said, "--yes would store nothing either"
    astrid("candidates", "undo")
    assert astrid.json("candidates", "show", two)["verdict"] is None
    astrid("candidates", "redo")

    exported = tmp_path / "all.csv"  # what AstrID writes, it reads
    astrid("candidates", "export", "-o", exported)
    assert astrid.json("candidates", "label", "--from", exported)["counts"] == {"same": 2}


def test_a_verdict_and_a_file_of_them_are_two_things(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    candidate = add_candidate(sqlite_store)
    (tmp_path / "a.csv").write_text("id,verdict\n99,real\n")
    astrid("candidates", "label", candidate, "real", "--from", tmp_path / "a.csv", code=2)
    astrid("candidates", "label", "--from", tmp_path / "a.csv", "--map", "bogus", code=2)
    assert "'bogus' is no word with what it stands for" in astrid.said
    astrid("candidates", "label", "--from", tmp_path / "a.csv", "--radius", "3", code=2)
    astrid("candidates", "label", "--from", tmp_path / "a.csv", code=1)
    astrid("candidates", "label", "--from", tmp_path / "none.csv", code=2)
    assert "cannot read" in astrid.said
    astrid("candidates", "label", code=2)
    assert "name a candidate and a verdict, or a file of labels with --from" in astrid.said
    astrid("candidates", "label", candidate, "real", "--yes", code=2)
    astrid("candidates", "label", candidate, "real")


def test_a_verdict_real_tells_of_the_reference_that_holds_its_light(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    """The reference was made before anybody had judged: nothing was told of it then."""
    row = references.add(sqlite_store, reference_facts(mjd_first=60000.0, mjd_last=60010.0))
    seen = [add_candidate(sqlite_store, a_place(sqlite_store, arcsec), mjd=60005.0) for arcsec in (0, 9, 18)]
    astrid("candidates", "label", seen[0], "artefact")
    assert astrid.said == ""
    astrid("candidates", "label", seen[0], "supernova")
    assert astrid.said == f"warning: {told([row.id])}\n"
    assert astrid.json("candidates", "label", seen[1], "real")["in_references"] == [row.id]
    assert astrid.json("candidates", "show", seen[1])["in_references"] == [row.id]
    assert f"in_references      {told([row.id])}\n" in astrid("candidates", "show", seen[1])
    labels = tmp_path / "labels.csv"
    labels.write_text(f"candidate,verdict\n{seen[2]},real\n")
    astrid("candidates", "label", "--from", labels)
    assert astrid.said == ""
    astrid("candidates", "label", "--from", labels, "--yes")
    assert f"`astrid reference retire {row.id}`" in astrid.said


def a_place(store: Store, arcsec: float) -> int:
    dec = DEC + arcsec / 3600.0
    return add_object(store, ra=RA, dec=dec, zone=zone_of(dec))


def test_a_verdict_by_number_on_what_has_no_images_any_more_says_so(
    astrid: Command, sqlite_store: Store
) -> None:
    """Of a superseded detection `astrid db prune` removed them; an alert may never have had any."""
    frame, difference = add_difference(sqlite_store)
    superseded = {"observation_id": frame, "difference_id": difference, "is_current": False}
    old = add_candidate(sqlite_store, **superseded)
    alert = add_candidate(sqlite_store, source="ztf")
    astrid("candidates", "label", alert, "real")
    assert astrid.said == ""
    astrid("candidates", "label", old, "artefact")
    assert astrid.said.startswith(
        "warning: the verdict rests on no images. The images were removed as superseded: "
    )
    assert f"`astrid queue retry {frame}`" in astrid.said
    astrid("candidates", "label", old, "artefact")
    assert astrid.said == ""  # nothing was given


def test_what_was_said_is_told_alike_of_a_candidate_and_of_its_object(
    astrid: Command, sqlite_store: Store
) -> None:
    candidate = add_candidate(sqlite_store, a_place(sqlite_store, 0), mask_flags=17)
    name = astrid.json("candidates", "show", candidate)["object"]
    astrid("candidates", "label", candidate, "dipole", "--note", "close to a star")
    astrid("candidates", "undo")
    told = astrid("candidates", "show", candidate), astrid("objects", "show", name)
    for said in told:
        newest, oldest = (line for line in said.splitlines() if " by vera " in line)
        assert newest.endswith(f" UTC, taken back by vera on candidate {candidate}")
        assert oldest.endswith(
            f" UTC, dipole by vera on candidate {candidate}, taken back since: close to a star"
        )
    assert re.search(r"^mask_flags +17: bad pixels, interpolated$", told[0], re.MULTILINE)
