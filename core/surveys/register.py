"""Alerts into the store: each once, on the sky object of its position, with the history it tells.

An alert is known by its survey and candid. One that comes again changes nothing; one that comes again
with other content is refused, and the first stays. What a survey takes back leaves the queue, and stays.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import delete, exists, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select, tuple_

from core.database.rows import insert_for_keys
from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Candidate, Cutout, SkyObject, SurveyFlux, SurveyObject
from core.frames.scored_by import scoring_key
from core.objects.association import Place, lock, refresh, wake
from core.objects.known import untold_bodies, write_known
from core.objects.seen_again import Rule, wake_contradicted
from core.objects.sphere import zone_of
from core.review.cutouts import is_whole, same_pixels, same_size
from core.surveys.alert import AlertFacts, FluxFacts
from core.surveys.placing import AlertPlace, place_alerts
from core.vocabulary import FluxKind, ReviewState

BATCH = 64  # alerts of one transaction, and
MOST_EPOCHS = 3000  # epochs of their histories: a verdict that waits for it does not notice
RELATIVE_ERROR = 1e-4  # brokers pass numbers on as float32, or rounded
MJD_ERROR = 1e-6
DEGREES_ERROR = 1e-6

EPOCH = tuple(field.name for field in fields(FluxFacts))

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RegisteredAlert:
    """What became of one alert.

    Attributes
    ----------
    state : str
        ``new``, ``known`` or ``refused``, the last with a `reason`.
    candidate_id : int
        The candidate that has this candid.
    """

    state: Literal["new", "known", "refused"]
    candidate_id: int
    reason: str | None = None


def register_alerts(
    store: Store,
    alerts: Sequence[AlertFacts],
    known_state: str | None = None,
    seen_again: Rule | None = None,
) -> list[RegisteredAlert]:
    """Put alerts into the store, some a transaction; what became of each, in their order.

    Those that are known already may complete what the first packet lacked, an older release did not read
    of it, or is damaged in the store: cutouts, epochs of the history, and the body of the solar system that
    the survey took it for. Two alerts with one candid among them are treated as if they had come one after
    the other.

    Parameters
    ----------
    known_state : str, optional
        Of the catalogues that said what is known at the places of the new ones.
    seen_again : Rule, optional
        What brings objects back that were judged bogus; else that of the settings' defaults.
    """
    done: list[RegisteredAlert] = []
    for batch in _batches(alerts):
        with store.write() as session:
            lock(session)
            done.extend(_register(session, batch, known_state, seen_again or Rule()))
    return done


def _batches(alerts: Sequence[AlertFacts]) -> Iterator[list[_Prepared]]:
    batch: list[_Prepared] = []
    epochs = 0
    for alert in alerts:
        if batch and (len(batch) >= BATCH or epochs + len(alert.history) > MOST_EPOCHS):
            yield batch
            batch, epochs = [], 0
        batch.append(_Prepared(alert))
        epochs += len(alert.history)
    if batch:
        yield batch


class _Prepared:
    """An alert, made ready before the transaction: while that lasts, no verdict can be written."""

    __slots__ = ("alert", "columns", "fluxes", "key", "place")

    def __init__(self, alert: AlertFacts) -> None:
        self.alert = alert
        self.columns = _columns(alert)
        self.fluxes = [
            storable({name: getattr(point, name) for name in EPOCH} | {"source": alert.source})
            for point in alert.history
        ]
        self.key: Key = (self.columns["source"], self.columns["external_id"])
        name = storable(alert.object_id)
        self.place = AlertPlace(
            Place(0.0, 0.0, 0.0, self.columns["ra"], alert.dec, alert.radius_deg, _display_name(alert, name)),
            (alert.source, alert.mjd),
            None if name is None else (alert.source, name),
        )


def _register(
    session: Session, batch: Sequence[_Prepared], known_state: str | None, seen_again: Rule
) -> list[RegisteredAlert]:
    first: dict[Key, _Prepared] = {}
    for each in batch:
        first.setdefault(each.key, each)
    known = _known(session, list(first))
    damaged = _without_damaged(known, batch)
    new = [each for key, each in first.items() if key not in known]
    objects, _ = place_alerts(session, [each.place for each in new])
    for each, sky_object in zip(new, objects, strict=True):
        each.columns["sky_object_id"] = sky_object
    classifiers = {each.alert.scored_by for each in new}
    scorings = {by: scoring_key(session, by) for by in classifiers if by is not None}
    for each in new:
        each.columns["scoring_id"] = scorings.get(each.alert.scored_by or "")
    keys = insert_for_keys(session, Candidate, [each.columns for each in new])
    homes = dict(zip((each.key for each in new), zip(keys, objects, strict=True), strict=True))

    done: list[RegisteredAlert] = []
    cutouts: dict[int, bytes] = {}
    again: dict[int, Mapping[str, Any]] = {}
    fluxes: list[dict[str, Any]] = []
    for each in batch:
        if each.key in known:
            row, kept = known[each.key]
            candidate, sky_object = row.id or 0, row.sky_object_id
            difference = _difference(row.model_dump(), kept, each)
        else:
            candidate, sky_object = homes[each.key]
            original = first[each.key]
            difference = _difference(original.columns, original.alert.cutouts, each)
        if difference is not None:
            reason = f"the {each.alert.source} alert {each.alert.external_id} is known with {difference}"
            done.append(RegisteredAlert("refused", candidate, f"{reason}: the first stays"))
            continue
        if each.key in known and each.alert.known is not None:
            again[candidate] = each.alert.known
        is_new = each.key in homes and each is first[each.key]
        done.append(RegisteredAlert("new" if is_new else "known", candidate))
        if each.alert.cutouts is not None and (is_new or known.get(each.key, (None, b""))[1] is None):
            cutouts.setdefault(candidate, each.alert.cutouts)
        fluxes += [row | {"sky_object_id": sky_object} for row in each.fluxes]
    if known_state is not None:
        told = {homes[each.key][0]: each.alert.known for each in new if each.alert.known is not None}
        write_known(session, told | untold_bodies(session, again), known_state)
    if mended := damaged & cutouts.keys():
        session.connection().execute(delete(Cutout).where(col(Cutout.candidate_id).in_(mended)))
    _add(session, Cutout, [{"candidate_id": key, "pixels": pixels} for key, pixels in cutouts.items()])
    _add(session, SurveyObject, _name_rows(new, objects))
    _add(session, SurveyFlux, [row for row in fluxes if row["kind"] != FluxKind.WITHDRAWN])
    left = _withdraw(session, [row for row in fluxes if row["kind"] == FluxKind.WITHDRAWN], objects)
    refresh(session, {*objects, *left})
    _wake(session, zip(new, objects, strict=True))
    if new:
        since = min(each.alert.mjd for each in new)
        wake_contradicted(session, set(objects), since, seen_again)
    return done


def _known(session: Session, keys: Sequence[Key]) -> dict[Key, tuple[Candidate, bytes | None]]:
    """The candidates of some alerts that the store has, with their cutouts."""
    query = (
        select(Candidate, Cutout.pixels)
        .outerjoin(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .where(tuple_(col(Candidate.source), col(Candidate.external_id)).in_(list(keys)))
    )
    return {(row.source, row.external_id): (row, pixels) for row, pixels in session.exec(query)}


def _without_damaged(
    known: dict[Key, tuple[Candidate, bytes | None]], batch: Sequence[_Prepared]
) -> set[int]:
    """Take cutouts that no longer can be read out of what is known, where others come; whose they were."""
    found: set[int] = set()
    for each in batch:
        row, kept = known.get(each.key, (None, None))
        sent = each.alert.cutouts
        if row is None or kept is None or sent is None or same_pixels(kept, sent):
            continue
        if not is_whole(kept):
            known[each.key] = (row, None)
            found.add(row.id or 0)
    return found


def _difference(first: dict[str, Any], kept: bytes | None, later: _Prepared) -> str | None:
    """In what an alert differs from the first of its candid; none where it says the same."""
    other = later.columns
    for name, error in (("mjd", MJD_ERROR), ("ra", DEGREES_ERROR), ("dec", DEGREES_ERROR)):
        apart = first[name] - other[name]
        if abs(apart if name == "mjd" else math.remainder(apart, 360.0)) > error:
            return f"another {name} ({first[name]:.7g}, not {other[name]:.7g})"
    for name in ("snr", "flux", "flux_err", "mag", "mag_err"):
        if not _same(first[name], other[name]):
            return f"another {name} ({first[name]}, not {other[name]})"
    if first["filter"] != other["filter"]:
        return f"another filter ({first['filter']}, not {other['filter']})"
    for name in first["scores"].keys() & later.alert.scores.keys():
        if not _same(first["scores"][name], other["scores"][name]):
            return f"another {name} ({first['scores'][name]}, not {other['scores'][name]})"
    sent = later.alert.cutouts
    # Of another size they were cut by another setting, and their sky was measured in other pixels.
    if kept is not None and sent is not None and same_size(kept, sent) and not same_pixels(kept, sent):
        return "other cutouts"
    return None


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=RELATIVE_ERROR, abs_tol=1e-12)


def _columns(alert: AlertFacts) -> dict[str, Any]:
    """The columns of an alert's candidate but the object it belongs to."""
    row: dict[str, Any] = storable(
        {
            "source": alert.source,
            "external_id": alert.external_id,
            "observation_id": None,
            "difference_id": None,
            "is_current": True,
            "scoring_id": None,
            "frame": alert.frame,
            "filter": alert.filter,
            "mjd": alert.mjd,
            "x": None,
            "y": None,
            "x_frame": alert.x_frame,
            "y_frame": alert.y_frame,
            "ra": alert.ra % 360.0,
            "dec": alert.dec,
            "zone": zone_of(alert.dec),
            "position_error_px": alert.position_error_px,
            "snr": alert.snr,
            "flux": alert.flux,
            "flux_err": alert.flux_err,
            "flux_unit": alert.flux_unit,
            "mag": alert.mag,
            "mag_err": alert.mag_err,
            "mag_system": alert.mag_system,
            "score": abs(alert.snr) if alert.score is None else alert.score,
            "scores": alert.scores | alert.model_scores,
            "features": alert.features,
            "mask_flags": alert.mask_flags,
        }
    )
    return row


