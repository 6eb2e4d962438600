"""Objects, and those judged as one with them: a body that moves is another object in each of its frames."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, union
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


def is_of_body() -> ColumnElement[bool]:
    """Whether the object that a query looks at is judged as one with others."""
    return and_(
        col(SkyObject.tracklet_id).is_not(None), col(SkyObject.review_state) != ReviewState.BOGUS.value
    )


def its_body() -> Select[Any]:
    """The ids of all that are judged as one with the object that a query looks at."""
    other = aliased(SkyObject)
    return (
        select(col(other.id))
        .where(
            col(other.tracklet_id) == col(SkyObject.tracklet_id),
            col(other.review_state) != ReviewState.BOGUS.value,
        )
        .correlate(SkyObject)  # two queries around it: it would not be found otherwise
    )
