"""From a record of a packet to an alert, by the survey's table: one decoder for all."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping

import numpy as np
from astropy.time import Time
from erfa import ErfaWarning

from core.epochs import JD_OF_MJD_0
from core.magnitudes import MAG_PER_RELATIVE_ERROR, UPPER_LIMIT_SIGMA
from core.orientation import ToSky
from core.review.cutouts import pack
from core.surveys.alert import AB_ZEROPOINT_NJY, AlertFacts, FluxFacts, ToldBody
from core.vocabulary import FluxKind
from pipeline.surveys.refusal import PacketError
from pipeline.surveys.stamps import Plane, read_image, to_cutouts
from pipeline.surveys.survey import STAMP, Names, Point, Survey
from pipeline.surveys.values import MOST_LETTERS, Record, id_of, meant, number_of, numbers_of, value_of

EARLIEST_MJD, LATEST_MJD = 40000.0, 120000.0  # 1968 to 2187: beyond lie zeros and damaged numbers
MOST_EXPOSURE_S = 86400.0
MOST_EPOCHS = 20_000  # of one list of a history; the newest are its last
MOST_POSITION_ERROR_DEG = 5.0 / 3600.0

POSITIVE = frozenset({"t", "1", "true", "y", "yes", "+"})
NEGATIVE = frozenset({"f", "0", "false", "n", "no", "-1", "-"})
NAMELESS = frozenset({"", "null", "none", "nan", "-999", "-999.0", "-99", "-99.0"})  # of a body


def decode(survey: Survey, record: Record, *, cutout_px: int, radius_arcsec: float) -> AlertFacts:
    """One alert.

    Parameters
    ----------
    survey : Survey
    record : mapping
        The packet, as far as the survey's table asks for its fields; more does no harm.
    cutout_px : int
        The most pixels a side that are kept of a cutout.
    radius_arcsec : float
        How far an object is at least looked for.

    Raises
    ------
    PacketError
        The packet lacks what an alert must have, or says what cannot be.
    """
    body = record.get(survey.body)
    if not isinstance(body, Mapping):
        raise PacketError(f"it has no {survey.body}")
    external_id = id_of(value_of(record, survey.candid))
    if external_id is None:
        raise PacketError("it has no candid")
    ra, dec = _position(survey, body)
    point = survey.point
    epoch = _Epoch(survey, body, point, survey.exposure_s)
    mjd = _to_utc([epoch.mjd])[0] if point.mjd_tai else epoch.mjd
    if not EARLIEST_MJD < mjd < LATEST_MJD:  # also where there is none
        raise PacketError(f"its time, MJD {mjd:.6g}, is that of no exposure")
    sign = _sign(survey, body, epoch)
    flux = None if epoch.flux is None else sign * abs(epoch.flux)
    snr = number_of(survey, body, point.snr)
    if snr is None and flux is not None and epoch.flux_err:
        snr = flux / epoch.flux_err
    if snr is None:
        raise PacketError("it tells no significance: neither its own nor a flux with an error")
    mag, mag_err = _magnitude(flux, epoch.flux_err) if epoch.zeropoint is not None else (None, None)
    stamps, to_sky, problems = _stamps(survey, record)
    if survey.difference_follows_sign and sign < 0 and stamps[2] is not None:
        stamps = (stamps[0], stamps[1], -stamps[2])
    cutouts = to_cutouts(*stamps, size=cutout_px, to_sky=to_sky)
    error_deg = max((abs(e) for e in numbers_of(survey, body, survey.position_errors).values()), default=0.0)
    radii = (
        radius_arcsec / 3600.0,
        survey.seeing_arcsec / 7200.0,
        3.0 * min(error_deg, MOST_POSITION_ERROR_DEG),
    )
    history, refused = _history(survey, record, epoch.exposure_s or survey.exposure_s)
    remarks = [*problems, *refused]
    return AlertFacts(
        source=survey.name,
        external_id=external_id,
        object_id=id_of(value_of(record, survey.object_id, skipped=(0, "", "0"))),
        mjd=mjd,
        ra=ra,
        dec=dec,
        radius_deg=max(radii),
        snr=sign * abs(snr),
        filter=epoch.band,
        frame=_frame(survey, body),
        x_frame=_pixel(survey, body, survey.x),
        y_frame=_pixel(survey, body, survey.y),
        flux=flux,
        flux_err=epoch.flux_err,
        flux_unit=epoch.unit if flux is not None else None,
        mag=mag,
        mag_err=mag_err,
        mag_system="ab" if mag is not None else None,
        scores=_named(survey, body, survey.scores),
        features=_named(survey, body, survey.features),
        mask_flags=_flags(survey, body),
        cutouts=None if cutouts is None else pack(cutouts),
        history=history,
        body=_small_body(survey, record),
        remark="; ".join(remarks) or None,
    )


class _Epoch:
    """What one record tells of one exposure: time, band and flux, without the sign of a flag.

    Attributes
    ----------
    mjd : float
        At mid-exposure, in the scale of the record; NaN where there is none.
    flux, flux_err : float or None
        In `unit`, as signed as the record has it.
    zeropoint : float or None
        None where the flux is instrumental.
    """

    __slots__ = ("band", "exposure_s", "flux", "flux_err", "mjd", "unit", "zeropoint")

    def __init__(self, survey: Survey, record: Record, point: Point, usual_s: float) -> None:
        told = number_of(survey, record, point.exposure_s) or 0.0
        self.exposure_s = told if 0.0 < told <= MOST_EXPOSURE_S else 0.0
        self.mjd = _mjd(survey, record, point)
        if point.is_start:
            self.mjd += (self.exposure_s or usual_s) / 2.0 / 86400.0
        self.band = _band(survey, record, point)
        self.zeropoint: float | None = AB_ZEROPOINT_NJY
        self.unit = "nJy"
        self.flux, self.flux_err = self._from_magnitude(survey, record, point)
        if self.flux is None and point.flux:
            self._from_flux(survey, record, point)

    def _from_magnitude(
        self, survey: Survey, record: Record, point: Point
    ) -> tuple[float | None, float | None]:
        mag = number_of(survey, record, point.mag)
        if mag is None or not -20.0 < mag < 50.0:
            return None, None
        flux = nanojansky(mag + survey.ab_offsets.get(self.band or "", 0.0))
        error = number_of(survey, record, point.mag_err)
        return flux, flux * error / MAG_PER_RELATIVE_ERROR if error is not None and error > 0 else None

    def _from_flux(self, survey: Survey, record: Record, point: Point) -> None:
        flux = number_of(survey, record, point.flux)
        error = number_of(survey, record, point.flux_err)
        scale = point.nanojansky
        if scale is None:
            zeropoint = number_of(survey, record, point.zeropoint)
            if zeropoint is None:
                scale, self.unit, self.zeropoint = 1.0, point.unit, None
            else:
                scale = nanojansky(zeropoint + survey.ab_offsets.get(self.band or "", 0.0))
        self.flux = None if flux is None else flux * scale
        self.flux_err = None if not error else abs(error) * scale


def nanojansky(mag: float) -> float:
    """The flux of an AB magnitude."""
    return math.pow(10.0, 0.4 * (AB_ZEROPOINT_NJY - mag))


def _magnitude(flux: float | None, flux_err: float | None) -> tuple[float | None, float | None]:
    """The AB magnitude of a flux in nanojansky, and its error."""
    if not flux:
        return None, None
    mag = AB_ZEROPOINT_NJY - 2.5 * math.log10(abs(flux))
    return mag, MAG_PER_RELATIVE_ERROR * flux_err / abs(flux) if flux_err else None


def _history(
    survey: Survey, record: Record, exposure_s: float
) -> tuple[tuple[FluxFacts, ...], tuple[str, ...]]:
    """The epochs that a packet remembers, and what is to be said of those that cannot be used."""
    found: list[FluxFacts] = []
    problems: list[str] = []
    for name, point in survey.history.items():
        listed = record.get(name)
        if not isinstance(listed, list):
            continue
        told = [each for each in listed[-MOST_EPOCHS:] if isinstance(each, Mapping)]
        epochs = [_Epoch(survey, each, point, exposure_s) for each in told]
        times = [epoch.mjd for epoch in epochs]
        if point.mjd_tai:
            times = _to_utc(times)
        for each, epoch, mjd in zip(told, epochs, times, strict=True):
            if not EARLIEST_MJD < mjd < LATEST_MJD:
                continue
            try:
                found.extend(_past(survey, each, point, epoch, mjd))
            except PacketError as error:
                problems.append(str(error))
    if not problems:
        return tuple(found), ()
    words = f"of its history {len(problems)} are left out, the first because {problems[0]}"
    return tuple(found), (words,)


def _past(survey: Survey, record: Record, point: Point, epoch: _Epoch, mjd: float) -> Iterable[FluxFacts]:
    """One epoch of a history, if anything of it is known."""
    flux, error, kind = epoch.flux, epoch.flux_err, FluxKind.DETECTION
    is_withdrawn = number_of(survey, record, point.withdrawn) is not None  # and may be without a flux
    if point.is_forced:
        kind = FluxKind.FORCED
        if (flux is None or error is None) and not is_withdrawn:
            return
    elif flux is not None:
        flux = _sign(survey, record, epoch, point) * abs(flux)
    elif not is_withdrawn:
        kind, error = FluxKind.LIMIT, _limit(survey, record, point, epoch)
        if error is None:
            return
    own = id_of(value_of(record, point.id)) if kind is FluxKind.DETECTION else None
    yield FluxFacts(
        external_id=own or f"{kind}.{_exposure(record, point, epoch, mjd)}",
        kind=FluxKind.WITHDRAWN if is_withdrawn else kind,
        mjd=mjd,
        filter=epoch.band,
        flux=flux,
        flux_err=error,
        flux_unit=epoch.unit,
        zeropoint=epoch.zeropoint,
        mag_system="ab" if epoch.zeropoint is not None else None,
    )


def _limit(survey: Survey, record: Record, point: Point, epoch: _Epoch) -> float | None:
    """A fifth of the flux that would have been detected."""
    limit = number_of(survey, record, point.limit_mag)
    if limit is not None and 0.0 < limit < 50.0:
        return nanojansky(limit + survey.ab_offsets.get(epoch.band or "", 0.0)) / UPPER_LIMIT_SIGMA
    noise = number_of(survey, record, point.noise)
    return noise * (point.nanojansky or 1.0) if noise is not None and noise > 0 else None


def _exposure(record: Record, point: Point, epoch: _Epoch, mjd: float) -> str:
    told = [str(record[name])[:MOST_LETTERS] for name in point.exposure if record.get(name) is not None]
    return "/".join(told) or f"{mjd:.6f}{epoch.band or ''}"


def _position(survey: Survey, body: Record) -> tuple[float, float]:
    ra, dec = number_of(survey, body, survey.ra), number_of(survey, body, survey.dec)
    if ra is None or dec is None or not (0.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
        places = ", ".join(
            f"{name} {'missing' if value is None else value}"
            for name, value in (("right ascension", ra), ("declination", dec))
        )
        raise PacketError(f"it is nowhere on the sky: {places}")
    return ra % 360.0, dec


def _mjd(survey: Survey, record: Record, point: Point) -> float:
    jd = number_of(survey, record, point.jd)
    if jd is not None:
        return jd - JD_OF_MJD_0
    mjd = number_of(survey, record, (*point.mjd, *point.mjd_tai))
    return math.nan if mjd is None else mjd


def _to_utc(mjd_tai: list[float]) -> list[float]:
    """Times in TAI as UTC; NaN where they are out of all range."""
    times = np.array(mjd_tai, dtype=np.float64)
    usable = (times > EARLIEST_MJD) & (times < LATEST_MJD)
    times[~usable] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ErfaWarning)  # leap seconds of later years are not known yet
        times[usable] = Time(times[usable], format="mjd", scale="tai").utc.mjd
    return [float(time) for time in times]


def _band(survey: Survey, record: Record, point: Point) -> str | None:
    told = value_of(record, point.band)
    if isinstance(told, float) and told.is_integer():  # as a column is where some are missing
        told = int(told)
    if not isinstance(told, str | int):  # a file may say anything, such as a list
        return survey.bands.get("")
    if survey.bands:
        return survey.bands.get(told, f"{survey.name} {str(told)[:20]}")
    return str(told)[:20]


def _sign(survey: Survey, record: Record, epoch: _Epoch, point: Point | None = None) -> float:
    """-1 where the packet says that it is negative, by its flag or by the sign of its flux."""
    names = (point or survey.point).negative
    told = value_of(record, names)
    if told is not None:
        word = str(told).strip().lower().removesuffix(".0")
        if word not in POSITIVE | NEGATIVE:
            raise PacketError(f"whether it is negative cannot be told: {names[0]} is {word[:20]!r}")
        # `isdiffpos` says that it is positive, `isNegative` that it is not.
        if (word in POSITIVE) == ("negative" in names[0].lower()):
            return -1.0
    return -1.0 if epoch.flux is not None and epoch.flux < 0 else 1.0


def _stamps(
    survey: Survey, record: Record
) -> tuple[tuple[Plane | None, Plane | None, Plane | None], ToSky | None, list[str]]:
    """New, reference and difference, none where it is missing; how they lie; why some cannot be read."""
    planes: list[Plane | None] = []
    problems: list[str] = []
    to_sky: ToSky | None = None  # of the first that tells: all three show one place of one grid
    for what, names in (
        ("science", survey.new), ("reference", survey.reference), ("difference", survey.difference)
    ):  # fmt: skip
        held = value_of(record, names)
        packed = held.get(STAMP) if isinstance(held, Mapping) else held
        plane = None
        if isinstance(packed, bytes) and packed:
            try:
                plane, lies = read_image(packed)
                to_sky = to_sky or lies
            except PacketError as error:
                problems.append(f"its {what} cutout is left out: {error}")
        planes.append(plane)
    return (planes[0], planes[1], planes[2]), to_sky, problems


def _pixel(survey: Survey, body: Record, names: Names) -> float | None:
    """A place in the survey's image, in 0-based pixel centres."""
    told = number_of(survey, body, names)
    return None if told is None or survey.first_pixel is None else told - survey.first_pixel


