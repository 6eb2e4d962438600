"""Why was nothing found here? What became of one place in every frame that saw it, or should have.

A place is a position on the sky, a pixel of a frame, or a pixel of a reference's grid, which is the
only coordinate system where there is no WCS. Frames are found by indices: the differences whose
reference shows the place, the frames whose own header covers it, and frames without WCS of the same
field. What each has to say is read by `core.places.place_facts` and told by `core.places.story`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Select, exists, func, or_, union
from sqlmodel import Session, col, select

from core.database.keys import key_in
from core.database.keyset import Cursor, check_limit, fetch
from core.database.records import Record, finite
from core.database.store import Store
from core.database.tables import Candidate, Difference, Observation, Reference, SkyObject
from core.errors import AstridError
from core.objects.known import bodies_at
from core.objects.sky import haversine, rows_in_cone
from core.objects.sphere import MARGIN_DEG, ra_ranges, separation_deg
from core.places.grid_maps import SkyMap
from core.places.place_facts import Place, Radius, collect, differences_of, scores_of
from core.places.story import tell
from core.places.story_parts import FrameStory
from core.text import safe_text
from core.vocabulary import OWN, FrameKind

ORDER = "why"  # of the pages' cursors
ALERTS_DEG = 3.0 / 3600.0  # what counts as one place, where no radius is given
ALERTS_TOLD = 100
NEAR_MISS = 2.0  # times its radius: a frame so near is told of too, for its header may be wrong


class WhyError(AstridError):
    """The question cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a place, frame by frame in order of time.

    Attributes
    ----------
    place : Place
    frames : tuple of FrameStory
    next : str or None
        The cursor of the page after this one.
    alerts : tuple of dict
        What surveys saw there, nearest first: ``id, object, source, mjd, filter, snr, mag, arcsec``, and the
        known ``body`` of the solar system that was there, in words.
    """

    place: Place
    frames: tuple[FrameStory, ...]
    next: str | None = None
    alerts: tuple[Record, ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        frames = [frame.record() for frame in self.frames]
        return {"place": asdict(self.place), "frames": frames, "next": self.next, "alerts": list(self.alerts)}


@dataclass(frozen=True, slots=True)
class Page:
    """Which frames to tell of: from `since` (MJD) on, behind the cursor `after`, `limit` at most.

    Where they are given, only those before `until` (MJD), and of one `filter`.
    """

    limit: int = 50
    since: float | None = None
    after: str | None = None
    until: float | None = None
    filter: str | None = None


FIRST = Page()
WHOLE = Page(limit=500)  # as much of a place as is told of at once


def why(
    store: Store,
    ra: float,
    dec: float,
    radius_deg: float | None = None,
    *,
    frame: int | str | None = None,
    page: Page = FIRST,
) -> Story:
    """Tell what became of a position on the sky.

    Parameters
    ----------
    store : Store
    ra, dec : float
        Degrees.
    radius_deg : float, optional
        What counts as this position; by default what each frame took for one place: half its FWHM, or
        an arcsecond.
    frame : int or str, optional
        The id or the name of one frame, to tell of this one alone.
    page : Page

    Raises
    ------
    WhyError
        There is no such frame.
    PageError
    """
    place = Place(ra, dec)
    with store.read() as session:
        if frame is not None:
            return _story(session, place, Radius(radius_deg), [_frame(session, frame)], None)
        story = _story(session, place, Radius(radius_deg), *_page(session, place, page))
        return replace(story, alerts=_alerts(session, ra, dec, radius_deg or ALERTS_DEG))


def alerts_at(store: Store, ra: float, dec: float, radius_deg: float) -> tuple[Record, ...]:
    """What surveys saw at a position (degrees), nearest first, as a `Story` has it."""
    with store.read() as session:
        return _alerts(session, ra, dec, radius_deg)


def _alerts(session: Session, ra: float, dec: float, radius_deg: float) -> tuple[Record, ...]:
    """The candidates of surveys at a place, nearest first."""
    found = rows_in_cone(
        session,
        Candidate,
        ra,
        dec,
        radius_deg,
        col(Candidate.source) != OWN,
        col(Candidate.is_current).is_(True),
    )[:ALERTS_TOLD]
    objects = {each.sky_object_id for each in found}
    named = select(SkyObject.id, SkyObject.name).where(col(SkyObject.id).in_(objects))
    names = dict(session.exec(named).all())
    bodies = bodies_at(session, [one.id or 0 for one in found])
    return tuple(
        {
            "id": one.id,
            "object": names[one.sky_object_id],
            "source": one.source,
            "mjd": finite(one.mjd),
            "filter": one.filter,
            "snr": finite(one.snr),
            "mag": finite(one.mag),
            "arcsec": round(float(separation_deg(one.ra or 0.0, one.dec or 0.0, ra, dec)) * 3600.0, 3),
            "body": bodies.get(one.id or 0),
        }
        for one in found
    )


def why_in_frame(store: Store, frame: int | str, x: float, y: float, radius_px: float | None = None) -> Story:
    """Tell what became of a pixel of a frame, counted as in its file from 0, in that frame alone.

    Raises
    ------
    WhyError
        There is no such frame, or none of its reference's pixels is there.
    """
    with store.read() as session:
        observation = _frame(session, frame)
        difference = differences_of(session, [observation]).get(observation.id or 0)
        place = Place() if difference is None else _place_in_frame(session, difference, x, y)
        if place is None:
            raise WhyError(f"pixel {x:g}, {y:g} of {observation.frame} lies far outside its reference")
        return _story(session, place, Radius(pixels=radius_px), [observation], None)


def why_on_grid(
    store: Store,
    reference_id: int,
    x: float,
    y: float,
    radius_px: float | None = None,
    *,
    page: Page = FIRST,
) -> Story:
    """Tell what became of a pixel of a reference's grid, in every frame that saw the place.

    Raises
    ------
    WhyError
        There is no such reference.
    PageError
    """
    place = place_on_grid(store, reference_id, x, y)
    with store.read() as session:
        return _story(session, place, Radius(pixels=radius_px), *_page(session, place, page))


def place_on_grid(store: Store, reference_id: int, x: float, y: float) -> Place:
    """A pixel of a reference's grid, with its position on the sky where that is known.

    Raises
    ------
    WhyError
        There is no such reference.
    """
    with store.read() as session:
        if session.get(Reference, reference_id) is None:
            raise WhyError(f"there is no reference {reference_id}: `astrid reference list` shows them")
        return _place_on_grid(session, reference_id, x, y)


def _story(
    session: Session,
    place: Place,
    radius: Radius,
    observations: Sequence[Observation],
    cursor: str | None,
) -> Story:
    frames = tuple(tell(facts) for facts in collect(session, place, radius, observations))
    return Story(place, frames, cursor)


def _frame(session: Session, frame: int | str) -> Observation:
    """A frame by its id, or by its name where only one has it."""
    key = key_in(str(frame))
    row = None if key is None else session.get(Observation, key)
    if row is not None:
        return row
    called = col(Observation.frame) == str(frame)
    rows = session.exec(select(Observation).where(called).limit(2)).all()
    if not rows:
        raise WhyError(f"there is no frame {safe_text(frame, 200)}: name one by its id or its name")
    if len(rows) > 1:
        raise WhyError(f"more than one frame is called {safe_text(frame, 200)}: name one by its id")
    return rows[0]


def _place_in_frame(session: Session, difference: Difference, x: float, y: float) -> Place | None:
    """A frame's pixel as a place of its reference; none far outside, nothing known of it without a map."""
    scores = scores_of(session, [difference]).get(difference.id or 0)
    if scores is None:
        return Place(reference=difference.reference_id)
    at = scores.to_frame.inverse(x, y)
    if at is None:
        return None
    return _on_both(difference.reference_id, at, scores.sky)


