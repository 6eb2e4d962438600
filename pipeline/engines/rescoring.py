"""The store's candidates by the models in use now: what others scored is scored anew, by its cutouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.database.store import Store
from core.models.names import MOVED, NAMES
from core.models.weighed import OF_FRAMES
from core.review.rescoring import Kept, NewScores, candidates_passing, scored_by_others, write_scores
from core.settings import Settings
from core.vocabulary import OWN
from pipeline.classify.chosen import chosen
from pipeline.classify.classify import BATCH, Classifier, Scores, best_of

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Rescored:
    """What became of the candidates that were asked for.

    Attributes
    ----------
    asked : int
    scored : int
        That have new scores.
    without : int
        That keep what they have: their cutouts are gone or show nothing, or they are alerts where
        ``[classify] alerts`` is false.
    unscored : int
        That keep what they have because no model could score them, as ``remarks`` tell.
    models : dict of str to str
        Digests of the models in use that score candidates, by name.
    remarks : tuple of str
        Of models that could not be used.
    """

    asked: int
    scored: int
    without: int
    unscored: int
    models: dict[str, str]
    remarks: tuple[str, ...]

    @property
    def same(self) -> int:
        """Candidates that these models had scored before, or that changed meanwhile."""
        return self.asked - self.scored - self.without - self.unscored


def rescore_stored(
    store: Store, settings: Settings, filters: str = "", *, progress: Progress | None = None
) -> Rescored:
    """Score the candidates that other models scored than those in use, the newest first.

    Nothing but scores changes. The U-Net sees whole frames: what it said stays. What was done stays done when
    this is interrupted, and is not done again.

    Parameters
    ----------
    filters : str
        Terms of `core.review.filters`.
    progress : callable, optional
        ``report(done, total, what)``.

    Raises
    ------
    FilterError
    """
    numbers = candidates_passing(store, filters)
    classifier = Classifier.of(chosen(store, settings))
    remarks = dict.fromkeys(classifier.remarks)
    models = classifier.digests
    scored = without = unscored = done = 0
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH].tolist()
        others = scored_by_others(store, some, classifier.told)
        wanted = [each for each in others if _is_wanted(each, alerts=settings.classify.alerts)]
        scores = classifier.score_candidates(wanted) if wanted else Scores(0)
        found = [_new(each, scores, i) for i, each in enumerate(wanted) if scores.of(i)]
        scored += write_scores(store, scores.told, found)
        if scores.digests:  # what none can score is not asked for again, nor missed by health
            in_vain = [_as_it_is(each) for i, each in enumerate(wanted) if not scores.of(i)]
            write_scores(store, scores.told, in_vain)
        silent = 0 if scores.digests else len(wanted)
        unscored += silent
        without += len(others) - len(found) - silent
        remarks |= dict.fromkeys(scores.remarks)
        models = scores.digests or models
        done += len(some)
        if progress:
            progress(done, len(numbers), "candidates")
    return Rescored(len(numbers), scored, without, unscored, models, tuple(remarks))


def _is_wanted(candidate: Kept, *, alerts: bool) -> bool:
    return candidate.cutouts is not None and (alerts or candidate.source == OWN)


def _as_it_is(kept: Kept) -> NewScores:
    best = best_of(kept.scores)
    return NewScores(kept, abs(kept.snr) if best is None else best, kept.scores, kept.features)


def _new(kept: Kept, scores: Scores, number: int) -> NewScores:
    """Our models' scores in place of those before; a survey's own and those of whole frames stay."""
    stay = {name: value for name, value in kept.scores.items() if name in OF_FRAMES or name not in NAMES}
    ours = stay | scores.of(number)
    best = best_of(ours)
    features = {name: value for name, value in kept.features.items() if not name.startswith(MOVED)}
    moved = scores.moved_of(number) if "ensemble" in ours else {}
    return NewScores(kept, abs(kept.snr) if best is None else best, ours, features | moved)
