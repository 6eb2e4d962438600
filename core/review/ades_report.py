"""Astrometry of moving bodies for the Minor Planet Center: checked first, written to a file, sent by nobody.

A report holds the detections of tracklets that were judged to be moving bodies, as pipe-separated values by
the Astrometry Data Exchange Standard (ADES, version 2022, of IAU Commission A4 and the MPC). It is made of
`core.review.real_rows.RealCandidate`, which no injected source can be. What only the site can know, its
code, its people, its telescope and the catalogues that its places and magnitudes rest on, comes from the
settings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import IO

from sqlalchemy import func, select
from sqlmodel import col

from core.coordinates import degrees_of_ra
from core.database.store import Store
from core.database.tables import Observation, Reference
from core.epochs import MJD_0
from core.objects.known import known_sky
from core.review.agreement import standings
from core.review.labelled_otherwise import Otherwise, labelled_otherwise, that_count
from core.review.real_rows import RealCandidate, real_candidates
from core.settings_sections import MpcSettings, ReviewSettings
from core.text import counted, safe_text
from core.vocabulary import OWN, Label, ReviewState

VERSION = "2022"
FEWEST = 2  # detections, below which nothing moves
USUAL = 3  # fewer are seldom enough to tell what a body is
COLUMNS = (
    "trkSub", "mode", "stn", "obsTime", "ra", "dec", "rmsRA", "rmsDec", "astCat", "mag", "rmsMag", "band",
    "photCat",
)  # fmt: skip
REQUIRED = (
    "station", "submitter", "observers", "measurers", "design", "aperture_m", "detector",
    "astrometric_catalog",
)  # fmt: skip
MODES = {"CMO": "CMO", "CCD": "CCD"}  # of the MPC's list of ADES values, by what a detector's name holds
_STATION = re.compile(r"[0-9A-Za-z]{3,4}")
_CODE = re.compile(r"[0-9A-Za-z_]{1,12}")  # a catalogue or a band
_LINE = re.compile(r"[^|#!\x00-\x1f\x7f]+")  # what a header's line can hold


@dataclass(frozen=True, slots=True)
class CheckedTracklet:
    """One body before it is reported.

    Attributes
    ----------
    name : str
        Its ``trkSub``: at most eight letters and figures.
    candidates : tuple of int
        What is reported of it.
    problems, warnings : tuple of str
        Why it is not reported, none: it is; and what a person should know before sending.
    rows : tuple of tuple of str
        By `COLUMNS`; none where there are problems.
    contradictions : tuple of Otherwise
        What else than a moving body it is labelled as, and by whom.
    """

    tracklet: int
    name: str
    candidates: tuple[int, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    contradictions: tuple[Otherwise, ...]


def preflight(
    store: Store, settings: MpcSettings, review: ReviewSettings, *, filters: str = ""
) -> list[CheckedTracklet]:
    """Check every tracklet that was judged to be a moving body and of which a detection passes a filter.

    One that a reviewer judged so and others otherwise since is checked, and does not pass.

    Parameters
    ----------
    review : ReviewSettings
        The rule for what is confirmed: a body that is not, is not reported.

    Raises
    ------
    FilterError
    """
    confirmed, votes = set[int](), dict[int, dict[str, str]]()
    for each in standings(store, experts=review.experts, needed=review.votes):
        if each.tracklet_id is not None:
            votes[each.tracklet_id] = that_count(each.votes, review.experts)
            if each.confirmed is ReviewState.REAL:
                confirmed.add(each.tracklet_id)
    of_site = site_problems(settings)
    chosen = None
    if filters.strip():
        passing = real_candidates(store, filters=filters, judged_only=True)
        chosen = {row.record["tracklet"] for row in passing}
    found = []
    for tracklet, part in _by_tracklet(real_candidates(store, judged_only=True)):
        moving = [row for row in part if row.verdict and row.verdict.label == Label.MOVING]
        said = votes.get(tracklet, {})
        if (moving or Label.MOVING in said.values()) and (chosen is None or tracklet in chosen):
            otherwise = labelled_otherwise(part, said)
            found.append(_checked(store, settings, tracklet, moving, confirmed, of_site, otherwise))
    return found


def site_problems(settings: MpcSettings) -> list[str]:
    """What of the site is missing, or cannot be written."""
    names = [name for name in REQUIRED if not getattr(settings, name)]
    verb = "is" if len(names) == 1 else "are"
    problems = [f"required: [mpc] {', '.join(names)} {verb} not set"] if names else []
    if settings.station and not _STATION.fullmatch(settings.station):
        problems.append(f"[mpc] station '{safe_text(settings.station, 20)}' is no code of an observatory")
    for name in ("astrometric_catalog", "photometric_catalog"):
        if (code := getattr(settings, name)) and not _CODE.fullmatch(code):
            problems.append(f"[mpc] {name} '{safe_text(code, 20)}' is no name of a catalogue, such as Gaia3")
    written = (
        settings.submitter,
        *settings.observers,
        *settings.measurers,
        settings.design,
        settings.detector,
    )
    for words in written:
        if words and not _LINE.fullmatch(words):
            problems.append(f"[mpc] '{safe_text(words, 40)}' holds a character that a report cannot: | # !")
    return problems


def write(checked: Sequence[CheckedTracklet], settings: MpcSettings, stream: IO[str]) -> int:
    """Write one report of all that passed; return of how many detections."""
    stream.write("".join(f"{line}\n" for line in _header(settings)))
    stream.write("|".join(COLUMNS) + "\n")
    rows = [row for each in checked for row in each.rows]
    stream.writelines("|".join(row) + "\n" for row in rows)
    return len(rows)


def _header(settings: MpcSettings) -> Iterator[str]:
    yield f"# version={VERSION}"
    yield from ("# observatory", f"! mpcCode {settings.station}")
    yield from ("# submitter", f"! name {settings.submitter}")
    for heading, names in (("observers", settings.observers), ("measurers", settings.measurers)):
        yield f"# {heading}"
        yield from (f"! name {name}" for name in names)
    yield from ("# telescope", f"! design {settings.design}", f"! aperture {settings.aperture_m:g}")
    yield f"! detector {settings.detector}"


def _by_tracklet(found: Iterator[RealCandidate]) -> Iterator[tuple[int, list[RealCandidate]]]:
    """The detections of each tracklet that were judged, the earliest first."""
    linked = [row for row in found if row.record["tracklet"] is not None]
    linked.sort(key=lambda row: (row.record["tracklet"], row.candidate.mjd, row.candidate.id or 0))
    for tracklet, part in groupby(linked, key=lambda row: int(row.record["tracklet"])):
        yield tracklet, list(part)


def _checked(
    store: Store,
    settings: MpcSettings,
    tracklet: int,
    part: Sequence[RealCandidate],
    confirmed: Collection[int],
    of_site: Sequence[str],
    contradictions: tuple[Otherwise, ...],
) -> CheckedTracklet:
    name = f"A{tracklet % 10_000_000:07d}"
    if not part:
        problem = "by the labels that stand none of its detections moves"
        return CheckedTracklet(tracklet, name, (), (*of_site, problem), (), (), contradictions)
    problems, warnings = list(of_site), _known_bodies(store, part)
    if tracklet not in confirmed:
        problems.append(
            "it is not confirmed: that takes an expert of [review] experts, or as many reviewers who agree "
            "as [review] votes says"
        )
    own = [row for row in part if row.candidate.source == OWN]
    if len(own) < len(part):
        warnings.append(f"{len(part) - len(own)} of {len(part)} detections are of surveys, and left out")
    placed = [row for row in own if row.candidate.ra is not None and row.candidate.dec is not None]
    if len(placed) < len(own):
        warnings.append(f"{len(own) - len(placed)} detections without a place on the sky are left out")
    if len({row.candidate.mjd for row in placed}) < FEWEST:
        problems.append(f"{len(placed)} detections of this site's own are too few: {FEWEST} are the least")
    elif len(placed) < USUAL:
        warnings.append(f"{len(placed)} detections alone tell little of a body")
    if any(row.disputed for row in placed):
        problems.append("it is disputed")
    warnings += _of_unknown_length(store, placed)
    scales = _pixel_scales(store, placed)
    rows = tuple(_row(settings, name, row, scales, warnings) for row in placed) if not problems else ()
    ids = tuple(row.candidate.id or 0 for row in placed)
    told = tuple(dict.fromkeys(warnings))
    return CheckedTracklet(tracklet, name, ids, tuple(problems), told, rows, contradictions)


def _known_bodies(store: Store, part: Sequence[RealCandidate]) -> list[str]:
    """What catalogues of orbits say is there."""
    told = known_sky(store, [row.candidate.id or 0 for row in part])
    answers = [each["solar_system"] for each in told.values() if "solar_system" in each]
    names = {
        safe_text(each.get("name") or "a known body", 60) for each in answers if each["status"] == "match"
    }
    if names:
        return [f"it is at the place of {', '.join(sorted(names))}: the report calls it by its trkSub"]
    if not any(each["status"] == "none" for each in answers):
        return ["no catalogue of orbits was asked whether it is known"]
    return []


def _of_unknown_length(store: Store, part: Sequence[RealCandidate]) -> list[str]:
    """What is to be said of times, where headers do not tell how long an exposure was."""
    ids = {row.record["frame_id"] for row in part}
    unknown = col(Observation.exposure_s).is_(None) | (col(Observation.exposure_s) <= 0.0)
    query = select(func.count()).where(col(Observation.id).in_(ids), unknown)
    with store.read() as db:
        number = int(db.execute(query).scalar_one())
    if not number:
        return []
    told = counted(number, "frame")
    return [f"the headers of {told} tell no exposure time: look whether times are of mid-exposure"]


def _pixel_scales(store: Store, part: Sequence[RealCandidate]) -> dict[int, float]:
    """Arcsec a pixel of the references that some candidates were measured on."""
    ids = {row.record["reference"] for row in part if row.record["reference"] is not None}
    query = select(col(Reference.id), col(Reference.pixel_scale)).where(col(Reference.id).in_(ids))
    with store.read() as db:
        return {key: scale for key, scale in db.execute(query) if scale is not None}


def _row(
    settings: MpcSettings, name: str, row: RealCandidate, scales: dict[int, float], warnings: list[str]
) -> tuple[str, ...]:
    """One detection, by `COLUMNS`; what is unknown stays empty, as the standard has it."""
    one = row.candidate
    scale = scales.get(row.record["reference"] or 0)
    error = None if scale is None or one.position_error_px is None else scale * one.position_error_px
    rms = "" if error is None or not math.isfinite(error) else f"{max(error, 0.001):.3f}"
    if not rms:
        warnings.append("the error of a place is unknown")
    band = settings.bands.get(one.filter or "", "")
    mag = ("", "", "", "")
    if one.mag is None or one.mag_err is None or one.flux is None or one.flux < 0:
        warnings.append("a detection has no magnitude")
    elif not band or not _CODE.fullmatch(band):
        filter_ = safe_text(one.filter or "no filter", 20)
        warnings.append(f"magnitudes of '{filter_}' are left out: [mpc] bands has no name for it")
    elif not settings.photometric_catalog:
        warnings.append("magnitudes are left out: [mpc] photometric_catalog is not set")
    else:
        mag = (f"{one.mag:.2f}", f"{max(one.mag_err, 0.01):.2f}", band, settings.photometric_catalog)
    place = (degrees_of_ra(one.ra or 0.0, 6), f"{one.dec:.6f}", rms, rms)
    mode = _mode(settings.detector)
    return (name, mode, settings.station, _time(one.mjd), *place, settings.astrometric_catalog, *mag)


def _mode(detector: str) -> str:
    """What the Minor Planet Center calls observations with a kind of detector."""
    named = (mode for word, mode in MODES.items() if word in detector.upper())
    return next(named, "UNK")


def _time(mjd: float) -> str:
    """UTC at mid-exposure, to a hundredth of a second."""
    hundredths = round(mjd * 8_640_000.0)
    moment = MJD_0 + timedelta(milliseconds=10 * hundredths)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 10_000:02d}Z"