def _place_on_grid(session: Session, reference_id: int, x: float, y: float) -> Place:
    """A reference's pixel, with its position on the sky where any difference has kept the way there."""
    newest = session.exec(
        select(Difference)
        .where(col(Difference.reference_id) == reference_id, col(Difference.is_current))
        .order_by(col(Difference.id).desc())
        .limit(1)
    ).all()
    sky = next((each.sky for each in scores_of(session, newest).values()), None)
    return _on_both(reference_id, (x, y), sky)


def _on_both(reference_id: int, at: tuple[float, float], sky: SkyMap | None) -> Place:
    position = sky.to_sky(*at) if sky is not None else None
    ra, dec = position if position is not None else (None, None)
    return Place(ra, dec, reference_id, *at)


def _page(session: Session, place: Place, page: Page) -> tuple[list[Observation], str | None]:
    """The frames that saw a place, or should have, in order of time; and the cursor of the next page."""
    check_limit(page.limit)
    query: Select[Any] = select(Observation).where(
        col(Observation.kind) == FrameKind.SCIENCE.value, col(Observation.id).in_(_seen(session, place))
    )
    if page.since is not None:
        query = query.where(col(Observation.mjd) >= page.since)
    if page.until is not None:
        query = query.where(col(Observation.mjd) < page.until)
    if page.filter is not None:
        query = query.where(col(Observation.filter) == page.filter)
    rows = fetch(
        session,
        query,
        key=col(Observation.mjd),
        row_id=col(Observation.id),
        descending=False,
        after=Cursor.read(page.after, ORDER) if page.after is not None else None,
        limit=page.limit + 1,
    )
    found = [row[0] for row in rows[: page.limit]]
    if len(rows) <= page.limit:
        return found, None
    return found, str(Cursor(ORDER, found[-1].mjd, found[-1].id))


