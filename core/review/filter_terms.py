"""The terms of the filter language (`core.review.filters`): what is asked of a candidate, frozen."""

from dataclasses import dataclass

from core.review.zones import SHIPPED, Limits, Zone
from core.vocabulary import Label, ReviewState

NUMBERS = ("score", "snr", "|snr|", "mag", "flux", "mjd", "ra", "dec", "x", "y")
EXACT = ("filter", "source")
WORDS = (*EXACT, "field", "frame", "object")
# Kinds of answers of catalogues, by the word for them here.
KNOWN = {
    "star": "star",
    "variable": "variable",
    "galaxy": "galaxy",
    "transient": "transient",
    "solar": "solar_system",
    "reference": "reference",
}
OTHERS = (
    *("verdict", "state", "near", "known", "tracklet", "survey", "tag", "zone", "expert", "disputed"),
    "line",
)


@dataclass(frozen=True, slots=True)
class Compare:
    """A number against a limit; what has no value never matches."""

    field: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True)
class Match:
    """A text against a pattern: in `EXACT` as it is, else ``*`` is anything and case is ignored.

    Attributes
    ----------
    few : tuple, optional
        What passes in a store, where it is few and was looked up (`core.review.names`): names of frames in
        lower case, ids of objects, or, of a field, ids of observations.
    """

    field: str
    pattern: str
    few: tuple[int | str, ...] | None = None


@dataclass(frozen=True, slots=True)
class HasVerdict:
    """The verdict on the candidate is one of these; none of them: there is no verdict."""

    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class InState:
    """The review state of the candidate's sky object."""

    state: ReviewState


@dataclass(frozen=True, slots=True)
class Near:
    """Within a radius of a place. Degrees."""

    ra: float
    dec: float
    radius: float


@dataclass(frozen=True, slots=True)
class IsKnown:
    """What catalogues answered.

    A match of a kind; ``none``: all that were asked have nothing there; ``unknown``: none was asked.
    """

    answer: str


@dataclass(frozen=True, slots=True)
class InTracklet:
    """Whether the candidate is of any tracklet, or of one by its number."""

    member: bool
    number: int | None = None


@dataclass(frozen=True, slots=True)
class FromSurvey:
    """From the alerts of a survey, of any (none given), or of our own frames."""

    survey: str | None = None


@dataclass(frozen=True, slots=True)
class HasTag:
    """Reviewers gave the object a tag; none named: any at all, or no tag."""

    tag: str | None
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class OnLine:
    """The candidate is a line of its frame, or on one: of a kind of `core.line_words.LINES`, or of any."""

    kind: str | None = None


@dataclass(frozen=True, slots=True)
class InZone:
    """The score lies in a zone.

    Attributes
    ----------
    limits : Limits
        Those of the ensemble in use, once they were looked up (`core.review.names`).
    """

    zone: Zone
    limits: Limits = SHIPPED


@dataclass(frozen=True, slots=True)
class AwaitsExpert:
    """The object awaits an expert: the one who is named, any who is (none given), or nobody in particular."""

    expert: str | None
    wanted: bool


@dataclass(frozen=True, slots=True)
class Disputed:
    """Reviewers differ on the object, and none of some experts settled it; or not."""

    wanted: bool
    experts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The candidate does not pass a term: it has another value, or none."""

    term: "Term"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The candidate passes all terms of any alternative."""

    alternatives: tuple[tuple["Term", ...], ...]


Term = (
    Compare
    | Match
    | HasVerdict
    | InState
    | Near
    | IsKnown
    | InTracklet
    | FromSurvey
    | HasTag
    | InZone
    | OnLine
    | AwaitsExpert
    | Disputed
    | Not
    | AnyOf
)
