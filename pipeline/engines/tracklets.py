"""The tracklets of a night, found from its committed candidates and kept in the store."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from core.database.store import Store
from core.database.store_errors import StoreAway, StoreError
from core.magnitudes import MAG_PER_RELATIVE_ERROR
from core.objects.tracklets import (
    FoundTracklet,
    NightChanged,
    NightSpan,
    movable,
    nights,
    read_night,
    times_of,
    typical_mag,
    write_tracklets,
)
from core.settings import Settings
from pipeline.linking import Detections, Track, link

log = logging.getLogger(__name__)

LEAST_ERROR_ARCSEC = 0.2  # what registration and catalogues leave
UNKNOWN_ERROR_ARCSEC = 0.5  # of alerts that do not tell theirs
UNKNOWN_FIELD_DEG = 0.5


def link_night(store: Store, settings: Settings, night: NightSpan) -> tuple[int, int]:
    """Find the tracklets of a night anew; the same candidates make the same tracklets.

    Where others commit frames of it meanwhile it is read again: what they found must not be undone.

    Returns
    -------
    new, gone : int
        Tracklets that were not there before, and those that are no more.
    """
    while True:
        read = read_night(store, night)
        try:
            return write_tracklets(store, read.night, _found(store, settings, read.night), read)
        except NightChanged:
            log.info("frames of the night were committed while its tracklets were looked for: once more")


def _found(store: Store, settings: Settings, night: NightSpan) -> list[FoundTracklet]:
    limits = settings.tracklets
    rows = movable(
        store,
        night,
        min_deg_day=limits.min_arcsec_hour * 24.0 / 3600.0,
        radius_deg=settings.associate.radius_arcsec / 3600.0,
    )
    return [_kept(track, rows) for track in link(_detections(rows), limits)]


def link_frames(store: Store, settings: Settings, observation_ids: Collection[int]) -> None:
    """Find the tracklets of the nights of some frames; what goes wrong is logged, and no reason to fail.

    Raises
    ------
    StoreAway
        The store's server is away. All of it may be done anew.
    """
    if not observation_ids:
        return
    try:
        times = times_of(store, observation_ids)
        if times:
            for night in nights(store, min(times), max(times)):
                if any(night.first <= mjd <= night.last for mjd in times):  # years may lie between them
                    link_night(store, settings, night)
    except StoreAway:
        raise
    except (StoreError, ValueError, ArithmeticError):
        log.exception("the tracklets of %d frames were not looked for", len(observation_ids))


def _detections(rows: list[Any]) -> Detections:
    brightness = [_brightness(row) for row in rows]
    bands = _numbers(row.filter or "" for row in rows)
    systems = _numbers(each[2] for each in brightness)
    # Alerts come without a frame of ours: what has one time is of one exposure.
    frames = {key: number for number, key in enumerate(sorted({_frame(row) for row in rows}))}
    return Detections(
        ra=np.array([row.ra for row in rows], dtype=np.float64),
        dec=np.array([row.dec for row in rows], dtype=np.float64),
        mjd=np.array([row.mjd for row in rows], dtype=np.float64),
        frame=np.array([frames[_frame(row)] for row in rows], dtype=np.int64),
        field=np.array([row.radius_deg or UNKNOWN_FIELD_DEG for row in rows], dtype=np.float64),
        error=np.array([_error(row) for row in rows], dtype=np.float64),
        mag=np.array([each[0] for each in brightness], dtype=np.float64),
        mag_err=np.array([each[1] for each in brightness], dtype=np.float64),
        band=np.array([bands[row.filter or ""] for row in rows], dtype=np.int64),
        system=np.array([systems[each[2]] for each in brightness], dtype=np.int64),
    )


def _numbers(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def _frame(row: Any) -> tuple[int, float]:
    return (row.observation_id, 0.0) if row.observation_id is not None else (-1, row.mjd)


def _error(row: Any) -> float:
    if row.position_error_px is None or row.pixel_scale is None:
        return UNKNOWN_ERROR_ARCSEC
    return math.hypot(float(row.position_error_px) * float(row.pixel_scale), LEAST_ERROR_ARCSEC)


def _brightness(row: Any) -> tuple[float, float, str]:
    """A magnitude, its error and its system; of fluxes without a zeropoint, one of their own unit."""
    if row.mag is not None:
        return row.mag, row.mag_err or 0.3, f"mag {row.mag_system}"
    if row.flux is not None and row.flux > 0:
        error = MAG_PER_RELATIVE_ERROR * (row.flux_err or 0.0) / row.flux
        return -2.5 * math.log10(row.flux), error, f"flux {row.flux_unit}"
    return math.nan, math.nan, ""


def _kept(track: Track, rows: list[Any]) -> FoundTracklet:
    members = [rows[i] for i in track.members]
    filters = {row.filter for row in members}
    columns = {
        "first_mjd": members[0].mjd,
        "last_mjd": members[-1].mjd,
        "ra": track.ra,
        "dec": track.dec,
        "rate_arcsec_hour": track.rate_arcsec_hour,
        "position_angle": track.position_angle,
        "rms_arcsec": track.rms_arcsec,
        "mag": typical_mag(row.mag for row in members),
        "filter": filters.pop() if len(filters) == 1 else None,
        "chance": track.chance,
    }
    return FoundTracklet(tuple(row.id for row in members), columns)
