"""What can be typed next in a filter of candidates, and what the filter means in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.line_words import LINES, ROW, STREAK
from core.login import NO_NAMES
from core.review.filter_terms import (
    EXACT,
    KNOWN,
    NUMBERS,
    AnyOf,
    AwaitsExpert,
    Compare,
    Disputed,
    FromSurvey,
    HasTag,
    HasVerdict,
    InState,
    InTracklet,
    InZone,
    IsKnown,
    Match,
    Near,
    Not,
    OnLine,
    Term,
)
from core.review.filter_words import FilterError, no_such_name, quoted
from core.review.filters import parse
from core.review.zones import SHIPPED, Limits, Zone, bounds
from core.text import safe_text
from core.vocabulary import OWN, Label, ReviewState

NAMES = {
    "score": "what the queue is ordered by: score>0.8",
    "snr": "significance, negative where it faded: snr>7",
    "|snr|": "significance without its sign: |snr|>7",
    "mag": "magnitude: mag<20",
    "flux": "signed flux of the fit: flux>0",
    "mjd": "time of the exposure, MJD or UTC: mjd>60000 mjd>2026-03-01T04:30",
    "ra": "right ascension in degrees: ra>10",
    "dec": "declination in degrees: dec>41",
    "x": "pixel column on the reference's grid: x<100",
    "y": "pixel row on the reference's grid: y<100",
    "filter": "the band as the frame has it: filter:r",
    "source": "astrid or a survey: source:ztf",
    "field": "the field, * is anything: field:M31",
    "frame": "the frame's name, * is anything: frame:kb*",
    "object": "any name of the object, * is anything: object:*ab",
    "verdict": "what was decided of it: verdict:none",
    "state": "where its object stands: state:escalated",
    "near": "right ascension, declination, radius: near:10.68,41.27,30arcsec near:0:42:44.3,+41:16:9,5arcmin",
    "known": "what catalogues say of its place: known:star",
    "tracklet": "whether it moves with others: tracklet:any",
    "survey": "from a survey's alerts: survey:any",
    "tag": "a reviewer's tag on its object: tag:host",
    "expert": "who was asked to judge it: expert:me",
    "disputed": "whether reviewers differ on it: disputed:yes",
    "line": "a streak, or one of several in a row: line:streak",
    "zone": "what its score puts it among: zone:fast",
}
NEGATION = "what does not pass a term: -tag:host"
EITHER = "either side of it: snr>20 or tag:host"
TOGETHER = "terms taken together: (tag:host or snr>20) mag<19"
MOST_VALUES = 200  # of one name that are offered
_BEGUN = re.compile(r"(?P<name>[^\s:<>=@\"]+)(?P<sign>[:<>=]*)(?P<value>[^\"]*)")
_QUOTED = re.compile(r'(?P<name>[^\s:<>=\"(-][^\s:<>=\"(]*)[:=]"(?:[^"]|"")*$')
_NEEDS_QUOTES = re.compile(r'[\s()]|^"')
_EITHER = re.compile(r"(?i)[\s)]or\s*$")
_NUMBER_BEGUN = re.compile(r"[-+]?\.?|[-+]?[\d.]+e[-+]?", re.IGNORECASE)
_SIGNS = {">": "above", ">=": "at least", "<": "below", "<=": "at most", "=": "exactly"}


@dataclass(frozen=True, slots=True)
class Known:
    """What a store holds that values can be completed from, by the name of the term; and saved filters.

    ``limits`` are those of its zones.
    """

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    saved: Sequence[str] = ()
    limits: Limits = SHIPPED


def completions(line: str, known: Known) -> list[str]:
    """The lines that an unfinished filter may become."""
    head, blank, last = line.rpartition(" ")
    start = head + blank
    while last.startswith(("-", "(")):
        start, last = start + last[0], last[1:]
    name, colon, value = last.partition(":")
    if last.startswith("@"):
        return [f"{start}@{each}" for each in known.saved if each.startswith(last[1:])]
    if not colon:
        offered = [f"{each}>" if each in NUMBERS else f"{each}:" for each in NAMES]
        return [start + each for each in offered if each.startswith(last.lower())]
    return [f"{start}{name}:{each}" for each in _values(name.lower(), known) if each.startswith(value)]


def explained(line: str, known: Known | None = None) -> str:
    """What a filter means; of a word that is not finished, what it may become, for that is no mistake."""
    last = "" if line.endswith(" ") else line.rpartition(" ")[2].lstrip("-(")
    if last.startswith("@") and known is not None and last[1:].rstrip(")") not in known.saved:
        begun = [f"@{each}" for each in known.saved if each.startswith(last[1:])]
        there = ", ".join(begun or [f"@{each}" for each in known.saved])
        return safe_text(f"saved filters: {there}" if there else "no filter was saved yet", 300)
    if unfinished := _unfinished(line, last, known or Known()):
        return unfinished
    if "@" in line:
        return "@NAME stands for the filter that was saved as NAME"
    try:
        terms = parse(line, unfinished=True)
    except FilterError as error:
        return safe_text(error.why, 300)
    if not terms:
        return "all that awaits"
    beyond = "".join(f"; {each}" for each in why_nothing(terms, known or Known()))
    limits = (known or Known()).limits
    return safe_text(_together([_limited(term, limits) for term in terms]) + beyond, 300)


def why_nothing(terms: Sequence[Term], known: Known) -> list[str]:
    """Reasons for which nothing can pass a filter, as far as they are seen without looking."""
    found: list[str] = []
    for term in terms:
        if not isinstance(term, Match) or term.field not in EXACT:
            continue
        there = known.values.get(term.field, ())
        if 0 < len(there) < MOST_VALUES and term.pattern not in there:
            words = ", ".join(f"{term.field}:{each}" for each in there)
            found.append(safe_text(f"there is no {term.field}:{term.pattern} here, but {words}", 200))
    return found


def _unfinished(line: str, last: str, known: Known) -> str | None:
    """What is told of a last word that is still being typed; none for one that may be whole."""
    if line.count('"') % 2 and (quoted := _QUOTED.search(line)):
        return NAMES.get(quoted["name"].lower())
    parts = _BEGUN.fullmatch(last)
    if _EITHER.search(line):
        return EITHER
    if parts is None:
        return None if last else {"-": NEGATION, "(": TOGETHER}.get(line.rstrip()[-1:])
    is_whole = last.lower() == "or" or parts["value"].endswith(")")
    return None if is_whole else _begun(parts["name"].lower(), parts["sign"], parts["value"], known)


def _begun(name: str, sign: str, value: str, known: Known) -> str | None:
    if not sign:
        meant = [name] if name in NAMES else [each for each in NAMES if each.startswith(name)]
        if not meant:
            return no_such_name(name, [*NAMES])
        return NAMES[meant[0]] if len(meant) == 1 else "one of " + ", ".join(meant)
    if name not in NAMES:
        return no_such_name(name, [*NAMES])
    is_begun = _NUMBER_BEGUN.fullmatch(value) if name in NUMBERS else not value
    if not is_begun and ":" in sign:
        offered = _values(name, known)
        is_begun = value not in offered and any(
            each.startswith(value if name in EXACT else value.lower()) for each in offered
        )
    return NAMES[name] if is_begun else None


def _values(name: str, known: Known) -> list[str]:
    fixed: dict[str, Sequence[str]] = {
        "verdict": ("none", "any", "bogus", *Label),
        "state": tuple(ReviewState),
        "known": (*KNOWN, "none", "unknown"),
        "tracklet": ("any", "none"),
        "survey": ("any", "none"),
        "tag": ("any", "none"),
        "line": (*LINES, "any", "none"),
        "zone": tuple(Zone),
        "expert": NO_NAMES,
        "disputed": ("yes", "no"),
    }
    found = [*fixed.get(name, ()), *known.values.get(name, ())]
    return [quoted(each) if _NEEDS_QUOTES.search(each) else each for each in found]


def _limited(term: Term, limits: Limits) -> Term:
    """A term whose zones end where those of the ensemble in use do."""
    match term:
        case InZone(zone):
            return InZone(zone, limits)
        case Not(negated):
            return Not(_limited(negated, limits))
        case AnyOf(alternatives):
            return AnyOf(tuple(tuple(_limited(each, limits) for each in side) for side in alternatives))
        case _:
            return term


def _together(terms: Sequence[Term]) -> str:
    told = [
        f"({_meaning(term)})" if isinstance(term, AnyOf) and len(terms) > 1 else _meaning(term)
        for term in terms
    ]
    return " and ".join(told)


def _meaning(term: Term) -> str:  # noqa: PLR0911, PLR0912 one for each kind
    match term:
        case Compare(name, sign, limit):
            return f"{name} {_SIGNS[sign]} {limit:g}"
        case Match(name, pattern):
            return f"{name} {'like ' if '*' in pattern else ''}{pattern}"
        case HasVerdict(labels):
            given = "any verdict" if len(labels) == len(Label) else " or ".join(labels)
            return f"judged: {given}" if labels else "no verdict"
        case InState(state):
            return f"object {state}"
        case Near(ra, dec, radius):
            return f"within {radius * 3600:g}″ of {ra:g} {dec:+g}"
        case IsKnown("none"):
            return "nothing known there by any catalogue that was asked"
        case IsKnown("unknown"):
            return "no catalogue was asked"
        case IsKnown(answer):
            return f"a known {answer} there"
        case InTracklet(member, number):
            return (f"in tracklet {number}" if number else "in a tracklet") if member else "in no tracklet"
        case FromSurvey(survey):
            return "from our own frames" if survey == OWN else f"from alerts of {survey or 'any survey'}"
        case InZone(zone, limits):
            low, high = bounds(zone, limits)
            ends = (f"from {low:g}" if low else "", "" if high is None else f"below {high:g}")
            unscored = ", or scored by no model" if zone is Zone.HUMAN else ""
            return f"score {' '.join(end for end in ends if end)}{unscored}"
        case OnLine(kind):
            return {STREAK: "a streak", ROW: "one of several in a row"}.get(
                kind or "", "a streak or in a row"
            )
        case AwaitsExpert(None, wanted):
            return "awaits an expert by name" if wanted else "awaits any expert"
        case AwaitsExpert(expert):
            return f"awaits {'your verdict as an expert' if expert == 'me' else f'the expert {expert}'}"
        case Disputed(wanted):
            return "reviewers differ on it" if wanted else "reviewers do not differ on it"
        case Not(AnyOf() as negated):
            return f"not ({_meaning(negated)})"
        case Not(negated):
            return f"not {_meaning(negated)}"
        case AnyOf(alternatives):
            return " or ".join(_together(each) for each in alternatives)
        case HasTag(tag, wanted):
            return f"tagged {tag or 'at all'}" if wanted else "without tags"
