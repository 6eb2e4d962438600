"""Samples of candidates of some nights, as columns, for whoever compares one time with another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Difference, Observation, SkyObject, Verdict
from core.frames.scored_by import scored_by
from core.frames.standing import stands
from core.models.names import MOVED
from core.objects.tracklets import NightSpan
from core.review.agreement import side
from core.review.real_rows import is_injected_candidate
from core.vocabulary import DOUBT, OWN, ReviewState

Array = NDArray[np.float64]

PAGE = 1000
MOST = 5000  # candidates of a time that are looked at
MOST_FEATURES = 256  # more than frames and all surveys together tell
DIGITS = 12  # of a model's digest, in the record of a frame
FRAME_FACTS = {
    "seeing_px": col(Observation.seeing_px),
    "sky_rms": col(Observation.sky_rms),
    "zeropoint": col(Observation.zeropoint),
    "score_std": col(Difference.score_std),
    "registration_rms_px": col(Difference.registration_rms_px),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Candidates, one a row.

    Attributes
    ----------
    stratum : (n,) str
        Instrument, or the survey, and filter.
    mjd : (n,) float64
    scores : dict of str to (n,) float64
        Log-odds by model; NaN where none was given, or by another version.
    features : dict of str to (n,) float64
        NaN where they were not measured.
    total : int
        Candidates of that time, of which the rows are a sample.
    """

    stratum: NDArray[np.str_]
    mjd: Array
    scores: dict[str, Array]
    features: dict[str, Array]
    total: int

    def __len__(self) -> int:
        return len(self.stratum)


@dataclass(frozen=True, slots=True)
class Judged:
    """Candidates that a person took a side on, one a row: the newest decision that stands.

    Attributes
    ----------
    stratum : (n,) str
    object : (n,) int
        Its number; that of a body that moves is its tracklet's, below 0.
    real : (n,) bool
    scores : dict of str to (n,) float64
        Log-odds by model.
    """

    stratum: NDArray[np.str_]
    object: NDArray[np.int64]
    real: NDArray[np.bool_]
    scores: dict[str, Array]

    def __len__(self) -> int:
        return len(self.real)


def sample(store: Store, span: NightSpan, digests: Mapping[str, str], most: int = MOST) -> Sample:
    """Candidates between two times, evenly spread over them where there are more than ``most``.

    Injected ones are among them: what is told of all betrays none, as their absence would.

    Parameters
    ----------
    store : Store
    span : NightSpan
    digests : mapping of str to str
        Of the versions whose scores count, by model.
    most : int
    """
    during = (
        col(Candidate.is_current).is_(True),
        col(Candidate.mjd) >= span.first,
        col(Candidate.mjd) <= span.last,
    )
    with store.read() as session:
        total = session.scalar(select(func.count()).select_from(Candidate).where(*during)) or 0
    every = max(1, math.ceil(total / most))
    columns = select(
        col(Candidate.id), col(Candidate.source), col(Candidate.filter), col(Candidate.snr),
        col(Candidate.mag), col(Candidate.scores), col(Candidate.features), col(Candidate.mjd),
        col(Candidate.observation_id), col(Candidate.scoring_id), col(Observation.instrument),
        *FRAME_FACTS.values(),
    )  # fmt: skip
    query = (
        columns.select_from(Candidate)
        .outerjoin(Observation, col(Candidate.observation_id) == col(Observation.id))
        .outerjoin(Difference, col(Candidate.difference_id) == col(Difference.id))
        .where(*during, col(Candidate.id) % every == 0)
        .order_by(col(Candidate.id))
        .limit(PAGE)
    )
    stratum: list[str] = []
    mjd: list[float] = []
    scores: list[dict[str, float]] = []
    features: list[dict[str, float]] = []
    after = 0
    while True:
        with store.read() as session:
            rows = session.connection().execute(query.where(col(Candidate.id) > after)).all()
            said = scored_by(session, rows)
        for row in rows:
            stratum.append(_stratum(row))
            mjd.append(row.mjd)
            scores.append(_scores(row.scores, digests, said[row.id]))
            features.append(_features(row))
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    return Sample(
        np.array(stratum, dtype=np.str_),
        np.array(mjd, dtype=np.float64),
        _columns(scores, list(digests)),
        _columns(features),
        total,
    )


def judged(store: Store, span: NightSpan, names: Mapping[str, str], most: int = MOST) -> Judged:
    """What was decided on candidates between two times, of at most so many decisions, the newest."""
    query = (
        select(
            col(Candidate.id), col(Verdict.label), col(Candidate.source),
            col(Candidate.filter), col(Candidate.scores), col(Candidate.sky_object_id),
            col(Candidate.observation_id), col(Candidate.scoring_id), col(Observation.instrument),
            col(SkyObject.tracklet_id),
        )
        .join(Candidate, col(Verdict.candidate_id) == col(Candidate.id))
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .outerjoin(Observation, col(Candidate.observation_id) == col(Observation.id))
        .where(
            col(Candidate.mjd) >= span.first,
            col(Candidate.mjd) <= span.last,
            stands(Verdict),
            ~is_injected_candidate(),
        )
        .order_by(col(Verdict.id).desc())
        .limit(most)
    )  # fmt: skip
    with store.read() as session:
        rows = session.connection().execute(query).all()
        said = scored_by(session, rows)
    kept, seen = [], set[int]()
    for row in rows:
        taken = side(row.label)
        if taken is not None and row.id not in seen:
            seen.add(row.id)
            kept.append((row, taken is ReviewState.REAL))
    scores = [_scores(row.scores, names, said[row.id]) for row, _ in kept]
    return Judged(
        np.array([_stratum(row) for row, _ in kept], dtype=np.str_),
        np.array([-(row.tracklet_id or 0) or row.sky_object_id for row, _ in kept], dtype=np.int64),
        np.array([real for _, real in kept], dtype=bool),
        _columns(scores, list(names)),
    )


def _scores(given: object, digests: Mapping[str, str], said: str | None) -> dict[str, float]:
    """Log-odds by those versions; where nothing says who scored, by whoever it was."""
    found: dict[str, float] = {}
    for name, digest in digests.items():
        value = given.get(name) if isinstance(given, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            continue
        if said and f"{name} " in said and f"{name} {digest[:DIGITS]}" not in said:
            continue
        sure = min(max(float(value), 1e-7), 1.0 - 1e-7)
        found[name] = math.log(sure / (1.0 - sure))
    return found


def _features(row: object) -> dict[str, float]:
    given = getattr(row, "features", None)
    found = dict(given) if isinstance(given, dict) else {}
    found = {key: value for key, value in found.items() if not key.startswith((MOVED, DOUBT))}
    found |= {"|snr|": abs(getattr(row, "snr", math.nan)), "mag": getattr(row, "mag", None)}
    found |= {name: getattr(row, name) for name in FRAME_FACTS}
    return {
        str(key): float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _stratum(row: object) -> str:
    source, instrument = getattr(row, "source", OWN), getattr(row, "instrument", None)
    return f"{instrument or source} {getattr(row, 'filter', None) or 'no filter'}"


def _columns(rows: list[dict[str, float]], names: list[str] | None = None) -> dict[str, Array]:
    """Columns by name: those asked for, or those that most rows have."""
    told = Counter(key for row in rows for key in row) if names is None else Counter[str]()
    most = sorted(told, key=lambda key: (-told[key], key))[:MOST_FEATURES]
    wanted = sorted(most) if names is None else names
    return {name: np.array([row.get(name, math.nan) for row in rows], dtype=np.float64) for name in wanted}
