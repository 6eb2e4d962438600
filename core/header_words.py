"""The keywords by which headers are read, by what they mean, whatever each observatory calls them.

They are data: a camera that names its gain in another way is one more word in `KEYWORDS`. The pipeline reads
headers by them, and the settings know a typing error in ``[camera] keywords`` by them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from core.vocabulary import FrameKind

# The first keyword that holds a usable value wins.
KEYWORDS: dict[str, tuple[str, ...]] = {
    "exposure_s": ("EXPTIME", "EXPOSURE", "EXP_TIME", "EXPOSED", "TEXPTIME", "ELAPTIME", "PEXP"),
    # Of each of the frames that the camera added up: Keck, IRTF, ESO.
    "integration_s": ("ITIME", "HIERARCH ESO DET DIT"),
    "coadds": ("COADDS", "CO_ADDS"),  # not of ESO: HAWK-I stores the mean of them, VIRCAM their sum
    "exposure": ("XPOSURE",),  # of the FITS Standard 4.0: in the unit of its times
    "time_unit": ("TIMEUNIT",),
    "filter": (
        "FILTER",
        "FILTERS",
        "BAND",
        "FILTNAM",
        "FILTNAME",
        "FILT",
        "FILTERID",
        "INSFILTE",
        "WFFBAND",
        "HIERARCH FPA.FILTERID",
    ),
    "field": ("OBJECT", "FIELD", "FIELDID", "TARGNAME", "OBJNAME", "TARGET"),
    "instrument": ("INSTRUME", "INSTRUMENT", "DETECTOR", "CAMERA", "DETNAM"),
    "detector": (
        "CCDNUM",
        "CCDID",
        "CCDCHIP",
        "CHIPID",
        "DETECTID",
        "CHIP",
        "CCDNAME",
        "DET-ID",
        "LSST_NUM",
        "HIERARCH ESO DET CHIP1 ID",
        "HIERARCH ESO DET CHIP NAME",
    ),
    "kind": (
        "IMAGETYP",
        "IMGTYP",
        "IMGTYPE",
        "OBSTYPE",
        "IMAGETYPE",
        "EXPTYPE",
        "FRAME",
        "OBS_TYPE",
        "PICTTYPE",
        "DATA-TYP",
        "HIERARCH ESO DPR TYPE",
    ),
    "gain": (
        "EGAIN",
        "GAIN",
        "GAINA",
        "CCDGAIN",
        "GAIN1",
        "RO_GAIN",
        "HIERARCH ESO DET OUT1 CONAD",
        "CONAD",
        "HIERARCH CELL.GAIN",
    ),
    "read_noise": (
        "RDNOISE",
        "READNOIS",
        "READNOISE",
        "READNOI",
        "RON",
        "ENOISE",
        "RO_NOISE",
        "RDNOISEA",
        "HIERARCH ESO DET OUT1 RON",
        "HIERARCH CELL.READNOISE",
    ),
    "saturation": (
        "SATURATE",
        "SATLEVEL",
        "MAXLIN",
        "SATURVAL",
        "SATURATN",
        "SATUR_LEVEL",
        "FULLWELL",
        "HIERARCH CELL.SATURATION",
    ),
    "saturation_of_each": ("SATURATA", "SATURATB", "SATURATC", "SATURATD"),  # amplifier
    "unit": ("BUNIT", "UNIT", "UNITS"),
    "airmass": (
        "AIRMASS",
        "SECZ",
        "AM",
        "AMSTART",
        "HIERARCH ESO TEL AIRM START",
        "HIERARCH ESO TEL AIRM END",
    ),
}


# When it was: `pipeline.files.times`.
MIDDLE_DATES = ("DATE-AVG", "DATE-MID", "DATEMID", "DATE_MID", "UTMIDDLE")
MIDDLE_MJDS = ("MJD-AVG", "MJD-MID", "MJDMID", "MJD_MID")
START_DATES = ("DATE-OBS", "DATE-BEG", "DATEOBS", "DATE_OBS", "UT-DATE", "UTDATE")
START_TIMES = (
    "UT-STR",  # of Subaru, whose UT is that of the middle
    "UT",
    "UTSTART",
    "TIME-OBS",
    "TIME-BEG",
    "UTC-OBS",
    "UT-OBS",
    "UTC",
    "TIME_OBS",
    "UTSHUT",
    "UT-TIME",
    "UTIME",
    "EXPSTART",
)
INTEGRATIONS = ("HIERARCH ESO DET DIT",), ("HIERARCH ESO DET NDIT",)  # their length and how many
END_DATES = ("DATE-END",)
END_MJDS = ("MJD-END",)
ROW_CLOCKS = ("C_OBS",)  # of SDSS: "CCD row clock rate (usec/row)"
TAI_TIMES = ("TAIHMS",)  # of SDSS, beside the date of TAI: "TAI time HH:MM:SS.SS"
START_MJDS = ("MJD-OBS", "MJD-BEG", "MJD-STR", "MJD", "OBSMJD", "MJD_OBS", "MJDSTART", "EXPSTART", "TEXPSTRT")
START_JDS = ("JD", "OBSJD", "JD-OBS", "JD_OBS", "JDSTART")
REFERENCE_PLACES = ("TREFPOS", "TIMEREF")  # of the FITS Standard, and of NASA's missions before it

# How it was read out: `pipeline.files.readout`.
READOUT: dict[str, tuple[str, ...]] = {
    "binning x": ("XBINNING", "CCDXBIN", "BINX", "XBIN", "HIERARCH ESO DET WIN1 BINX"),
    "binning y": ("YBINNING", "CCDYBIN", "BINY", "YBIN", "HIERARCH ESO DET WIN1 BINY"),
    "gain": ("GAIN", "CCDGAIN", "HIERARCH ESO DET OUT1 CONAD"),
    "offset": ("BLKLEVEL", "OFFSET"),
    "mode": ("READOUTM", "READMODE", "RDMODE", "HIERARCH ESO DET READ CLOCK", "HIERARCH ESO DET READ MODE"),
    "flips": ("FLIPSTAT",),
    "temperature": ("CCD-TEMP", "CCDTEMP", "CCDATEMP", "DET-TEMP", "DETTEMP", "DET-TMP"),
}
# Two numbers in one card: "2 2", "2x2". Of a section those where it begins.
PAIRS: dict[str, tuple[str, ...]] = {"binning": ("CCDSUM", "BINNING")}
# Where on the chip what was read begins. Each agrees with itself alone: they count other pixels. LTV counts
# what was trimmed too, by some programs alone.
WINDOWS: dict[str, tuple[str, str]] = {
    "window": ("XORGSUBF", "YORGSUBF"),
    "window (ESO)": ("HIERARCH ESO DET WIN1 STRX", "HIERARCH ESO DET WIN1 STRY"),
}
SECTION_OF_CHIP = "CCDSEC"
STACKED = ("STACKCNT", "NCOMBINE")  # how many frames it is of: Siril, IRAF

# What one unit of its data is.
ZEROPOINTS = ("PHOTZP", "MAGZERO", "MAGZP", "ZEROPT", "ZP", "MAG_ZP", "ZPT", "IMAGEZPT")
# Of a count a second at an airmass of 1, with EXTINCT magnitudes per airmass (CASU, the INT's survey, IGAPS);
# of Pan-STARRS' stacks and warps, above the air.
ZEROPOINTS_OF_RATES = ("MAGZPT", "HIERARCH FPA.ZP")
MAG_SYSTEMS = ("PHOTSYS", "MAGSYS", "MAG_SYS", "ZPTSYS")

WHEELS = (  # of filters, several in the light
    *(f"FILTER{wheel}" for wheel in ("1", "2", "3", "4", "A", "B", "01", "02", "03")),
    *("FILTNAM1", "FILTNAM2"),  # Hubble's WFPC2
    *("ALFLTNM", "FAFLTNM", "FBFLTNM", "NCFLTNM1", "NCFLTNM2"),  # the NOT
    *(f"HIERARCH ESO INS FILT{wheel} NAME" for wheel in (1, 2, 3, 4)),
)

# The steps of the calibration that were done, of IRAF's ccdproc and of Hubble's pipelines: true, or a text
# that tells when and how.
STEPS: dict[FrameKind, tuple[str, ...]] = {
    FrameKind.BIAS: ("ZEROCOR", "BIASCOR", "BIASCORR"),
    FrameKind.DARK: ("DARKCOR", "DARKCORR"),
    FrameKind.FLAT: ("FLATCOR", "FLATCORR"),
}
PEDESTAL = "PEDESTAL"  # of SBIG's additions to FITS, and so of MaxIm's and ASTAP's

# What is asked for by one word alone: times, units, products, what was done, sections of the chip, the place.
_OTHERS = {
    "TIMESYS", "TELAPSE", "CCDMODE", "EXTINCT", "BAYERPAT", "COLORTYP", "CALSTAT", "COMBINED", "RLEVEL",
    "PROCTYPE", "PRODTYPE", "PRODCATG", "DES_EXT", "HIERARCH ESO PRO CATG", "OVERSCAN", "TRIM", "TRIMMED",
    "TRIMSEC", "DATASEC", "BIASSEC", "EQUINOX", "EPOCH", "RADESYS", "RADECSYS", "LONPOLE", "LATPOLE",
    "WCSAXES", "HDUCLAS2", "BLANK", "BOFFSET", "BSOFTEN", "BZERO", "BSCALE", "INHERIT",
}  # fmt: skip
# Of each axis, term or amplifier: the celestial coordinates of the FITS Standard and of its conventions, and
# arrays that hold the pixels of several amplifiers.
_FAMILIES = re.compile(
    r"(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d|(?:CD|PC|PV|PS)\d_\d+|(?:A|B|AP|BP)_(?:\d_\d|ORDER)"
    r"|WAT\d_\d{3}|NAXIS\d?|(?:TRIMSEC|DATASEC|BIASSEC|CCDSEC|GAIN)(?:[A-H]|\d{1,2})"
)


def unread(words: Iterable[str]) -> str | None:
    """One sentence on the first of some keywords that AstrID does not read; none where it reads all."""
    known = {*_OTHERS, *_tables()}
    wrong = next((word for word in words if word not in known and not _FAMILIES.fullmatch(word)), None)
    if wrong is None:
        return None
    near = difflib.get_close_matches(wrong, sorted(known), n=1)
    meant = f"it reads {near[0]}" if near else 'what it reads stands first, as in { FILTER = "WHEEL2" }'
    return f"{wrong} is no keyword that AstrID reads; {meant}"


def _tables() -> Iterator[str]:
    for table in (KEYWORDS, READOUT, PAIRS, WINDOWS, STEPS):
        for words in table.values():
            yield from words
    for times in (
        MIDDLE_DATES,
        MIDDLE_MJDS,
        START_DATES,
        START_TIMES,
        START_MJDS,
        START_JDS,
        END_DATES,
        END_MJDS,
    ):
        yield from times
    yield from (
        *ROW_CLOCKS,
        *TAI_TIMES,
        *REFERENCE_PLACES,
        *(word for words in INTEGRATIONS for word in words),
    )
    yield from (*ZEROPOINTS, *ZEROPOINTS_OF_RATES, *MAG_SYSTEMS, *WHEELS, *STACKED, SECTION_OF_CHIP, PEDESTAL)
