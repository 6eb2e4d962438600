"""Discovery reports for the Transient Name Server: checked first, written to a file, sent by nobody here.

A report is made of the `core.review.real_rows.RealCandidate` of one object's candidates, which no injected
source can be. What an AT report must hold, and the names of its fields, are those of TNS's manual of
bulk reports in JSON; the numbers by which TNS knows groups, instruments, filters and units come from
the settings, because they differ from site to site and AstrID asks no server.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from core.coordinates import degrees_of_ra
from core.database.store import Store
from core.epochs import MJD_0
from core.objects.known import distance_words, known_sky
from core.objects.light_curve import LightCurvePoint, current_detections, light_curve
from core.objects.sphere import separation_deg
from core.objects.tracklets import tracklets_of
from core.review.agreement import standings
from core.review.exposure_lengths import ExposureLengths, exposure_lengths
from core.review.real_rows import RealCandidate, real_candidates
from core.settings_sections import ReviewSettings, TnsSettings
from core.text import safe_text
from core.vocabulary import FluxKind, Label, ReviewState, labels_of

REPORTED = (Label.SUPERNOVA, Label.NUCLEAR, Label.REAL)  # what is new at a fixed place
_BOGUS = labels_of(ReviewState.BOGUS)
REQUIRED = ("reporter", "reporting_group_id", "data_source_group_id", "instrument_id")
DUPLICATE_ARCSEC = 2.0
# By TNS: 1 possible supernova, 4 nuclear, 0 other.
_TYPES = {Label.SUPERNOVA: "1", Label.NUCLEAR: "4", Label.REAL: "0"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One object before it is reported.

    Attributes
    ----------
    problems : tuple of str
        Why it is not reported; none: it is.
    warnings : tuple of str
        What a person should know before sending.
    report : dict or None
        As TNS wants it; none where there are problems.
    """

    object_id: int
    name: str
    label: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    report: dict[str, Any] | None


def preflight(
    store: Store, settings: TnsSettings, review: ReviewSettings, *, filters: str = ""
) -> list[Checked]:
    """Check every object that passes a filter and was judged to be new at its place.

    An object passes by any of its detections; the report then holds all of them.

    Parameters
    ----------
    review : ReviewSettings
        The rule for what is confirmed: an object that is not, is not reported.

    Raises
    ------
    FilterError
    """
    confirmed = {
        each.object_id: each.confirmed
        for each in standings(store, experts=review.experts, needed=review.votes)
    }
    chosen = _passing(store, filters)
    found = [
        (object_id, part)
        for object_id, part in _by_object(real_candidates(store, judged_only=True))
        if part[0].sky_object.review_label in REPORTED and (chosen is None or object_id in chosen)
    ]
    checked: list[Checked] = []
    places: list[tuple[float, float, str]] = []
    for object_id, part in found:
        first = part[0].sky_object
        problems = []
        if confirmed.get(object_id) is not ReviewState.REAL:
            problems.append(
                "it is not confirmed: that takes an expert of [review] experts, or reviewers who agree, "
                f"{review.votes} by [review] votes"
            )
        if first.ra is not None and first.dec is not None:
            for ra, dec, name in places:
                if separation_deg(first.ra, first.dec, ra, dec) * 3600 <= DUPLICATE_ARCSEC:
                    problems.append(f"duplicate: {name} of this report is within {DUPLICATE_ARCSEC:g} arcsec")
            places.append((first.ra, first.dec, first.name))
        checked.append(_checked(store, settings, part, problems))
    return checked


def missing_settings(settings: TnsSettings) -> str | None:
    """One sentence: what of the settings every report must have, and is not set."""
    names = [name for name in REQUIRED if not getattr(settings, name)]
    return (
        f"required: [tns] {', '.join(names)} {'is' if len(names) == 1 else 'are'} not set" if names else None
    )


