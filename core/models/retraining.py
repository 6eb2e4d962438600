"""Whether the real-bogus in use should be trained anew: there is drift, or people decided much since.

A version that was trained since and waits to be promoted has learnt of what was decided until then: only
later decisions count, so that the same drift does not train a version every night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.database.store import Store
from core.models import versions
from core.models.drift import Drift, drift
from core.models.drift_rows import decisions_since
from core.settings_sections import DriftSettings

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
        Those that the newest version did not learn of.
    """

    is_due: bool
    reason: str
    start: int
    decisions: int
    drift: Drift


def retraining(store: Store, digests: Mapping[str, str], limits: DriftSettings) -> Retraining:
    """Whether a training of the real-bogus is due.

    Parameters
    ----------
    store : Store
    digests : mapping of str to str
        Of the versions in use, by model.
    limits : DriftSettings
    """
    found = drift(store, digests, limits)
    start = versions.in_use(store, [NAME])[NAME].number
    newest = next(iter(versions.versions(store, NAME)), None)
    new = decisions_since(store, newest.created_at if newest else 0.0)
    since = f"since version {newest.number} was made" if newest else "so far"
    enough = limits.decisions
    if new >= enough:
        return Retraining(True, f"{new} decisions were made {since}", start, new, found)
    if not _is_of_the_model(found):
        reason = f"no drift of its scores, and {new} of {enough} decisions {since}"
        return Retraining(False, reason, start, new, found)
    least = max(1, round(SHARE * enough))
    reason = f"there is drift, and {new} decisions were made {since}"
    if new < least:
        reason += f"; {least} are needed to learn of it"
    return Retraining(new >= least, reason, start, new, found)


def _is_of_the_model(found: Drift) -> bool:
    """Whether its scores or what people say of them drifted, and not only what the camera gives."""
    scores = any(each.is_drift for each in found.quantities if (each.kind, each.name) == ("score", NAME))
    return scores or any(each.is_drift for each in found.calibrations if each.model == NAME)
