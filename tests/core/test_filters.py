"""The filter language: what it means, and what it says of what it does not understand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.database.storable import storable
from core.database.tables import Candidate, SkyObject
from core.objects.sphere import separation_deg, zone_of
from core.review.candidates import page
from core.review.filter_terms import AnyOf, Compare, HasTag, HasVerdict, InState, Match, Near, Not
from core.review.filters import FilterError, conditions, parse
from core.review.retractions import undo
from core.review.verdicts import decide
from core.text import safe_text
from core.vocabulary import Label, ReviewState
from tests.core.rows import add_candidate, add_difference, add_object

SNR, MAG = Compare("snr", ">", 7.0), Compare("mag", "<", 20.0)


def matching(store, expression):
    query = (
        select(Candidate.id)
        .join(SkyObject, Candidate.sky_object_id == SkyObject.id)
        .where(*conditions(parse(expression)))
        .order_by(Candidate.id)
    )
    with store.read() as db:
        return list(db.exec(query))


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("", ()),
        ("  \t ", ()),
        ("snr>7", (Compare("snr", ">", 7.0),)),
        ("SCORE>=0.8 mag<20", (Compare("score", ">=", 0.8), Compare("mag", "<", 20.0))),
        ("|snr|>7", (Compare("|snr|", ">", 7.0),)),
        ("snr=-5.5e1", (Compare("snr", "=", -55.0),)),
        ("filter:r", (Match("filter", "r"),)),
        ('field:"M 31" object:AT*', (Match("field", "M 31"), Match("object", "AT*"))),
        ('field:"a ""b"" c" snr>7', (Match("field", 'a "b" c'), SNR)),
        ("frame=a:b", (Match("frame", "a:b"),)),
        ("verdict:none", (HasVerdict(()),)),
        ("-verdict:none -verdict:any", (HasVerdict(tuple(Label)), HasVerdict(()))),
        ("-MAG<18 -|snr|>7", (Not(Compare("mag", "<", 18.0)), Not(Compare("|snr|", ">", 7.0)))),
        ('-field:"M 31"', (Not(Match("field", "M 31")),)),
        ("verdict:dipole", (HasVerdict((Label.DIPOLE,)),)),
        ("verdict:any", (HasVerdict(tuple(Label)),)),
        ("state:escalated", (InState(ReviewState.ESCALATED),)),
        ("near:10.68,41.27,30arcsec", (Near(10.68, 41.27, pytest.approx(30 / 3600)),)),
        ('near:10.68,-41.27,30"', (Near(10.68, -41.27, pytest.approx(30 / 3600)),)),
        ("near:0,90,2arcmin", (Near(0.0, 90.0, pytest.approx(2 / 60)),)),
        ("near:0,0,1.5deg snr>1", (Near(0.0, 0.0, 1.5), Compare("snr", ">", 1.0))),
        ("snr>7 or mag<20", (AnyOf(((SNR,), (MAG,))),)),
        ("snr>7 mag<20 OR filter:r", (AnyOf(((SNR, MAG), (Match("filter", "r"),))),)),
        ("(snr>7) (mag<20)", (SNR, MAG)),
        ("mag<20 (snr>7 or filter:r)", (MAG, AnyOf(((SNR,), (Match("filter", "r"),))))),
        ("-(snr>7 mag<20)", (Not(AnyOf(((SNR, MAG),))),)),
        ("-(snr>7) -(-tag:any)", (Not(SNR), HasTag(None))),
        ('(frame:a(1) or field:"M (3")', (AnyOf(((Match("frame", "a(1)"),), (Match("field", "M (3"),))),)),
        ("frame:a)", (Match("frame", "a)"),)),
        ('(near:10.68,-41.27,30")', (Near(10.68, -41.27, pytest.approx(30 / 3600)),)),
        ("object:or frame:or*", (Match("object", "or"), Match("frame", "or*"))),
    ],
)
def test_what_is_understood(expression, terms):
    assert parse(expression) == terms


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("near:10:28:57.32,-20:22:18.1,1arcmin", "near:157.238833333,-20.371694444,1arcmin"),
        ('near:"10 28 57.32,-20:22:18.1,1arcmin"', "near:157.238833333,-20.371694444,1arcmin"),
        ("near:10h28m57.32s,-20d22m18.1s,1deg", "near:157.238833333,-20.371694444,1deg"),
        ("mjd>=2025-03-14", "mjd>=60748"),
        ("-mjd<2025-03-14T06:00", "-mjd<60748.25"),
        ("mjd<2025-03-14T08:00+02:00", "mjd<60748.25"),
    ],
)
def test_places_and_times_as_people_have_them_are_understood(written, meant):
    (told,), (plain,) = parse(written), parse(meant)
    if isinstance(told, Near):
        assert (told.ra, told.dec) == pytest.approx((plain.ra, plain.dec), abs=1e-8)
        assert told.radius == plain.radius
    else:
        assert told == plain


@pytest.mark.parametrize("wrong", ["near:10:28:61,-20:22:18,1deg", "mjd>2025-13-01", "mjd>2025-03", "mjd>-"])
def test_no_place_and_no_time_is_refused(wrong):
    with pytest.raises(FilterError, match="is no number"):
        parse(wrong)


def test_real_and_bogus_mean_every_label_of_their_kind():
    (real,), (bogus,) = parse("verdict:real"), parse("verdict:bogus")
    assert set(real.labels) == {Label.REAL, Label.SUPERNOVA, Label.VARIABLE, Label.NUCLEAR, Label.MOVING}
    assert Label.DIPOLE in bogus.labels
    assert not set(real.labels) & set(bogus.labels)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("bright", ["'bright'", "snr>7"]),
        ("snr>7 colour:red", ["'colour:red'", "score, snr", "near"]),
        ("snr:7", ["'snr:7'", "number"]),
        ("snr>seven", ["'snr>seven'", "'seven' is no number"]),
        ("snr>nan", ["no number"]),
        ("mag<", ["'mag<'", "missing"]),
        ("--mag<18", ["'--mag<18'", "no '-mag'"]),
        ("- mag<18", ["'-'"]),
        ("-colour:red", ["'-colour:red'", "no 'colour'"]),
        ("filter>r", ["'filter>r'", "filter:VALUE"]),
        ("verdict:maybe", ["'verdict:maybe'", "none", "dipole"]),
        ("state:lost", ["'state:lost'", "unreviewed"]),
        ("near:10,20", ["'near:10,20'", "RA,DEC,RADIUS"]),
        ("near:10,20,30", ["unit", "arcsec", "deg"]),
        ("near:10,20,30s", ["unit"]),
        ("near:10,91,30arcsec", ["-90 to 90"]),
        ("near:360,0,30arcsec", ["below 360"]),
        ("near:1,2,0deg", ["above 0"]),
        ("near:1,2,181deg", ["at most 180"]),
        ("\x1b[2J:x", ["␛[2J"]),
        ("snr>1 " * 40, ["40 terms"]),
        ("snr>1 or " * 39 + "snr>1", ["40 terms"]),
        ("snr>1 colour:red", ["'colour:red' at character 7"]),
        ("or snr>1", ["at character 1, 'or'", "before it"]),
        ("snr>1 or", ["at character 7, 'or'", "behind it"]),
        ("snr>1 or or mag<2", ["at character 10", "before it"]),
        ("(snr>1 or) mag<2", ["at character 8, 'or)'", "behind it"]),
        ("snr>1 and mag<2", ["'and' at character 7", "leave it out"]),
        ("snr>1 (mag<2", ["at character 7, '(mag<2'", "missing"]),
        ("snr>1 mag<2 )", ["at character 13, ')'", "no ("]),
        ("snr>1 -()", ["at character 7", "no term"]),
        ("(" * 5000 + "snr>1", ["8 deep"]),
        ("(\x1b[2J)", ["␛[2J"]),
        ("@faint", ["'@faint' at character 1"]),
        ("frame:" + "x" * 10_000, ["10006 characters", "10000 are allowed"]),
        ("snr > 7", ["'snr' at character 1", "holds no space"]),
        ("frame: kb", ["frame:VALUE", "without a space"]),
        ("snr>7)", ["no ( that its ) closes"]),
        ("snr>7,mag<20", ["a space between terms"]),
        ("snr==7", ["-snr=7", "not equal"]),
        ("snr!=7", ["a minus negates", "-snr=VALUE"]),
        ("!tag:host", ["a minus negates", "-tag:VALUE"]),
        ("not tag:host", ["'not' at character 1", "a minus negates"]),
        ("snr>7 && mag<20", ["'&&' at character 7", "leave it out"]),
        ("snr>7 || mag<20", ["'||' at character 7", "write or"]),
        ("score>0,5", ["write 0.5"]),
        ('frame:"M 31', ['the " that ends its value is missing']),
        ("snr\uff1e7", ["write snr>7"]),
        ("snr≥7", ["write snr>=7"]),
        ("filter≠r", ["write -filter=r"]),
        ("snr>\u22125", ["write its '\u2212' as it is on a keyboard"]),
        ("sc\u043ere>1", ["did you mean score, without its '\u043e'?"]),
        ("mjd>yesterday", ["no number, nor a date such as 2026-03-01"]),
    ],
)
def test_what_is_not_understood_is_named_with_what_is_allowed(expression, named):
    with pytest.raises(FilterError) as refused:
        parse(expression)
    for part in named:
        assert part in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_name_is_found_as_it_was_kept_where_no_database_holds_it_as_it_came(store):
    came = "M\0 \udcff.fits"
    key = add_candidate(store, frame=storable(came), filter=storable(came))
    add_candidate(store, frame="M 31.fits")
    for word in ("frame", "filter"):
        (row,) = page(store, filters=f'{word}:"{came}"').rows
        assert row["id"] == key
    for word in ("object", "field", "source", "survey", "tag", "expert"):
        assert page(store, filters=f'{word}:"{came}"').rows == ()


@given(st.text(max_size=60) | st.text('()-or @snr>7: "', max_size=40))
def test_any_text_is_understood_or_refused(expression):
    refusal = ""
    try:
        conditions(parse(expression))
    except FilterError as refused:
        refusal = str(refused)
    assert safe_text(refusal, 10_000) == refusal


def test_numbers(store):
    faint = add_candidate(store, snr=-12.0, score=12.0, mag=None)
    bright = add_candidate(store, snr=6.0, score=6.0, mag=18.0)
    assert matching(store, "snr>5") == [bright]
    assert matching(store, "|snr|>10") == [faint]
    assert matching(store, "score>=6") == [faint, bright]
    assert matching(store, "mag<20") == [bright]  # what has no magnitude is neither
    assert matching(store, "mag>=20") == []
    assert matching(store, "snr=6 mag<=18") == [bright]


def test_a_minus_leaves_what_does_not_pass(store):
    observation, difference = add_difference(store, field="M31")
    host, bogus = add_object(store), add_object(store)
    every = [
        add_candidate(store, host, mag=17.0, filter="r", frame="a_x_1.fits"),
        add_candidate(store, bogus, mag=19.0, filter=None, score=None),
        add_candidate(
            store,
            mag=None,
            observation_id=observation,
            difference_id=difference,
            frame="b.fits",
            source="ztf",
        ),
    ]
    who = {"session": "s", "reviewer": "ada", "shown": {}}
    decide(store, candidate_id=every[0], label=Label.SUPERNOVA, tags=("host",), **who)
    decide(store, candidate_id=every[1], label=Label.DIPOLE, **who)
    assert matching(store, "-mag<18") == every[1:]  # what has no magnitude is not brighter
    for term in (
        *("mag<18", "score>0", "filter:r", "frame:*x*", "field:m31", "object:*", "verdict:real", "tag:none"),
        *("verdict:bogus", "verdict:none", "state:real", "near:0,0,1deg", "known:star", "known:unknown"),
        *("tracklet:any", "survey:any", "survey:ztf", "tag:host", "zone:fast", "expert:eve", "disputed:yes"),
    ):
        assert sorted(matching(store, term) + matching(store, f"-{term}")) == every, term
    assert matching(store, "-tag:host") == every[1:]
    assert matching(store, "-verdict:real") == every[1:]
    assert matching(store, "-frame:*x* -verdict:bogus") == [every[2]]


def test_or_takes_what_passes_either_side(store):
    faint = add_candidate(store, snr=6.0, mag=21.0)
    bright = add_candidate(store, snr=30.0, mag=18.0)
    unknown = add_candidate(store, snr=-9.0, mag=None)
    assert matching(store, "mag<19 or snr<0") == [bright, unknown]
    assert matching(store, "snr>5 mag>20 or snr<0") == [faint, unknown]
    assert matching(store, "snr>5 (mag>20 or snr<0)") == [faint]
    assert matching(store, "-(mag<19 or snr<0)") == [faint]
    assert matching(store, "-(mag<19 snr>5)") == [faint, unknown]  # what has no magnitude passes a minus
    assert matching(store, "-(-mag<19)") == [bright]
    assert matching(store, "tag:any or verdict:any or near:1,2,3arcsec or known:star") == []


def test_words(store):
    observation, difference = add_difference(store, field="M 31_a")
    in_field = add_candidate(
        store, observation_id=observation, difference_id=difference, frame="KB01.fits", filter="r"
    )
    percent = add_candidate(store, add_object(store, name="AT%"), frame="kb%2.fits", filter="R")
    assert matching(store, "filter:r") == [in_field]
    assert matching(store, "filter:R") == [percent]
    assert matching(store, "frame:kb*") == [in_field, percent]
    assert matching(store, "frame:kb%*") == [percent]
    assert matching(store, "frame:kb") == []
    assert matching(store, 'field:"m 31_a"') == [in_field]
    assert matching(store, 'field:"m 31*"') == [in_field]
    assert matching(store, "field:m__31_a") == []
    assert matching(store, "object:at%") == [percent]


def test_quotes_in_a_pattern_are_text(store):
    add_candidate(store)
    assert matching(store, "frame:x'OR'1'='1") == []


def test_a_bogus_verdict_judges_its_candidate_and_a_real_one_the_object(store):
    both = add_object(store)
    first, second = add_candidate(store, both), add_candidate(store, both)
    other = add_candidate(store)
    who = {"session": "s", "reviewer": "ada", "shown": {}}
    decide(store, candidate_id=first, label=Label.DIPOLE, **who)
    assert matching(store, "verdict:bogus") == [first]
    assert matching(store, "verdict:none") == [second, other]
    decide(store, candidate_id=second, label=Label.SUPERNOVA, **who)
    assert matching(store, "verdict:supernova") == [second]
    assert matching(store, "verdict:dipole") == [first]
    undo(store, session="s", reviewer="ada")
    undo(store, session="s", reviewer="ada")
    decide(store, candidate_id=second, label=Label.VARIABLE, **who)
    assert matching(store, "verdict:real") == [first, second]
    assert matching(store, "verdict:none") == [other]
    assert matching(store, "state:unreviewed") == [other]


@pytest.fixture
def sky(sqlite_store):
    """Candidates crowded where cones are hard: at the poles, at RA 0 and at zone edges."""
    rng = np.random.default_rng(5)
    ra = np.concatenate([rng.uniform(0, 360, 60), rng.normal(0, 0.02, 60) % 360, rng.uniform(0, 360, 60)])
    dec = np.concatenate([90 - rng.exponential(0.02, 60), rng.normal(0, 0.02, 60), rng.uniform(-90, 90, 60)])
    sky_object = add_object(sqlite_store)
    with sqlite_store.write() as db:
        for number, (a, d) in enumerate(zip(ra.tolist(), dec.tolist(), strict=True)):
            values = {"external_id": str(number), "sky_object_id": sky_object, "mjd": 1.0, "snr": 1.0}
            db.add(Candidate(id=number, ra=a, dec=d, zone=zone_of(d), **values))
        db.add(Candidate(id=999, x=1.0, y=1.0, **values | {"external_id": "on a grid"}))
    return sqlite_store, ra, dec


@pytest.mark.parametrize("radius", [30 / 3600, 0.03, 1.0, 60.0, 120.0, 180.0])
@pytest.mark.parametrize("place", [(0.0, 0.0), (359.99, 0.01), (10.0, 90.0), (200.0, 89.99), (120.0, -45.0)])
def test_a_cone_holds_what_brute_force_finds(sky, place, radius):
    store, ra, dec = sky
    expected = np.flatnonzero(separation_deg(ra, dec, *place) <= radius).tolist()
    assert matching(store, f"near:{place[0]},{place[1]},{radius}deg") == expected


def test_a_cone_on_either_database(store):
    inside = add_candidate(store, ra=359.9999, dec=10.0, zone=zone_of(10.0))
    add_candidate(store, ra=0.02, dec=10.0, zone=zone_of(10.0))
    add_candidate(store, x=3.0, y=3.0)
    assert matching(store, "near:0.0001,10.0001,5arcsec") == [inside]