def document(checked: Sequence[Checked]) -> dict[str, Any]:
    """The bulk report of all that passed."""
    passed = [each.report for each in checked if each.report is not None]
    return {"at_report": {str(number): report for number, report in enumerate(passed)}}


def _passing(store: Store, filters: str) -> set[int] | None:
    """The objects one of whose detections passes a filter; none where there is no filter."""
    if not filters.strip():
        return None
    return {row.sky_object.id or 0 for row in real_candidates(store, filters=filters, judged_only=True)}


def _by_object(found: Iterator[RealCandidate]) -> Iterator[tuple[int, list[RealCandidate]]]:
    """The rows of each object, the earliest first."""
    ordered = sorted(
        found, key=lambda row: (row.sky_object.id or 0, row.candidate.mjd, row.candidate.id or 0)
    )
    for object_id, part in groupby(ordered, key=lambda row: row.sky_object.id or 0):
        yield object_id, list(part)


def _checked(
    store: Store, settings: TnsSettings, part: Sequence[RealCandidate], problems: list[str]
) -> Checked:
    sky_object = part[0].sky_object
    label = Label(sky_object.review_label or Label.REAL)
    warnings: list[str] = []
    with store.read() as db:
        detections = current_detections(db, sky_object.id or 0)
        curve = light_curve(db, [sky_object.id or 0], detections)
        lengths = exposure_lengths(db, sky_object.id or 0)
    earlier = _told_detections(curve)
    sources = {row.candidate.source for row in part} | {each.source for each in earlier}
    if settings.source not in sources:  # nothing else that could be mended would let it be reported
        never = (_measured_by_others(sources, settings.source),)
        return Checked(sky_object.id or 0, sky_object.name, label.value, never, (), None)
    if said := missing_settings(settings):
        problems.append(said)
    if sky_object.ra is None or sky_object.dec is None:
        problems.append("required: a position on the sky")
    part = _not_bogus(part, problems, warnings)
    if len({row.candidate.mjd for row in part} | {each.mjd for each in earlier}) < 2:
        warnings.append("it was detected at one time alone")
    _check_known(store, part, problems, warnings)
    part = _brightening(part, problems, warnings)
    measured = [_Measured.of_candidate(row) for row in part] + [_Measured.of_point(each) for each in earlier]
    measured.sort(key=lambda each: each.mjd)
    if measured[0].source != settings.source:
        warnings.append(f"its first detection is of {safe_text(measured[0].source, 20)}, which may report it")
    measured = _reportable(measured, settings.source, problems, warnings)
    discovery = measured[0]
    photometry = _photometry(settings, measured, lengths, problems)
    before = _last_limit(curve, discovery, settings, lengths, warnings)
    report = None
    if not problems:
        report = {
            "ra": {"value": degrees_of_ra(sky_object.ra or 0.0, 6), "error": "", "units": "arcsec"},
            "dec": {"value": f"{sky_object.dec:+.6f}", "error": "", "units": "arcsec"},
            "reporting_group_id": settings.reporting_group_id,
            "discovery_data_source_id": settings.data_source_group_id,
            "reporter": settings.reporter,
            "discovery_datetime": _date(discovery.mjd),
            "at_type": _TYPES[label],
            "internal_name": safe_text(sky_object.name, 60),
            "non_detection": before
            or {
                "obsdate": "",
                "archiveid": "0",
                "archival_remarks": "No limit before the discovery is known",
            },
            "photometry": {"photometry_group": {str(n): row for n, row in enumerate(photometry)}},
        }
    return Checked(sky_object.id or 0, sky_object.name, label.value, tuple(problems), tuple(warnings), report)


