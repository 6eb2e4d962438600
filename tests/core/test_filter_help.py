"""Filters as they are typed: completed, explained, and kept by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.database.tables import CandidateMatch, Tracklet, TrackletMember
from core.review.filter_help import NAMES, Known, completions, explained
from core.review.filter_terms import NUMBERS, OTHERS, WORDS
from core.review.filters import FilterError, parse
from core.review.retractions import undo
from core.review.saved_filters import SavedFilterError, expanded, forget, offered, save, saved
from core.review.verdicts import annotate, decide
from core.review.waiting import queue_page
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_difference
from tests.core.test_filters import matching

ADA = {"session": "s", "reviewer": "ada"}
KNOWN = Known({"field": ["M31", "M 33"], "filter": ["r", "g"]}, ["faint", "mine"])


def test_every_name_is_explained_by_an_example_that_is_understood():
    assert set(NAMES) == {*NUMBERS, *WORDS, *OTHERS}
    for told in NAMES.values():
        assert parse(told.rpartition(" ")[2])


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sc", ["score>"]),
        ("snr>7 ver", ["snr>7 verdict:"]),
        ("snr>7 verdict:di", ["snr>7 verdict:dipole"]),
        ("filter:", ["filter:r", "filter:g"]),
        ("field:M", ["field:M31"]),
        ('field:"', ['field:"M 33"']),
        ("known:s", ["known:star", "known:solar"]),
        ("@m", ["@mine"]),
        ("score>0", []),
        ("snr>7 -ver", ["snr>7 -verdict:"]),
        ("-verdict:di", ["-verdict:dipole"]),
        ("snr>7 or (ver", ["snr>7 or (verdict:"]),
        ("snr>7 or -(verdict:di", ["snr>7 or -(verdict:dipole"]),
        ("-@m", ["-@mine"]),
        ("(@f", ["(@faint"]),
    ],
)
def test_what_a_line_may_become(line, offered):
    assert completions(line, KNOWN) == offered


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "all that awaits"),
        ("mag<", "magnitude: mag<20"),
        ("snr", "significance"),
        ("snr>7 verdict:none", "snr above 7 and no verdict"),
        ("near:10.68,41.27,30arcsec", "within 30″ of 10.68 +41.27"),
        ("near:10.68", "RA,DEC,RADIUS"),
        (
            "line:streak -line:row",
            "a streak and not one of several in a row",
        ),
        (
            "known:none tracklet:none",
            "nothing known there by any catalogue that was asked and in no tracklet",
        ),
        ("survey:none tag:none", "from our own frames and without tags"),
        ("colour:red", "there is no 'colour'"),
        ("sc", "what the queue is ordered by"),
        ("mag<20 s", "one of score, snr, source, state, survey"),
        ("score>-", "what the queue is ordered by"),
        ("scor>1", "there is no 'scor' to filter by: did you mean score"),
        ("verdict:di", "what was decided of it"),
        ('mag<20 field:"M 3', "the field"),
        ("filter:R", "filter R; there is no filter:R here, but filter:r, filter:g"),
        ("filter:r", "filter r"),
        ("@m", "saved filters: @mine"),
        ("-", "what does not pass a term: -tag:host"),
        ("-ta", "a reviewer's tag"),
        ("-tag:host -tag:any", "not tagged host and without tags"),
        ("-mag<18 -verdict:none", "not mag below 18 and judged: any verdict"),
        ("@x", "saved filters: @faint, @mine"),
        ("@mine", "the filter that was saved"),
        ("state:real", "object real"),
        ("verdict:dipole", "judged: dipole"),
        ("snr>7 mag<20 or verdict:none", "snr above 7 and mag below 20 or no verdict"),
        ("filter:r (snr>7 or mag<20)", "filter r and (snr above 7 or mag below 20)"),
        ("-(snr>7 or mag<20)", "not (snr above 7 or mag below 20)"),
        ("snr>7 or", "either side of it"),
        ("snr>7 or ", "either side of it"),
        ("mag<20 -(", "taken together"),
        ("(snr>7 or mag<20", "snr above 7 or mag below 20"),
        ("(ta", "a reviewer's tag"),
        ("snr>7)", "no number"),
        ("(snr>7))", "there is no ( that it closes"),
        ("or snr>7", "a term is missing before it"),
        ("-@x", "saved filters: @faint, @mine"),
        ("-(@mine)", "the filter that was saved"),
        ("expert:me disputed:yes", "awaits your verdict as an expert and reviewers differ on it"),
    ],
)
def test_what_a_line_means(line, told):
    assert told in explained(line, KNOWN)


@given(st.text('score>mag:.<-1=|@" ()', max_size=20))
def test_whatever_is_typed_is_explained(line):
    assert explained(line, KNOWN)


@pytest.mark.parametrize(
    "line",
    [
        "snr>7 mag<20 verdict:none",
        'field:"M 33" known:star',
        "near:1,2,3arcsec",
        'mag<20 or -(field:"M 33" or snr>-7.5)',
        "snr>1 (tag:host or verdict:dipole) mag<2",
    ],
)
def test_a_filter_that_is_typed_as_it_should_be_is_never_called_wrong(line):
    for typed in range(len(line) + 1):
        told = explained(line[:typed], KNOWN)
        assert "there is no" not in told
        assert "a term is" not in told
        assert "no number" not in told
        assert "missing" not in told


def test_what_catalogues_answered(store):
    star, nothing, silent, never = (add_candidate(store) for _ in range(4))
    answers = {
        star: {"star": {"status": "match", "name": "V1"}, "galaxy": {"status": "none"}},
        nothing: {"star": {"status": "none"}, "galaxy": {"status": "unknown", "reason": "no catalogue"}},
        silent: {"star": {"status": "unknown", "reason": "no catalogue"}},
    }
    with store.write() as db:
        for key, known in answers.items():
            db.add(CandidateMatch(candidate_id=key, state="x", at=1.0, answers=known))
    assert matching(store, "known:star") == [star]
    assert matching(store, "known:galaxy") == []
    assert matching(store, "known:none") == [nothing]
    assert matching(store, "known:unknown") == [silent, never]


def test_tracklets_surveys_and_tags(store):
    own, moving = add_candidate(store), add_candidate(store)
    alert = add_candidate(store, source="ztf")
    with store.write() as db:
        row = Tracklet(
            n=2, first_mjd=1, last_mjd=2, ra=1, dec=1, rate_arcsec_hour=30, position_angle=9, chance=0.1,
            made_at=1,
        )  # fmt: skip
        db.add(row)
        db.flush()
        db.add(TrackletMember(candidate_id=moving, tracklet_id=row.id))
        number = row.id
    annotate(store, **ADA, candidate_id=own, tags=["host", "50%"])
    assert matching(store, "tracklet:any") == matching(store, f"tracklet:{number}") == [moving]
    assert matching(store, "tracklet:none") == [own, alert]
    assert matching(store, f"tracklet:{number + 1}") == []
    assert matching(store, "survey:any") == matching(store, "survey:ztf") == [alert]
    assert matching(store, "survey:none") == [own, moving]
    assert matching(store, "tag:host") == matching(store, "tag:any") == matching(store, "tag:50%") == [own]
    assert matching(store, "tag:hos") == matching(store, "tag:%") == []
    assert matching(store, "tag:none") == [moving, alert]


def test_streaks_and_sources_in_a_row(store):
    streak = add_candidate(store, features={"streak_length": 90.0, "streak_angle": 0.0})
    row = add_candidate(store, features={"row_count": 6.0})
    other = add_candidate(store, features={"ellipticity": 0.2})
    assert matching(store, "line:streak") == [streak]
    assert matching(store, "line:row") == [row]
    assert matching(store, "line:any") == matching(store, "-line:none") == [streak, row]
    assert matching(store, "line:none") == matching(store, "-line:any") == [other]
    assert matching(store, "-line:streak") == [row, other]
    cards = {kind: queue_page(store, limit=6, filters=f"line:{kind}") for kind in ("streak", "row", "none")}
    assert {kind: len(page.rows) for kind, page in cards.items()} == {"streak": 1, "row": 1, "none": 1}


@pytest.mark.parametrize(
    "wrong", ["line:x", "line>streak", "known:nova", "tracklet:x", "tracklet:-1", "known>star"]
)
def test_words_that_are_refused(wrong):
    with pytest.raises(FilterError):
        parse(wrong)


def test_a_filter_is_kept_by_its_name_for_its_reviewer_alone(store):
    save(store, reviewer="ada", name="faint", expression="mag>19")
    save(store, reviewer="ada", name="faint", expression="mag>20 snr>5")
    save(store, reviewer="bob", name="faint", expression="mag>10")
    assert [(each.name, each.expression) for each in saved(store, reviewer="ada")] == [
        ("faint", "mag>20 snr>5")
    ]
    assert expanded(store, "filter:r @faint", reviewer="ada") == "filter:r mag>20 snr>5"
    assert expanded(store, "-@faint", reviewer="ada") == "-(mag>20 snr>5)"
    assert (
        expanded(store, '(-@faint) field:"a @faint"', reviewer="ada") == '(-(mag>20 snr>5)) field:"a @faint"'
    )
    within = 'note:"ask (expert:me) or disputed:yes" tag:"-disputed:no x"'
    assert expanded(store, within, reviewer="ada", experts=("eve",)) == within
    assert expanded(store, f"{within} -expert:me (disputed:yes)", reviewer="ada", experts=("eve",)) == (
        f'{within} -expert:"ada" (disputed:"yes,eve")'
    )
    save(store, reviewer="ada", name="either", expression="mag>20 or snr>5")
    assert expanded(store, "filter:r @either", reviewer="ada") == "filter:r (mag>20 or snr>5)"
    forget(store, reviewer="ada", name="either")
    with pytest.raises(SavedFilterError, match=r"'bright' \(character 7\); there are: faint"):
        expanded(store, "mag<2 @bright", reviewer="ada")
    forget(store, reviewer="ada", name="faint")
    assert saved(store, reviewer="ada") == []
    assert len(saved(store, reviewer="bob")) == 1
    with pytest.raises(SavedFilterError):
        forget(store, reviewer="ada", name="faint")


@pytest.mark.parametrize(("name", "expression"), [("a b", "snr>7"), ("@", "snr>7"), ("ok", "")])
def test_what_cannot_be_kept(store, name, expression):
    with pytest.raises(SavedFilterError):
        save(store, reviewer="ada", name=name, expression=expression)


def test_values_are_offered_as_the_store_has_them(store):
    observation, _ = add_difference(store, field="M31")
    first = add_candidate(store, observation_id=observation)
    add_candidate(store, source="ztf")
    annotate(store, **ADA, candidate_id=first, tags=["host"])
    found = offered(store, reviewer="ada")
    assert found.values["field"] == ["M31"]
    assert found.values["filter"] == ["r"]
    assert found.values["source"] == ["astrid", "ztf"]
    assert found.values["survey"] == ["ztf"]
    assert found.values["tag"] == ["host"]
    assert undo(store, **ADA) is None


def test_a_saved_filter_is_kept_as_what_it_means_and_me_is_who_asks(sqlite_store):
    meant = expanded(sqlite_store, "expert:me disputed:yes snr>7", reviewer="ann b", experts=["eve", "dan"])
    assert meant == 'expert:"ann b" disputed:"yes,eve,dan" snr>7'
    assert parse(meant)
    assert expanded(sqlite_store, "expert:mel disputed:yes", reviewer="ada") == "expert:mel disputed:yes"
    meant = expanded(sqlite_store, "-expert:me -disputed:yes", reviewer="ada", experts=["eve"])
    assert meant == '-expert:"ada" -disputed:"yes,eve"'
    meant = expanded(sqlite_store, "(expert:me or disputed:no)", reviewer="ada", experts=["eve"])
    assert meant == '(expert:"ada" or disputed:"no,eve")'
    assert parse(meant)


def test_blind_reviewers_are_offered_no_tags_of_what_they_have_not_judged(sqlite_store):
    one, other = add_candidate(sqlite_store), add_candidate(sqlite_store)
    for candidate, tag in ((one, "host"), (other, "flare")):
        annotate(sqlite_store, session="b", reviewer="bob", candidate_id=candidate, tags=[tag])
    assert offered(sqlite_store, reviewer="ada").values["tag"] == ["flare", "host"]
    assert offered(sqlite_store, reviewer="ada", blind=True).values["tag"] == []
    decide(sqlite_store, **ADA, candidate_id=other, label=Label.REAL, shown={}, tags=["mine"])
    assert offered(sqlite_store, reviewer="ada", blind=True).values["tag"] == ["flare", "mine"]
