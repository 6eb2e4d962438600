"""A candidate as scripts read it: one flat record, its keys a promise.

Text in it is as it came: JSON escapes it, and whoever draws it passes it through `core.text`.
"""

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlmodel import Session, col

from core.database.tables import Candidate, Difference, SkyObject, TrackletMember
from core.frames.standing import candidate_label
from core.line_words import line_of
from core.vocabulary import OWN

Record = dict[str, Any]


def candidate_rows(*more: Any) -> Select[Any]:
    """The query that `record` reads, with more columns if wanted."""
    tracklet = (
        select(col(TrackletMember.tracklet_id))
        .where(col(TrackletMember.candidate_id) == col(Candidate.id))
        .correlate(Candidate)
        .scalar_subquery()
    )
    return (
        select(
            Candidate,
            col(SkyObject.name).label("object_name"),
            candidate_label().label("verdict"),
            col(Difference.reference_id).label("reference_id"),
            col(Difference.method).label("method"),
            col(Difference.config_hash).label("config_hash"),
            tracklet.label("tracklet_id"),
            *more,
        )
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .outerjoin(Difference, col(Candidate.difference_id) == col(Difference.id))
    )


def rows_of(db: Session, ids: Sequence[int], query: Select[Any]) -> list[Row[Any]]:
    """The rows of `candidate_rows` for some candidates, in the order of their ids as given.

    Pages choose ids first and read these after: what a row costs is then paid for the page alone, not
    for all that had to be sorted.
    """
    found = {row[0].id: row for row in db.execute(query.where(col(Candidate.id).in_(ids)))}
    return [found[key] for key in ids]


def record(row: Row[Any]) -> Record:
    """One row of `candidate_rows`.

    ``object_id`` and ``frame_id`` are numbers in the store, which no two share, as names of frames may.
    ``x, y`` are pixels of the reference's grid, ``x_frame, y_frame`` of the frame; ``ra, dec``
    degrees; ``snr`` and ``flux`` signed, ``flux`` in ``flux_unit``; ``mag`` of ``|flux|`` in
    ``mag_system``. ``scores`` are by model; those of a survey have its name before theirs, such as
    ``ztf:drb``, and so has ``alert_id``, the number of an alert: text, for as a number it would lose digits
    to what reads it. ``tracklet`` is the number of that which the candidate is one detection of. What is
    unknown is ``None``.
    """
    candidate: Candidate = row[0]
    return {
        "id": candidate.id,
        "object": row.object_name,
        "object_id": candidate.sky_object_id,
        "frame": candidate.frame,
        "frame_id": candidate.observation_id,
        "x": finite(candidate.x),
        "y": finite(candidate.y),
        "x_frame": finite(candidate.x_frame),
        "y_frame": finite(candidate.y_frame),
        "ra": finite(candidate.ra),
        "dec": finite(candidate.dec),
        "mjd": finite(candidate.mjd),
        "filter": candidate.filter,
        "snr": finite(candidate.snr),
        "flux": finite(candidate.flux),
        "flux_err": finite(candidate.flux_err),
        "flux_unit": candidate.flux_unit,
        "mag": finite(candidate.mag),
        "mag_err": finite(candidate.mag_err),
        "mag_system": candidate.mag_system,
        "position_error_px": finite(candidate.position_error_px),
        "mask_flags": candidate.mask_flags,
        "line": line_of(candidate.features),
        "score": finite(candidate.score),
        "scores": {name: finite(value) for name, value in candidate.scores.items()},
        "verdict": row.verdict,
        "source": candidate.source,
        "alert_id": None if candidate.source == OWN else f"{candidate.source}:{candidate.external_id}",
        "reference": row.reference_id,
        "method": row.method,
        "config_hash": row.config_hash,
        "tracklet": row.tracklet_id,
    }


def finite(value: Any) -> Any:
    """The value, or none where it is a number that is not finite: JSON has no word for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