def _check_known(
    store: Store, part: Sequence[RealCandidate], problems: list[str], warnings: list[str]
) -> None:
    """What catalogues and tracklets say against a discovery."""
    ids = [row.candidate.id or 0 for row in part]
    known = known_sky(store, ids)
    told = {
        kind: found
        for kind in ("transient", "solar_system", "variable", "star")
        if (found := _nearest([answers[kind] for answers in known.values() if kind in answers]))
    }
    if "transient" in told:
        problems.append(f"duplicate: {told['transient']} is known there")
    if "solar_system" in told:
        problems.append(f"it is at the place of {told['solar_system']}, of the solar system")
    for kind in ("variable", "star"):
        if kind in told:
            warnings.append(f"a known {kind} is near: {told[kind]}")
    asked = {
        kind
        for answers in known.values()
        for kind in ("transient", "solar_system")
        if (answer := answers.get(kind)) and answer.get("status") in {"match", "none"}
    }
    for kind in ("transient", "solar_system"):
        if kind not in asked:
            warnings.append(f"no catalogue of kind {kind.replace('_', ' ')} was asked")
    if tracklets_of(store, ids):
        problems.append("it moves: its detections belong to a tracklet")


def _nearest(answers: list[dict[str, Any]]) -> str | None:
    """The name of the nearest match at some detections, and how far from that one it is."""
    matches = [each for each in answers if each.get("status") == "match"]
    if not matches:
        return None
    found = min(matches, key=_arcsec)
    name, away = safe_text(found.get("name") or "a source", 60), distance_words(found)
    return f"{name} ({away} away)" if away else name


def _arcsec(answer: dict[str, Any]) -> float:
    """How far away a match is; those that were told in pixels come last."""
    told = answer.get("distance_arcsec")
    return math.inf if told is None else float(told)


def _not_bogus(
    part: Sequence[RealCandidate], problems: list[str], warnings: list[str]
) -> Sequence[RealCandidate]:
    """The detections that are of the object: a bogus verdict judges one of them alone."""
    bogus = [row for row in part if row.verdict is not None and row.verdict.label in _BOGUS]
    if len(bogus) == len(part):
        problems.append("each of its detections was judged bogus by itself")
        return part
    if bogus:
        warnings.append(f"{len(bogus)} of {len(part)} detections were judged bogus, and are left out")
    return [row for row in part if row not in bogus]


def _brightening(
    part: Sequence[RealCandidate], problems: list[str], warnings: list[str]
) -> Sequence[RealCandidate]:
    """The detections that are brighter than the reference: of a fading one the magnitude is no brightness."""
    fading = [row for row in part if is_fading(row)]
    if part[0] in fading:
        problems.append(
            f"it fades: its first detection is {part[0].candidate.snr:+.1f} sigma, fainter than the "
            "reference, and a difference's magnitude is not that of a new source then"
        )
        return part
    if fading:
        warnings.append(f"{len(fading)} of {len(part)} detections are fading, and are left out")
    return [row for row in part if row not in fading]


def is_fading(row: RealCandidate) -> bool:
    """Whether a detection is fainter than the reference."""
    flux = row.candidate.flux
    return (row.candidate.snr if flux is None else flux) < 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """One detection: a candidate, or what a survey's packet remembers of before it."""

    mjd: float
    filter: str | None
    mag: float | None
    mag_err: float | None
    mag_system: str | None
    source: str

    @classmethod
    def of_candidate(cls, row: RealCandidate) -> "_Measured":
        one = row.candidate
        return cls(one.mjd, one.filter, one.mag, one.mag_err, one.mag_system, one.source)

    @classmethod
    def of_point(cls, one: LightCurvePoint) -> "_Measured":
        return cls(one.mjd, one.filter, one.mag, one.mag_err, one.mag_system, one.source)


def _told_detections(curve: Sequence[LightCurvePoint]) -> list[LightCurvePoint]:
    """The detections of surveys' histories that are no candidates of the store, and do not fade."""
    return [
        point
        for point in curve
        if point.candidate_id is None
        and point.kind == FluxKind.DETECTION
        and not point.is_limit
        and (point.flux is None or point.flux > 0)
    ]