def _seen(session: Session, place: Place) -> Any:
    """The ids of frames that saw a place, or should have."""
    references = _references(session, place)
    ids = [row.id for row in references]
    fields = [row.field for row in references if row.field is not None]
    processed = (
        select(Difference.observation_id)
        .join(Observation, col(Difference.observation_id) == col(Observation.id))
        .where(col(Difference.reference_id).in_(ids), col(Difference.is_current))
    )
    # Without a WCS of its own a frame may show any part of its field, until it is subtracted.
    lost = select(Observation.id).where(
        col(Observation.field).in_(fields),
        col(Observation.ra).is_(None),
        ~exists().where(col(Difference.observation_id) == col(Observation.id), col(Difference.is_current)),
    )
    if place.ra is None or place.dec is None:
        return union(processed, lost)
    distance = haversine(col(Observation.ra), col(Observation.dec), place.ra, place.dec)
    half = math.pi / 360.0
    processed = processed.where(
        or_(
            col(Observation.ra).is_(None),
            col(Observation.radius_deg) * NEAR_MISS >= 180.0,
            distance <= _square(func.sin(col(Observation.radius_deg) * NEAR_MISS * half)),
        )
    )
    reach = (session.scalar(select(func.max(Observation.radius_deg))) or 0.0) + MARGIN_DEG
    covering = select(Observation.id).where(
        col(Observation.dec).between(place.dec - reach, place.dec + reach),
        or_(*(col(Observation.ra).between(*part) for part in ra_ranges(place.ra, place.dec, reach))),
        distance <= _square(func.sin(col(Observation.radius_deg) * half)),
    )
    return union(processed, lost, covering)


def _references(session: Session, place: Place) -> Sequence[Reference]:
    """The references that show a place."""
    if place.ra is None or place.dec is None:
        return session.exec(select(Reference).where(col(Reference.id) == place.reference)).all()
    distance = haversine(col(Reference.ra), col(Reference.dec), place.ra, place.dec)
    reach = _square(func.sin(col(Reference.radius_deg) * math.pi / 360.0))
    return session.exec(select(Reference).where(distance <= reach)).all()


def _square(value: Any) -> Any:
    return value * value
