"""What contradicts that a body moves: labels of another kind of real source on it, and whose they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.review.agreement import side
from core.review.real_rows import RealCandidate
from core.text import safe_text
from core.vocabulary import Label, ReviewState


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A label that contradicts that a body moves.

    Attributes
    ----------
    label, reviewer : str
        What is said, and by whom.
    candidates : tuple of int
        The detections that have this label, and not that of a body that moves; none where it is a
        reviewer's word alone, and another's stands.
    """

    label: str
    reviewer: str
    candidates: tuple[int, ...]

    @property
    def told(self) -> str:
        """In words, after those that name the body."""
        who = safe_text(self.reviewer, 60)
        if not self.candidates:
            return f"{who} labels it {self.label}"
        numbers = ", ".join(map(str, self.candidates))
        noun, verb, they = ("candidate", "has", "it is")
        if len(self.candidates) > 1:
            noun, verb, they = ("candidates", "have", "they are")
        return f"{noun} {numbers} {verb} the label {self.label} by {who}, so {they} left out"


def that_count(votes: Mapping[str, str], experts: Collection[str]) -> dict[str, str]:
    """Those of some votes that take a side: the experts' alone, where one of them does."""
    sided = {who: label for who, label in votes.items() if side(label)}
    return {who: label for who, label in sided.items() if who in experts} or sided


def labelled_otherwise(part: Sequence[RealCandidate], votes: Mapping[str, str]) -> tuple[Otherwise, ...]:
    """What contradicts that a body moves, the labels of its detections first.

    Parameters
    ----------
    part : sequence of RealCandidate
        Its detections.
    votes : mapping
        The newest label of each reviewer, of those `that_count`.
    """
    having: dict[tuple[str, str], list[int]] = {}
    for row in part:
        given = row.verdict
        if given is not None and given.label and _contradicts(given.label):
            having.setdefault((given.label, given.reviewer), []).append(row.candidate.id or 0)
    said = ((label, who) for who, label in votes.items() if _contradicts(label))
    keys = dict.fromkeys((*having, *said))
    return tuple(Otherwise(label, who, tuple(having.get((label, who), ()))) for label, who in keys)


def _contradicts(label: str) -> bool:
    return label != Label.MOVING and side(label) is ReviewState.REAL