def _reportable(
    measured: list[_Measured], source: str, problems: list[str], warnings: list[str]
) -> list[_Measured]:
    """What was measured by the instrument that the settings' numbers are of: TNS is told so of each point."""
    own = [each for each in measured if each.source == source]
    others = {each.source for each in measured if each.source != source}
    if not own:
        problems.append(_measured_by_others(others, source))
        return measured
    if others:
        count = len(measured) - len(own)
        warnings.append(f"{count} detections of {_listed(others)} are left out: [tns] source is {source}")
    return own


def _measured_by_others(others: Collection[str], source: str) -> str:
    return (
        f"it cannot be reported from here: it was measured by {_listed(others)} alone, and [tns] has the "
        f"numbers of {safe_text(source, 20)}"
    )


def _listed(sources: Collection[str]) -> str:
    return ", ".join(sorted(safe_text(each, 20) for each in sources))


def _photometry(
    settings: TnsSettings, measured: Sequence[_Measured], lengths: ExposureLengths, problems: list[str]
) -> list[dict[str, str]]:
    """The detections that TNS can hold: those with a magnitude in a filter and system it has numbers for."""
    found = []
    lacking: set[str] = set()
    for one in measured:
        filter_id = settings.filters.get(one.filter or "")
        unit = settings.units.get(one.mag_system or "")
        if one.mag is None or one.mag_err is None:
            lacking.add("a magnitude with its error")
        elif filter_id is None:
            lacking.add(f"[tns] filters has no number for '{safe_text(one.filter or 'no filter', 20)}'")
        elif unit is None:
            lacking.add(f"[tns] units has no number for '{safe_text(one.mag_system or 'no system', 20)}'")
        else:
            found.append(
                {
                    "obsdate": _date(one.mjd),
                    "flux": f"{one.mag:.3f}",
                    "flux_error": f"{one.mag_err:.3f}",
                    "limiting_flux": "",
                    "flux_units": unit,
                    "filter_value": filter_id,
                    "instrument_value": settings.instrument_id,
                    "exptime": lengths.of(one),
                    "observer": settings.observer,
                    "comments": "",
                }
            )
    if not found or found[0]["obsdate"] != _date(measured[0].mjd):
        missing = "; ".join(sorted(lacking)) or "a magnitude"
        problems.append(f"required: photometry of the discovery: {missing}")
    return found


def _last_limit(
    curve: Sequence[LightCurvePoint],
    discovery: _Measured,
    settings: TnsSettings,
    lengths: ExposureLengths,
    warnings: list[str],
) -> dict[str, str] | None:
    """The last limit before the first detection, of those in a filter and system that TNS has numbers for.

    One that is brighter than the discovery would not have shown it, and says nothing of its age.
    """
    found = None
    limits = [
        each
        for each in curve
        if each.is_limit and each.mag is not None and each.mjd < discovery.mjd
        if each.source == settings.source and (discovery.mag is None or each.mag >= discovery.mag)
    ]
    for point in limits:
        filter_id = settings.filters.get(point.filter or "")
        unit = settings.units.get(point.mag_system or "")
        if filter_id and unit and (found is None or point.mjd > found[0]):
            found = (point.mjd, {
                "obsdate": _date(point.mjd),
                "limiting_flux": f"{point.mag:.3f}",
                "flux_units": unit or "",
                "filter_value": filter_id or "",
                "instrument_value": settings.instrument_id,
                "exptime": lengths.of(point),
                "observer": settings.observer,
                "comments": "",
                "archiveid": "",
                "archival_remarks": "",
            })  # fmt: skip
    if limits and not found:
        last = max(limits, key=lambda each: each.mjd)
        what = f"{safe_text(last.filter or 'no filter', 20)}, {safe_text(last.mag_system or 'no system', 20)}"
        warnings.append(
            f"the last limit before ({what}) is left out: [tns] has no number for its band or unit"
        )
    elif not found:
        warnings.append("no limit before the first detection, and as faint as it, is known")
    return found[1] if found else None


def _date(mjd: float) -> str:
    return (MJD_0 + timedelta(days=mjd)).strftime("%Y-%m-%d %H:%M:%S")
