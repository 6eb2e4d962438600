"""What shines lately where nothing did, too bright to be measured: no card tells of it, so somebody must."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import literal_column, or_, select
from sqlmodel import Session, col

from core.database.tables import Difference, Observation, Rejection
from core.vocabulary import NEW_SATURATED

LATELY_S = 86400.0
MOST_READ = 10_000  # a star that is faint in a reference by mistake is in each frame of a night
SAME_DEG = 1e-3  # places that differ by less are told as one
SAME_PX = 4.0


@dataclass(frozen=True, slots=True)
class NewLight:
    """A source that is saturated in a frame, and faint in its reference.

    Attributes
    ----------
    frame : str
        The newest in which it is; text from outside.
    ra, dec : float or None
        Degrees; none without a WCS.
    x, y : float
        On the reference's grid.
    reference_id : int or None
        Of the reference.
    """

    frame: str
    ra: float | None
    dec: float | None
    x: float
    y: float
    reference_id: int | None = None

    @property
    def place(self) -> str:
        """Where to look."""
        if self.ra is None or self.dec is None:
            return f"pixel {self.x:.0f}, {self.y:.0f} of the reference"
        return f"{self.ra:.5f} {self.dec:+.5f}"

    @property
    def key(self) -> str:
        """The same for the same place, as far as rounding lets it."""
        if self.ra is None or self.dec is None:
            return f"{self.reference_id}: {self.x / SAME_PX:.0f} {self.y / SAME_PX:.0f}"
        return f"{self.ra / SAME_DEG:.0f} {self.dec / SAME_DEG:.0f}"


def new_light(session: Session, now: float) -> tuple[NewLight, ...]:
    """Such sources of the frames that were done within a day, each place once, the newest place first."""
    query = (
        select(
            *(col(Observation.frame), col(Rejection.ra), col(Rejection.dec)),
            *(col(Rejection.x), col(Rejection.y), col(Difference.reference_id)),
        )
        .select_from(Rejection)
        .join(Observation, col(Observation.id) == col(Rejection.observation_id))
        .outerjoin(Difference, col(Difference.id) == col(Rejection.difference_id))
        .where(
            col(Rejection.cause) == literal_column(f"'{NEW_SATURATED}'"),  # as the index of them says it
            col(Observation.finished_at) > now - LATELY_S,
            or_(col(Rejection.difference_id).is_(None), col(Difference.is_current).is_(True)),
        )
        .order_by(col(Rejection.id).desc())
        .limit(MOST_READ)
    )
    found: dict[str, NewLight] = {}
    for row in session.execute(query):
        light = NewLight(*row)
        found[light.key] = found.pop(light.key, light)  # in the order in which they came, however often since
    return tuple(found.values())
