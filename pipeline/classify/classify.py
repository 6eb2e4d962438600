"""The scores of candidates: every model that can be loaded says how likely each of them is real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.frames.outcome import CandidateFacts
from core.models.names import BEST_FIRST, BY_NO_MODEL, CLASSIFY, MOVED, OPENINGS
from core.models.weighed import OF_FRAMES, differing
from core.review.cutouts import CutoutError, Cutouts, unpack
from pipeline.classify.ensemble import Ensemble
from pipeline.classify.kept import Kept
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.proven import see_that_it_ran
from pipeline.classify.scorers import Inputs, Scorer, load, probabilities
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.survey_cutouts import of_sources
from pipeline.classify.triplets import Triplets

Array = NDArray[np.float64]

LAST = ("ensemble",)  # judge by what the others say
SHOWN = 12  # digits of a digest
BATCH = 512  # candidates that are unpacked at a time
_UNSEEN = np.full((1, 1), np.nan, dtype=np.float32)
_NOTHING = Cutouts(_UNSEEN, _UNSEEN, _UNSEEN)


def _ready(folder: Path, digest: str | None) -> Scorer:
    if folder not in {each.folder for each in SHIPPED.values()}:
        see_that_it_ran(folder, digest)
    return load(folder, digest)


_READY: Kept[Scorer] = Kept(_ready, 32)

Models = Mapping[str, tuple[Path, str | None]]  # folder and digest by name; none: what came with AstrID


class Scorable(Protocol):
    """What is asked of a candidate that is to be scored: the signed SNR, packed cutouts, scores so far."""

    @property
    def snr(self) -> float:
        """Signed."""

    @property
    def cutouts(self) -> bytes | None:
        """As `core.review.cutouts.pack` makes them."""

    @property
    def scores(self) -> Mapping[str, float]:
        """By name."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the models say of n candidates.

    Attributes
    ----------
    count : int
    by_model : dict of str to (n,) float64
        Probabilities; NaN where a model gave none.
    digests : dict of str to str
        Of the models that gave them.
    remarks : tuple of str
        What the classifier could not say before: which versions refused what they were shown.
    moved : dict of str to (n,) float64
        How much each model moved the ensemble's log-odds.
    refused : dict of str to str
        Why, by the digests of versions that refused what they were shown.
    told : str
        Which models scored, as `Classifier.told`.
    """

    count: int
    by_model: dict[str, Array] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    moved: dict[str, Array] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    told: str = ""

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Those of several batches as one."""
        digests = {name: digest for part in parts for name, digest in part.digests.items()}
        by_model = {
            name: np.concatenate([part.by_model.get(name, np.full(part.count, np.nan)) for part in parts])
            for name in digests
        }
        moved = {
            name: np.concatenate([part.moved.get(name, np.zeros(part.count)) for part in parts])
            for name in dict.fromkeys(name for part in parts for name in part.moved)
        }
        return cls(sum(part.count for part in parts), by_model, digests, moved=moved)

    def of(self, number: int) -> dict[str, float]:
        """The scores of one candidate by model."""
        return {
            name: float(values[number])
            for name, values in self.by_model.items()
            if np.isfinite(values[number])
        }

    def moved_of(self, number: int) -> dict[str, float]:
        """How much each model moved the ensemble's log-odds of one candidate, as its features are named."""
        return {f"{MOVED}{name}": float(values[number]) for name, values in self.moved.items()}