def _frame(survey: Survey, body: Record) -> str | None:
    parts = []
    for words, names in survey.frame.items():
        told = value_of(body, names)
        if told is not None:
            parts.append(f"{words} {str(told).rpartition('/')[2]}".strip())
    return " ".join(parts)[:200] or None


def _small_body(survey: Survey, record: Record) -> ToldBody | None:
    """The body of the solar system that a packet tells of, if it tells of any."""
    told = survey.small_body
    identifier = value_of(record, told.identifier, skipped=(0, "", "0"))
    distance = meant(survey, value_of(record, told.distance))
    if identifier is None and (told.identifier or distance is None or distance < 0.0):
        return None
    named = str(value_of(record, told.name) or "").strip()[:MOST_LETTERS]
    name = None if named.lower() in NAMELESS else named
    if name is None and identifier is not None:
        name = f"ssObjectId {identifier}"[:MOST_LETTERS]
    mag = meant(survey, value_of(record, told.mag)) or None
    return ToldBody(name, distance, mag, is_identified=identifier is not None)


def _flags(survey: Survey, body: Record) -> int:
    flags = 0
    for name, bit in survey.flags.items():
        if body.get(name) is True or (number_of(survey, body, (name,)) or 0.0) > 0:
            flags |= int(bit)
    return flags


def _named(survey: Survey, body: Record, names: Names) -> dict[str, float]:
    return {f"{survey.name}:{name}": value for name, value in numbers_of(survey, body, names).items()}
