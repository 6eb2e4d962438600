"""The words that the store, the commands and the console share.

Nothing is imported here but the standard library, so that the console can speak of states
and labels before the store is open.
"""

from enum import StrEnum
from typing import NamedTuple

COLOUR_TERM = "colour term"  # in where a zeropoint is from, before that term
OWN = "astrid"  # the source of what was detected on our own differences; others are surveys


class ObservationState(StrEnum):
    """Where one frame stands on its way."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # no reference covers it yet; queued again when one is added
    DONE = "done"
    REJECTED = "rejected"  # judged unusable: the reason says why; trying again would not help
    QUARANTINED = "quarantined"  # failed where it should not have; a person should look
    DROPPED = "dropped"  # taken out of the queue: by a person, or as there is nothing to do with it
    CALIBRATION = "calibration"  # a bias, dark or flat: kept for others, never queued


# What a person may put back into the queue, take out of it, and move within it.
REQUEUED = (
    ObservationState.DONE,
    ObservationState.REJECTED,
    ObservationState.QUARANTINED,
    ObservationState.DROPPED,
    ObservationState.WAITING,
)
DROPPABLE = (
    ObservationState.QUEUED,
    ObservationState.WAITING,
    ObservationState.REJECTED,
    ObservationState.QUARANTINED,
)
ORDERED = (ObservationState.QUEUED, ObservationState.WAITING)


class QueueEventKind(StrEnum):
    """What happened to a frame in the queue that was not simply being processed."""

    FAILED = "failed"  # an attempt broke
    EXPIRED = "expired"  # its worker fell silent, and the lease ran out
    INTERRUPTED = "interrupted"  # its run ended with the frame in hand
    RETRIED = "retried"  # put back by a person
    DROPPED = "dropped"  # taken out by a person
    PRIORITISED = "prioritised"  # moved within the queue by a person
    REPLACED = "replaced"  # its file holds other content now


class FrameKind(StrEnum):
    """What an exposure was taken for."""

    SCIENCE = "science"
    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    ALERTS = "alerts"  # no exposure: a file of alerts of which something could not be used


class FluxKind(StrEnum):
    """How a survey came to know the flux of an epoch."""

    DETECTION = "detection"
    FORCED = "forced"  # measured at the object's place, whether there was something or not
    LIMIT = "limit"  # nothing was detected; a source as bright would have been
    WITHDRAWN = "withdrawn"  # the survey took it back; kept so that no earlier packet brings it again


class ReviewState(StrEnum):
    """What the last standing verdict says of a sky object."""

    UNREVIEWED = "unreviewed"
    REAL = "real"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"
    SNOOZED = "snoozed"
    ESCALATED = "escalated"
    LINKED = "linked"  # part of a tracklet, whose card another of its objects carries


class Label(StrEnum):
    """A verdict: one of these, given by one key."""

    REAL = "real"
    SUPERNOVA = "supernova"
    VARIABLE = "variable"
    NUCLEAR = "nuclear"
    MOVING = "moving"
    ARTEFACT = "artefact"
    DIPOLE = "dipole"
    COSMIC_RAY = "cosmic-ray"
    TRAIL = "trail"
    POOR_SUBTRACTION = "poor-subtraction"
    INDETERMINATE = "indeterminate"
    SNOOZE = "snooze"
    ASK_EXPERT = "ask-expert"


class LabelFacts(NamedTuple):
    """The key that gives a label, the state it leaves its object in, and what it means."""

    key: str
    review_state: ReviewState
    meaning: str


LABELS: dict[Label, LabelFacts] = {
    Label.REAL: LabelFacts("r", ReviewState.REAL, "a real change of unknown kind"),
    Label.SUPERNOVA: LabelFacts("s", ReviewState.REAL, "looks like a supernova"),
    Label.VARIABLE: LabelFacts("v", ReviewState.REAL, "a variable star"),
    Label.NUCLEAR: LabelFacts("n", ReviewState.REAL, "an active or flaring galactic nucleus"),
    Label.MOVING: LabelFacts("m", ReviewState.REAL, "a solar-system object"),
    Label.ARTEFACT: LabelFacts("x", ReviewState.BOGUS, "an artefact of another kind"),
    Label.DIPOLE: LabelFacts("d", ReviewState.BOGUS, "a dipole of misaligned images"),
    Label.COSMIC_RAY: LabelFacts("c", ReviewState.BOGUS, "a cosmic ray or hot pixel"),
    Label.TRAIL: LabelFacts("t", ReviewState.BOGUS, "a satellite or aircraft trail"),
    Label.POOR_SUBTRACTION: LabelFacts("p", ReviewState.BOGUS, "a residual of a poor subtraction"),
    Label.INDETERMINATE: LabelFacts("i", ReviewState.INDETERMINATE, "cannot be told"),
    Label.SNOOZE: LabelFacts("z", ReviewState.SNOOZED, "come back when it is detected again"),
    Label.ASK_EXPERT: LabelFacts("a", ReviewState.ESCALATED, "an expert should look"),
}


# What these say is over within so many days: a later detection at the same place contradicts them, and
# brings the object back for review. Dipoles, residues and artefacts recur, and so contradict nothing, unless
# they come far more clearly (`core.objects.seen_again`).
ONCE_FOR_DAYS = {Label.COSMIC_RAY: 0.0, Label.TRAIL: 0.0, Label.MOVING: 0.5}

POSITION_SIGMAS = 3.0  # of its position a detection may be away from its object


def labels_of(state: ReviewState) -> tuple[Label, ...]:
    """The labels that bring an object to a state."""
    return tuple(label for label, facts in LABELS.items() if facts.review_state == state)


def verdicts_told() -> str:
    """All verdicts, as a sentence lists them, and which of them say real or bogus."""
    sides = {state: labels_of(state) for state in (ReviewState.REAL, ReviewState.BOGUS)}
    others = [label for label, facts in LABELS.items() if facts.review_state not in sides]
    return "; ".join(
        f"{', '.join(labels)} ({side})"
        for labels, side in [*((labels, side.value) for side, labels in sides.items()), (others, "neither")]
    )


# Of what a stage dropped: too bright to be measured, and new; hardly anything of a night is of more interest.
NEW_SATURATED = "saturated, and faint in the reference"
# Among a candidate's features, before a cut that would hold were it less significant, or before this.
DOUBT = "doubt."
BESIDE_MASKED = "flux beside masked pixels"


class MaskPlane:
    """Bits of a frame's ``uint16`` mask."""

    BAD = 1  # dead, hot or non-finite
    SATURATED = 2  # at or beyond full well, with what bled from it
    COSMIC_RAY = 4
    EDGE = 8  # outside the frame, or so near its edge that resampling reached beyond
    INTERPOLATED = 16  # filled from neighbours before a transform
    STREAK = 32
    UNSUBTRACTED = 64  # of a difference: its stars are not where the reference has them, or not as bright


_MASK_WORDS = {
    MaskPlane.BAD: "bad pixels",
    MaskPlane.SATURATED: "saturated",
    MaskPlane.COSMIC_RAY: "cosmic ray",
    MaskPlane.EDGE: "edge",
    MaskPlane.INTERPOLATED: "interpolated",
    MaskPlane.STREAK: "streak",
    MaskPlane.UNSUBTRACTED: "stars not subtracted",
}


def mask_words(planes: int) -> str:
    """What some bits of `MaskPlane` mean, in words."""
    return ", ".join(word for plane, word in _MASK_WORDS.items() if planes & plane)


MASK_PLANES = ", ".join(f"{plane} {word}" for plane, word in _MASK_WORDS.items())  # for whoever reads a file


class ExitCode:
    """What every command returns to the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3  # some frames failed, or wait for a reference; the JSON says which
    UNAVAILABLE = 4  # not configured, or a service is down
    INTERRUPTED = 130
    UNREAD = 141  # whoever read its output has gone, as `head` does: what a shell says of other programs then
