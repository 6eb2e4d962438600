"""What can be typed next in a filter of candidates, and what the filter means in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.review.filter_words import FilterError
from core.review.filters import (
    KNOWN,
    NUMBERS,
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
    Term,
    parse,
)
from core.review.waiting import ONLY_WAITING, asks_for_decided
from core.review.zones import Zone, bounds
from core.text import safe_text
from core.vocabulary import OWN, Label, ReviewState

NAMES = {
    "score": "what the queue is ordered by: score>0.8",
    "snr": "significance, negative where it faded: snr>7",
    "|snr|": "significance without its sign: |snr|>7",
    "mag": "magnitude: mag<20",
    "flux": "signed flux of the fit: flux>0",
    "mjd": "time of the exposure, MJD: mjd>60000",
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
    "near": "right ascension, declination, radius: near:10.68,41.27,30arcsec",
    "known": "what catalogues say of its place: known:star",
    "tracklet": "whether it moves with others: tracklet:any",
    "survey": "from a survey's alerts: survey:any",
    "tag": "a reviewer's tag on its object: tag:host",
    "expert": "who was asked to judge it: expert:me",
    "disputed": "whether reviewers differ on it: disputed:yes",
    "zone": "what its score puts it among: zone:fast",
}
_SIGNS = {">": "above", ">=": "at least", "<": "below", "<=": "at most", "=": "exactly"}


@dataclass(frozen=True, slots=True)
class Known:
    """What a store holds that values can be completed from, by the name of the term; and saved filters."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    saved: Sequence[str] = ()


def completions(line: str, known: Known) -> list[str]:
    """The lines that an unfinished filter may become."""
    head, blank, last = line.rpartition(" ")
    start = head + blank
    name, colon, value = last.partition(":")
    if last.startswith("@"):
        return [f"{start}@{each}" for each in known.saved if each.startswith(last[1:])]
    if not colon:
        offered = [f"{each}>" if each in NUMBERS else f"{each}:" for each in NAMES]
        return [start + each for each in offered if each.startswith(last.lower())]
    return [f"{start}{name}:{each}" for each in _values(name.lower(), known) if each.startswith(value)]


def explained(line: str) -> str:
    """What a filter means; for one that is not finished, what its last term wants."""
    last = line.rpartition(" ")[2]
    name = last.lower().rstrip(":<>=")
    if name in NAMES and (name == last.lower() or last[-1] in ":<>="):
        return NAMES[name]
    if "@" in line:
        return "@NAME stands for the filter that was saved as NAME"
    try:
        terms = parse(line)
    except FilterError as error:
        started = last.lower().partition(":")[0]
        if ":" in last and started in NAMES and any(_values(started, Known())):
            return NAMES[started]  # a word that is not finished yet is no mistake
        return safe_text(error, 200)
    if not terms:
        return "all that awaits"
    beyond = f"; {ONLY_WAITING}" if asks_for_decided(terms) else ""
    return safe_text(" and ".join(_meaning(term) for term in terms) + beyond, 300)


def _values(name: str, known: Known) -> list[str]:
    fixed: dict[str, Sequence[str]] = {
        "verdict": ("none", "any", "bogus", *Label),
        "state": tuple(ReviewState),
        "known": (*KNOWN, "none", "unknown"),
        "tracklet": ("any", "none"),
        "survey": ("any", "none"),
        "tag": ("any", "none"),
        "zone": tuple(Zone),
        "expert": ("me", "any", "none"),
        "disputed": ("yes", "no"),
    }
    found = [*fixed.get(name, ()), *known.values.get(name, ())]
    return [f'"{each}"' if " " in each else each for each in found]


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
        case InZone(zone):
            low, high = bounds(zone)
            return f"score {f'from {low:g}' if low else ''}{f' below {high:g}' if high else ''}".replace(
                "  ", " "
            )
        case AwaitsExpert(None, wanted):
            return "awaits an expert by name" if wanted else "awaits any expert"
        case AwaitsExpert(expert):
            return f"awaits {'your verdict as an expert' if expert == 'me' else f'the expert {expert}'}"
        case Disputed(wanted):
            return "reviewers differ on it" if wanted else "reviewers do not differ on it"
        case HasTag(tag, wanted):
            return f"tagged {tag or 'at all'}" if wanted else "without tags"
