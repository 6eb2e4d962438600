"""What is said alike of many frames, as of all of a night: told once, and not with each of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.operations.causes import pattern_of
from core.text import safe_text
from core.vocabulary import ObservationState

MANY = 3  # frames
NAMED = 5  # of those that share a sentence which others do not
NAME = 60  # characters
# Between sentences of a processed frame, and of an ingested one.
_BETWEEN = re.compile(r"(?<=\.) (?=[A-Z0-9])|(?<=;) ")
# Why a frame cannot be used stays with it: these say what is to be known of one that is.
_USED = (ObservationState.DONE, ObservationState.QUEUED, ObservationState.CALIBRATION)


@dataclass(frozen=True, slots=True)
class ToldOnce:
    """The reasons of some frames.

    Attributes
    ----------
    lines : list of str
        One for each sentence that is said of many of them; it names the first of these if they are not all.
    reasons : list of str or None
        Of each frame, in their order, the rest.
    """

    lines: list[str]
    reasons: list[str | None]


@dataclass(slots=True)
class _Said:
    frames: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def line(self, of: int) -> str:
        """The line for them, of so many frames in all."""
        differ = len(set(self.sentences)) > 1
        whose = f", in the numbers of {self.frames[0]}" if differ else ""
        names = ", ".join(safe_text(each, NAME) for each in self.frames[:NAMED])
        more = " ..." if len(self.frames) > NAMED else ""
        which = f" ({names}{more})" if len(self.frames) < of else ""
        return f"{len(self.frames)} frames{which}{whose}: {self.sentences[0]}"


def told_once(frames: Iterable[tuple[str, str, str | None]]) -> ToldOnce:
    """Tell apart what is said of many frames and of few.

    What is said of many in the same numbers, as of one chip of several, is a line of its own; else sentences
    that differ in numbers alone are one.

    Parameters
    ----------
    frames : iterable of (str, str, str or None)
        Of each its name, its state and its reason.
    """
    split = [(name, reason, _sentences(state, reason)) for name, state, reason in frames]
    counts = Counter(each for _, _, sentences in split for each in set(sentences or ()))

    def alike(name: str, sentence: str) -> str:
        return sentence if counts[sentence] >= MANY else pattern_of(sentence, name)

    said: dict[str, _Said] = {}
    for name, _, sentences in split:
        for pattern, sentence in {alike(name, each): each for each in sentences or ()}.items():
            one = said.setdefault(pattern, _Said())
            one.frames.append(name)
            one.sentences.append(sentence)
    many = {pattern: one for pattern, one in said.items() if len(one.frames) >= MANY}
    return ToldOnce(
        [one.line(len(split)) for one in many.values()],
        [
            reason
            if sentences is None
            else _joined([each for each in sentences if alike(name, each) not in many])
            for name, reason, sentences in split
        ],
    )


class Heard:
    """What was said of frames as they came, a night at a time: each sentence is told with the first alone."""

    def __init__(self) -> None:
        self._night: int | None = None
        self._first: dict[str, str] = {}  # by sentence the frame that it was told with

    def rest(self, name: str, state: str, reason: str | None, night: int) -> str | None:
        """What is new of a frame's reason, and of which frame the rest was said."""
        if night != self._night:
            self._night, self._first = night, {}
        sentences = _sentences(state, reason)
        if sentences is None:
            return reason
        before = dict.fromkeys(self._first[each] for each in sentences if each in self._first)
        new = [each for each in sentences if each not in self._first]
        self._first.update(dict.fromkeys(new, name))
        return _joined([*new, *(f"what was said of {each}" for each in before)])


def _sentences(state: str, reason: str | None) -> Sequence[str] | None:
    """What is said of a frame that is of use; none of one that is not."""
    if not reason or state not in _USED:
        return None
    return [each.rstrip(";") for each in _BETWEEN.split(reason)]


def _joined(sentences: Sequence[str]) -> str | None:
    told = ""
    for each in sentences:
        told = f"{told}{' ' if told.endswith('.') else '; '}{each}" if told else each
    return told or None
