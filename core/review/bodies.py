"""Objects, and those judged as one with them: a body that moves is another object in each of its frames."""

from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.tables import SkyObject
from core.vocabulary import ReviewState


def with_their_bodies(objects: Select[Any]) -> Select[Any]:
    """A query for the ids of objects, with all that are judged as one with any of them.

    Parameters
    ----------
    objects : Select
        Of ids of objects alone.
    """
    direct = objects.cte()  # looked for once
    one, other = aliased(SkyObject), aliased(SkyObject)
    together = (
        select(col(other.id))
        .join(one, col(one.tracklet_id) == col(other.tracklet_id))
        .where(
            col(one.id).in_(select(direct.c[0])),
            col(one.review_state) != ReviewState.BOGUS.value,
            col(other.review_state) != ReviewState.BOGUS.value,
        )
    )
    return select(union(select(direct.c[0]), together).subquery().c[0])