def _display_name(alert: AlertFacts, name: str | None) -> str | None:
    """What an object that the alert founds is called: a number alone needs its survey's name with it."""
    return f"{alert.source.upper()} {name}" if name is not None and name.isdecimal() else name


def _name_rows(new: Sequence[_Prepared], objects: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"source": each.place.name[0], "external_id": each.place.name[1], "sky_object_id": sky_object}
        for each, sky_object in zip(new, objects, strict=True)
        if each.place.name is not None
    ]


def _add(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; those whose key is there already stay as they are."""
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing()
    session.connection().execute(statement, list(rows))


def _withdraw(session: Session, rows: Sequence[dict[str, Any]], new: Collection[int]) -> set[int]:
    """Mark epochs that a survey took back, be they known already or not, and let their candidates leave.

    Those of new alerts may have been taken back before. Returns whose candidates left.
    """
    if rows:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        statement = dialect.insert(SurveyFlux).on_conflict_do_update(
            index_elements=["sky_object_id", "source", "external_id"],
            set_={"kind": FluxKind.WITHDRAWN.value},
        )
        session.connection().execute(statement, list(rows))
    return _leave(session, {*new, *(row["sky_object_id"] for row in rows)})


def _leave(session: Session, object_ids: Collection[int]) -> set[int]:
    """Let detections that their survey took back leave the queue; whose they were. They stay in the store."""
    taken_back = exists().where(
        col(SurveyFlux.sky_object_id) == col(Candidate.sky_object_id),
        col(SurveyFlux.source) == col(Candidate.source),
        col(SurveyFlux.external_id) == col(Candidate.external_id),
        col(SurveyFlux.kind) == FluxKind.WITHDRAWN.value,
    )
    # Not "= true": SQLite would then walk all current candidates.
    leaving = (
        update(Candidate)
        .where(
            col(Candidate.sky_object_id).in_(object_ids), col(Candidate.is_current).is_not(False), taken_back
        )
        .values(is_current=False)
        .returning(col(Candidate.sky_object_id))
        .execution_options(synchronize_session=False)
    )
    return {key for (key,) in session.connection().execute(leaving)}


def _wake(session: Session, detected: Iterable[tuple[_Prepared, int]]) -> None:
    """Bring objects back that a later alert was to bring back, or whose verdict it contradicts."""
    times: dict[int, float] = {}
    for each, key in detected:
        times[key] = max(times.get(key, -math.inf), each.alert.mjd)
    query = select(SkyObject.id).where(
        col(SkyObject.id).in_(list(times)),
        or_(
            col(SkyObject.review_state) == ReviewState.SNOOZED.value,
            col(SkyObject.snoozed_at_mjd).is_not(None),
        ),
    )
    for waiting in session.exec(query).all():
        wake(session, [waiting or 0], times[waiting or 0])
