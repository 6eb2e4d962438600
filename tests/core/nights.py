"""Nights of candidates with scores, for whoever compares one time with another."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Observation, SkyObject, StageRun, Verdict
from core.review.cutouts import pack
from tests import builders

FIRST_MJD = 60000.2


def add_nights(
    store: Store,
    count: int,
    *,
    first: int = 0,
    each: int = 60,
    shift: float = 0.0,
    wrong: float = 0.1,
    decided: int = 0,
    cutouts: bool = True,
    scored_by: str = "realbogus aaaaaaaaaaaa",
    seed: int = 0,
) -> None:
    """Nights of one frame each, whose log-odds and elongations are normal, their mean ``shift``.

    Of ``decided`` candidates a night a person says what they are: the sign of the log-odds, but for a
    share that is ``wrong``; these have ``cutouts``.
    """
    pixels = pack(builders.cutouts())
    random = np.random.default_rng([seed, first])
    with store.write() as db:
        for night in range(first, first + count):
            mjd = FIRST_MJD + night
            observation = Observation(
                content=f"c{night}", frame=f"{night}.fits", path=f"{night}.fits", mjd=mjd, created_at=1.0,
                state="done", instrument="camera", filter="r", seeing_px=2.5,
            )  # fmt: skip
            db.add(observation)
            db.flush()
            db.add(
                StageRun(
                    observation_id=observation.id, attempt=1, stage="classify", started_at=1.0, seconds=0.1,
                    outcome="done", reason=f"scored by {scored_by}.",
                )
            )  # fmt: skip
            objects = _stored(db, SkyObject(name=""), [{"name": f"o{night}-{i}"} for i in range(each)])
            log_odds = random.normal(shift, 2.0, each)
            candidates = _stored(
                db,
                Candidate(
                    external_id="", observation_id=observation.id, sky_object_id=0, filter="r", mjd=mjd,
                    snr=0.0, score=0.5,
                ),
                [
                    {
                        "external_id": f"{night}.{i}",
                        "sky_object_id": objects[i],
                        "snr": float(random.normal(9.0, 1.0)),
                        "scores": {"realbogus": float(1 / (1 + np.exp(-log_odds[i])))},
                        "features": {"elongation": float(random.normal(1.0 + shift, 0.2))},
                    }
                    for i in range(each)
                ],
            )  # fmt: skip
            for i in range(decided):
                is_real = (log_odds[i] > 0) != (random.random() < wrong)
                if cutouts:
                    db.add(Cutout(candidate_id=candidates[i], pixels=pixels))
                db.add(
                    Verdict(
                        session=f"s{night}", sequence=i, reviewer="ada", candidate_id=candidates[i],
                        sky_object_id=objects[i], label="real" if is_real else "artefact",
                        created_at=1000.0 + night, previous_hash="", hash=f"{night}.{i}",
                    )
                )  # fmt: skip


def _stored(db: Session, row: SQLModel, changes: list[dict[str, Any]]) -> list[int]:
    """The keys of rows like one, each with what is its own; rows as objects take ten times as long."""
    table, shared = type(row), row.model_dump(exclude={"id"})
    query = insert(table).returning(table.id, sort_by_parameter_order=True)  # type: ignore[attr-defined]
    return list(db.scalars(query, [shared | each for each in changes]))
