"""What FITS headers say of an exposure, whatever each observatory calls it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import partial
from itertools import chain

from astropy.io.fits import Header

from core.epochs import mjd_of
from core.header_words import KEYWORDS, START_DATES, WHEELS
from pipeline.files.card_units import (
    TIME_UNITS_S,
    is_in_counts,
    is_in_electrons,
    is_of_counts_per_electron,
    seconds_of,
    seconds_told,
)
from pipeline.files.cards import (
    MOST_TEXT,
    Number,
    all_told,
    comment_of,
    look_up,
    number,
    numbers,
    text,
    told,
    unreadable,
)
from pipeline.files.kinds import kind_of
from pipeline.files.order_blocking import in_the_light
from pipeline.files.times import (
    absurd_dates,
    contradiction,
    elsewhere,
    mid_exposure,
    not_of_our_age,
    old_century,
    tells_middle,
    told_by,
    too_long,
)
from pipeline.frame import Exposure, FrameRefused

# Of a filter wheel among several.
EMPTY_SLOTS = (
    *("air", "clear", "clr", "open", "none", "empty", "out", "free", "hole", "n/a"),
    *("blank", "dummy", "home", "no filter", "no_filter", "nofilter", "null", "unknown", "unused"),
)
COLOUR_MOSAICS = {"rggb", "bggr", "grbg", "gbrg"}

COUNTS = {"adu", "dn", "du", "count", "counts", "ct", "cts", "data"}
ELECTRONS = {"electron", "electrons", "e", "e-", "photoelectron", "photoelectrons", "photon", "photons", "ph"}
FLUXES = {"jy", "mjy", "ujy", "njy", "nmgy", "nanomaggy", "nanomaggies", "maggy", "maggies"}
NO_UNIT = {"", "none", "unitless", "dimensionless", "n/a", "unknown", "undefined"}

# What the comment of a time says of it.
_OF_MIDDLE = re.compile(r"\bmid(dle|point|time|exposure)?\b", re.IGNORECASE)
_OF_START = re.compile(r"\b(start|begin)", re.IGNORECASE)
_LOCAL = re.compile(r"\blocal\b", re.IGNORECASE)
_OF_ATOMS = re.compile(r"\b(TAI|TT|TDT|TDB|BJD|HJD)\b")  # not GPS: that is mostly by what a clock is set
_UNIVERSAL = re.compile(r"\b(ut[c1]?|gmt|universal)\b", re.IGNORECASE)
_OF_FILTER = re.compile(r"FILT|FLT|WHEEL")
_PER_PIXEL = re.compile(r"\s*/\s*pix(el)?|\s+pix(el)?(\^|\*\*)?-1")
_PER_SECOND = re.compile(r"(\s*/\s*s(ec(ond)?)?|\s+per\s+s(ec(ond)?)?|[\s*.]+s(ec)?(\^|\*\*)?\(?-1\)?)$")


@dataclass(frozen=True, slots=True)
class DataUnit:
    """What one unit of the stored data is: ``counts``, ``electrons`` or a physical ``flux``."""

    kind: str
    per_second: bool = False


def exposure_of(header: Header, name: str) -> Exposure:
    """Read an exposure's facts from its header.

    A gain, read noise or saturation of zero or less is taken as absent. The gain is electrons per
    unit of the stored data: 1 for electrons, times the exposure for a rate, absent for a flux in
    physical units. A date that cannot be used leaves ``mjd`` empty, for not every use of an image
    needs one; `time_of` tells why.

    Parameters
    ----------
    header : Header
        Of the image, with what it inherits from the file's primary header.
    name : str
        What people call the frame.

    Raises
    ------
    FrameRefused
        A negative exposure, a unit that is no light per pixel, or no image of the sky.
    """
    exposure_s = _exposure_s(header)
    if exposure_s is not None and exposure_s < 0.0:
        raise FrameRefused(f"its exposure time is negative ({exposure_s:g} s)")
    try:
        mjd: float | None = time_of(header, exposure_s)
    except FrameRefused:
        mjd = None
    per_count = _per_count(told(header, "gain"))
    detector = text(header, "detector")
    instrument = text(header, "instrument") or detector
    if instrument and detector and detector != instrument:
        instrument = f"{instrument} {detector}"
    return Exposure(
        name=name,
        kind=kind_of(header),
        mjd=mjd,
        exposure_s=exposure_s,
        filter=filter_of(header),
        field=text(header, "field"),
        instrument=instrument,
        gain=gain_of(header, exposure_s, per_count),
        read_noise=_read_noise(told(header, "read_noise"), per_count),
        saturation=_saturation(_full_level(header), data_unit(header), per_count),
        airmass=_airmass(number(header, "airmass")),
    )


def _exposure_s(header: Header) -> float | None:
    """How long it was exposed, in seconds; none where the header does not say, or in an unknown unit."""
    whole, each = _seconds(header, "exposure_s"), _seconds(header, "integration_s")
    if each is not None and whole in (None, each):  # of one, although it is called that of the exposure
        return each * max(number(header, "coadds") or 1.0, 1.0)
    if whole is not None:
        return whole
    length, unit = number(header, "exposure"), TIME_UNITS_S.get(text(header, "time_unit") or "s")
    return None if length is None or unit is None else length * unit


def _seconds(header: Header, name: str) -> float | None:
    """The first length of time: a number in the unit of its comment, or a text with its unit."""
    for keyword in KEYWORDS[name]:
        if (length := next(numbers(header, (keyword,)), None)) is not None:
            return length.value * seconds_of(length.comment)
        if (seconds := seconds_told(look_up(header, (keyword,)))) is not None:
            return seconds
    return None


def unreadable_cards(header: Header) -> str | None:
    """One sentence where cards that are asked for cannot be read; none where all can."""
    return unreadable(header, (*chain.from_iterable(KEYWORDS.values()), *WHEELS, *START_DATES))


def time_of(header: Header, exposure_s: float | None) -> float:
    """The middle of the exposure as MJD, UTC; its start where neither its length nor its end is known.

    Raises
    ------
    FrameRefused
        The header has no date, or not one that tells the time.
    """
    look = partial(look_up, header)
    said = comment_of(header, told_by(look))
    is_middle = _OF_MIDDLE.search(said) is not None and _OF_START.search(said) is None
    mjd = mid_exposure(look, exposure_s or 0.0, is_middle=is_middle)
    if mjd is None:
        if unusable := unusable_date(header):
            raise FrameRefused(unusable)
        if damaged := unreadable_cards(header):
            raise FrameRefused(f"its header has no date that can be read: {damaged}")
        raise FrameRefused("its header has no date (DATE-OBS, MJD-OBS or JD)")
    return mjd


def date_doubts(header: Header, exposure_s: float | None) -> tuple[str, ...]:
    """A sentence each for what makes the date of an exposure doubtful, where it has one: `time_of`."""
    look = partial(look_up, header)
    said = comment_of(header, told_by(look))
    other = (found := _LOCAL.search(said) or _OF_ATOMS.search(said)) and found[0]
    if _UNIVERSAL.search(said) or look(("TIMESYS",)) is not None:
        other = None
    scale = f"its header calls its time {other} ({said[:60]!r}), and it is taken as UTC" if other else None
    seconds = exposure_s or 0.0
    age = old_century(look) or not_of_our_age(time_of(header, exposure_s), mjd_of(time.time()))
    told = (contradiction(look, seconds), too_long(look, seconds), age, scale, elsewhere(look))
    return tuple(each for each in told if each is not None)


def unusable_date(header: Header) -> str | None:
    """One sentence where a header has a date, and none that can be used."""
    absurd = absurd_dates(partial(look_up, header))
    return f"the date of its header cannot be used: {absurd}" if absurd else None


def unknown_length(header: Header, exposure_s: float | None) -> str | None:
    """One sentence where the time of an exposure is that of its start, as nothing tells how long it was."""
    if exposure_s or tells_middle(partial(look_up, header)):
        return None
    written = look_up(header, KEYWORDS["exposure_s"])
    told = "has no exposure time (EXPTIME)" if written is None else f"has no usable exposure time ({written})"
    return f"its header {told[:80]}, so its time is that of its start, not of its middle"


def filter_of(header: Header) -> str | None:
    """The filter's name; of several wheels what is in the light, without empty slots and mere glass.

    Raises
    ------
    FrameRefused
        The "filter" is a colour mosaic: neighbouring pixels see different colours.
    """
    name = text(header, "filter")
    mosaic = look_up(header, ("BAYERPAT", "COLORTYP")) or name
    if isinstance(mosaic, str) and mosaic.lower() in COLOUR_MOSAICS:
        raise FrameRefused(f"it is a colour mosaic ({mosaic}): give each colour as an image of its own")
    if name is not None:
        return name
    slots = [str(slot) for wheel in WHEELS if (slot := look_up(header, (wheel,))) is not None]
    filled = [slot for slot in slots if not slot.lower().startswith(EMPTY_SLOTS)]
    named = [slot for slot in filled if re.search("[A-Za-z]", slot)]  # beside which numbers are positions
    in_use = in_the_light(list(dict.fromkeys(named or filled[:1])))
    return "+".join(in_use)[:MOST_TEXT] if in_use else next(iter(slots), None)


def filter_doubt(header: Header) -> str | None:
    """One sentence where a header has a word of a filter or its wheel, and none that is known."""
    if filter_of(header) is not None:
        return None
    own = [word for word in header if _OF_FILTER.search(word) and look_up(header, (word,)) is not None]
    if not own:
        return None
    return f"its header names no filter by a known word, but has {', '.join(own[:3])}: see [camera] keywords"


def data_unit(header: Header) -> DataUnit:
    """The unit of the stored data; counts where the header is silent.

    Raises
    ------
    FrameRefused
        The unit is not one of light per pixel.
    """
    written = text(header, "unit") or ""
    unit = _PER_PIXEL.sub("", written.lower().strip(" '[]"))
    bare, per_second = _PER_SECOND.subn("", unit)
    for kind, names in (("counts", COUNTS | NO_UNIT), ("electrons", ELECTRONS), ("flux", FLUXES)):
        if bare.strip(" ()") in names:
            return DataUnit(kind, per_second > 0)
    raise FrameRefused(f"its unit is {written[:40]!r}; counts, electrons or a flux per pixel is needed")


def gain_of(header: Header, exposure_s: float | None, per_count: float | None) -> float | None:
    """Electrons per unit of the stored data; none where that cannot be told.

    Parameters
    ----------
    header : Header
        Its unit tells what the data are.
    exposure_s : float, optional
        Seconds, for what is stored as a rate.
    per_count : float, optional
        Electrons per count of the camera; zero or less is taken as absent.

    Raises
    ------
    FrameRefused
        The unit is not one of light per pixel.
    """
    unit = data_unit(header)
    gain = 1.0 if unit.kind == "electrons" else _positive(per_count)
    if gain is None or unit.kind == "flux":
        return None
    if unit.per_second:
        return gain * exposure_s if exposure_s else None
    return gain


def gain_of_amplifier(header: Header, letter: str, exposure_s: float | None) -> float | None:
    """`gain_of` one of several amplifiers by its letter; none where the header does not tell its gain."""
    own = next(numbers(header, (f"GAIN{letter}",)), None)
    return gain_of(header, exposure_s, _per_count(own))


def _per_count(gain: Number | None) -> float | None:
    """Electrons per count: a gain whose card says that it is of counts per electron is turned over."""
    if gain is None or not gain.value > 0.0:
        return None
    return 1.0 / gain.value if is_of_counts_per_electron(gain.comment) else gain.value


def _read_noise(noise: Number | None, per_count: float | None) -> float | None:
    """Electrons; none where a card tells counts and nobody the gain."""
    if noise is None or not noise.value > 0.0:
        return None
    if is_in_counts(noise.comment):
        return None if per_count is None else noise.value * per_count
    return noise.value


def _full_level(header: Header) -> Number | None:
    """Where a chip is full: where its first amplifier is, if several read it."""
    each = all_told(header, "saturation_of_each")
    return told(header, "saturation") or min((one for one in each if one.value > 0.0), default=None)


def _saturation(level: Number | None, unit: DataUnit, per_count: float | None) -> float | None:
    """Units of the stored data; none where a card tells electrons and nobody the gain."""
    if level is None or not level.value > 0.0:
        return None
    if unit.kind == "counts" and is_in_electrons(level.comment):
        return None if per_count is None else level.value / per_count
    return level.value


def _airmass(value: float | None) -> float | None:
    """An airmass that can be: 1 at the zenith, about 38 at the horizon."""
    return value if value is not None and 0.99 < value < 40.0 else None


def _positive(value: float | None) -> float | None:
    """A number above zero, or ``None``."""
    return value if value is not None and value > 0.0 else None
