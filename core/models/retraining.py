"""Whether the real-bogus in use should be trained anew: there is drift, or people decided much since.

A version that was trained since and waits to be promoted has learnt of what was decided until then: only
later decisions count, so that the same drift does not train a version every night. What counts are decisions
that a training would learn from (`core.models.learnable`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.database.store import Store
from core.models import versions
from core.models.drift import Drift, drift
from core.models.learnable import LEAST_OBJECTS, Learnable, learnable, learnt_at
from core.settings_sections import DriftSettings, ReviewSettings

NAME = "realbogus"
SHARE = 0.1  # of the decisions that are enough without drift: with it, so many are


@dataclass(frozen=True, slots=True)
class Retraining:
    """Whether a training is due, and why or why not.

    Attributes
    ----------
    start : int
        The number of the version in use, which it would begin with.
    decisions : int
        Those that reviewers agree on and no version learnt of.
    """

    is_due: bool
    reason: str
    start: int
    decisions: int
    drift: Drift


def retraining(
    store: Store, digests: Mapping[str, str], limits: DriftSettings, review: ReviewSettings
) -> Retraining:
    """Whether a training of the real-bogus is due.

    Parameters
    ----------
    store : Store
    digests : mapping of str to str
        Of the versions in use, by model.
    limits : DriftSettings
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    """
    found = drift(store, digests, limits, review)
    start = versions.in_use(store, [NAME])[NAME].number
    newest = next((row for row in versions.versions(store, NAME) if learnt_at(row)), None)
    there = learnable(store, review)
    new = there.since(newest.created_at if newest else 0.0)
    is_drift = _is_of_the_model(found)
    needed = max(1, round(SHARE * limits.decisions)) if is_drift else limits.decisions
    since = f"since version {newest.number} was made" if newest else "so far"
    reason = (
        f"{'there is drift' if is_drift else 'no drift of its scores'}, and {_agreed(new, needed)} {since}"
    )
    if new >= needed and not there.is_enough:
        return Retraining(False, f"{reason}, but {_too_few(there)}", start, new, found)
    return Retraining(new >= needed, reason, start, new, found)


def _agreed(new: int, needed: int) -> str:
    """How many decisions there are, and how many have to be."""
    return f"{new} agreed decisions of {needed} needed were made"


def _too_few(there: Learnable) -> str:
    found = f"on {there.real} real and {there.bogus} bogus objects"
    return f"{found}; {LEAST_OBJECTS} of each are needed to learn from"


def _is_of_the_model(found: Drift) -> bool:
    """Whether its scores or what people say of them drifted, and not only what the camera gives."""
    scores = any(each.is_drift for each in found.quantities if (each.kind, each.name) == ("score", NAME))
    return scores or any(each.is_drift for each in found.calibrations if each.model == NAME)