@dataclass(frozen=True, slots=True)
class Classifier:
    """The models that are in use, ready: the same for a whole frame.

    Attributes
    ----------
    scorers : tuple of Scorer
    remarks : tuple of str
        Which version of a model was refused and why, and what scores instead; and where the ensemble was
        weighed with other versions than score.
    asked : mapping
        What was asked for.
    refused : mapping of str to str
        Why, by the digests of versions that refused what they were shown.
    """

    scorers: tuple[Scorer, ...]
    remarks: tuple[str, ...] = ()
    asked: Models = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, models: Models | None = None, refused: Mapping[str, str] | None = None) -> Classifier:
        """The models in use; those that did not change since are not read again.

        A version that is refused is passed over for the one that came with AstrID.

        Parameters
        ----------
        models : mapping, optional
            As `pipeline.classify.chosen.chosen` gives them; by default those that came with AstrID.
        refused : mapping of str to str, optional
            Versions, by their digests, that are passed over as well, and why.
        """
        known_refused = dict(refused or {})
        asked: Models = (
            models if models is not None else {name: (each.folder, None) for name, each in SHIPPED.items()}
        )
        scorers: list[Scorer] = []
        remarks: list[str] = []
        names = [name for name in asked if name not in OF_FRAMES]
        for name in sorted(names, key=lambda each: each in LAST):
            why: list[str] = []
            ranked = _versions(name, *asked[name])
            for folder, digest in ranked:
                if digest in known_refused:
                    why.append(known_refused[digest])
                    continue
                try:
                    scorers.append(_READY(folder, digest))
                    break
                except ModelRefused as error:
                    why.append(str(error))
            if why:
                instead = f"the {name} that comes with AstrID scores instead"
                here = any(each.name == name for each in scorers)
                which = f"{name} {ranked[0][1][:SHOWN]}"
                remarks.append(f"{which} is refused: {why[0]}; {instead if here else f'no {name} scores'}.")
        used = {each.name: each.digest for each in scorers}
        used |= {name: _versions(name, *asked[name])[0][1] for name in OF_FRAMES if name in asked}
        for ensemble in scorers:
            said = differing(ensemble.weighed_with, used) if isinstance(ensemble, Ensemble) else None
            remarks += [said] if said is not None else []
        return cls(tuple(scorers), tuple(remarks), asked, known_refused)

    @property
    def digests(self) -> dict[str, str]:
        """Of the models, by name."""
        return {each.name: each.digest for each in self.scorers}

    @property
    def told(self) -> str:
        """Which models score, each with the first digits of its digest, and what was refused."""
        models = ", ".join(f"{each.name} {each.digest[:SHOWN]}" for each in self.scorers)
        opening = f"{OPENINGS[CLASSIFY]}{models}" if models else BY_NO_MODEL
        return " ".join([f"{opening}.", *self.remarks])

    def score(
        self, triplets: Triplets, snr: Array | None = None, given: Mapping[str, Array] | None = None
    ) -> Scores:
        """Score candidates.

        Parameters
        ----------
        triplets : Triplets
        snr : (n,) float64, optional
            Signed.
        given : mapping of str to (n,) float64, optional
            Log-odds of models that see whole frames, by name.
        """
        return self.by_batches(lambda classifier: [classifier.attempt(triplets, snr, given)])

    def by_batches(self, score: Callable[[Classifier], Iterable[Scores]]) -> Scores:
        """The scores of all batches as one, each model's by the same version.

        A version that refuses what it is shown in any of them is passed over in all, as one that cannot be
        read.

        Parameters
        ----------
        score : callable
            Gives what a classifier's `attempt` gives of each batch.
        """
        classifier = self
        while True:
            parts: list[Scores] = []
            for part in score(classifier):
                parts.append(part)
                if part.refused:
                    break
            else:
                more = tuple(said for said in classifier.remarks if said not in self.remarks)
                return replace(Scores.joined(parts), remarks=more, told=classifier.told)
            classifier = Classifier.of(classifier.asked, {**classifier.refused, **parts[-1].refused})

    def attempt(
        self, triplets: Triplets, snr: Array | None = None, given: Mapping[str, Array] | None = None
    ) -> Scores:
        """What `score` gives, but a version that refuses these candidates is told of, not passed over."""
        inputs = Inputs(triplets, snr, dict(given or {}))
        by_model: dict[str, Array] = {}
        digests: dict[str, str] = {}
        refused: dict[str, str] = {}
        moved: dict[str, Array] = {}
        for scorer in self.scorers:
            try:
                inputs.log_odds[scorer.name] = scorer.logits(inputs)
            except ModelRefused as error:
                refused[scorer.digest] = str(error)
                continue
            by_model[scorer.name] = probabilities(inputs.log_odds[scorer.name])
            digests[scorer.name] = scorer.digest
            if isinstance(scorer, Ensemble):
                moved = scorer.contributions(inputs)
        unseen = ~np.any([np.isfinite(plane).any(axis=(1, 2)) for plane in triplets.planes], axis=0)
        for values in by_model.values():
            values[unseen] = np.nan
        return Scores(len(triplets), by_model, digests, moved=moved, refused=refused)

    def score_candidates(self, candidates: Sequence[Scorable]) -> Scores:
        """Score candidates by their packed cutouts; those without any get no score.

        Scores that they have of models that see whole frames count as given.
        """

        def scored(classifier: Classifier) -> Iterator[Scores]:
            for first in range(0, len(candidates), BATCH):
                some = candidates[first : first + BATCH]
                snr = np.array([each.snr for each in some], dtype=np.float64)
                given = {name: _given(some, name) for name in OF_FRAMES}
                yield classifier.attempt(_triplets(some), snr, given)

        return self.by_batches(scored)


def _given(candidates: Sequence[Scorable], name: str) -> Array:
    """Log-odds of scores that candidates have; NaN where they have none."""
    return np.array([log_odds_of(each.scores.get(name)) for each in candidates], dtype=np.float64)


def log_odds_of(score: float | None) -> float:
    """Of a probability as candidates keep it, which is never quite sure; NaN where there is none."""
    sure = np.clip(np.nan if score is None else score, 1e-7, 1.0 - 1e-7)
    return float(np.log(sure) - np.log1p(-sure))


def with_scores(
    candidates: Sequence[CandidateFacts], scores: Scores | None = None
) -> tuple[CandidateFacts, ...]:
    """Candidates with their scores, ordered by the best model's; those of no model keep what they have."""
    found = []
    for number, candidate in enumerate(candidates):
        every = candidate.scores if scores is None else {**candidate.scores, **scores.of(number)}
        best = best_of(every)
        moved = {} if scores is None or "ensemble" not in every else scores.moved_of(number)
        found.append(
            replace(
                candidate,
                score=candidate.score if best is None else best,
                scores=every,
                features={**candidate.features, **moved},
            )
        )
    return tuple(found)


def best_of(scores: Mapping[str, float]) -> float | None:
    """The score of the best model that gave one."""
    return next((scores[name] for name in BEST_FIRST if name in scores), None)


def _triplets(candidates: Sequence[Scorable]) -> Triplets:
    """Triplets of packed cutouts; all masked where there are none that can be read.

    What comes of a frame of ours has no ``source``.
    """
    stamps = []
    for each in candidates:
        try:
            stamps.append(_NOTHING if each.cutouts is None else unpack(each.cutouts))
        except CutoutError:
            stamps.append(_NOTHING)
    return of_sources(stamps, [getattr(each, "source", "") for each in candidates])


def _versions(name: str, folder: Path, digest: str | None) -> list[tuple[Path, str]]:
    """Folders and digests that may score under a name, the one in use first."""
    shipped = [(SHIPPED[name].folder, SHIPPED[name].digest)] if name in SHIPPED else []
    return shipped if digest is None else [(folder, digest), *shipped]
