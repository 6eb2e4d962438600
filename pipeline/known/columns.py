"""What the columns of a catalogue are: roles, units and the kinds of catalogue that they betray."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.text import safe_text
from pipeline.known.angles import in_degrees, plain_unit
from pipeline.known.table_file import CatalogRefused, Column

# Names by which catalogues call a thing, the best first; compared without case, spaces and signs.
ALIASES: dict[str, tuple[str, ...]] = {
    "ra": (
        "ra", "raicrs", "raj2000", "rajdeg", "radeg", "rad", "ramean", "meanra", "rastack", "raepoch2000",
        "rightascension", "alpha", "alphaj2000", "radegrees", "rahours", "rahour", "rahms", "rah", "rahr",
        "raj",
    ),
    "dec": (
        "dec", "deicrs", "dej2000", "decicrs", "decj2000", "decjdeg", "decdeg", "dedeg", "ded", "decd",
        "decmean", "meandec", "decstack", "decepoch2000", "declination", "delta", "deltaj2000", "decdms",
        "de", "dej",
    ),
    "name": (
        "sourceid", "source", "name", "objname", "designation", "id", "objid", "oid", "lsid", "pgcname",
        "pgc", "mainid", "star", "object",
    ),
    "pmra": ("pmra", "pmracosdec", "pmrastar", "pmraicrs"),
    "pmdec": ("pmdec", "pmde", "pmdeicrs"),
    "epoch": ("refepoch", "epoch", "epochyr", "epmean"),
    "redshift": ("z", "redshift", "zspec", "zbest", "zhelio", "zphot", "zphotmedian"),
    "type": (
        "type", "vartype", "varclass", "class", "classification", "bestclassname", "claimedtype", "objtype",
    ),
    # As the Transient Name Server has them: in its table of all objects, in results of its search.
    "discovered": ("discoverydate", "discoverydateut", "discoverdate"),
    "prefix": ("nameprefix",),
    "period": ("period", "per"),
    "major": ("semimajor", "sma", "a", "aimage", "semimajoraxis", "majaxis", "smaarcsec", "r25", "radius"),
    "diameter": ("d25", "majdiam", "majordiameter", "diam", "diameter", "majaxisarcmin"),
    "logd25": ("logd25",),
    "light": ("shaper", "petror50", "petrorad", "reff", "re", "hlr"),
    "minor": ("semiminor", "smb", "b", "semiminoraxis", "minaxis"),
    "ratio": ("ba", "axisratio", "boverabi", "bovera", "q", "axratio"),
    "logr25": ("logr25",),
    "pa": ("pa", "posang", "positionangle", "padeg", "theta", "phi"),
}  # fmt: skip
# Columns of hours or degrees beside which others may hold the minutes, as in tables of the CDS.
PARTED = (
    ("ra", {"rah", "rahr", "rahour", "rahours"}, ("ram", "ramin"), "10:12:33.1"),
    ("dec", {"ded", "decd"}, ("dem", "demin", "decm", "decmin"), "-04:10:11"),
)
BANDS = re.compile(
    r"(?:(?:psf|mean|model|cmodel|petro|stack|kron|dered)?mag_?(?P<first>[ugrizyUBVRIJHKG])"
    r"|(?P<second>[ugrizyUBVRIJHK])_?(?:mean)?_?(?:psf|kron|ap|cmodel)?_?(?:mag)?)(?:_?ab)?",
)
GAIA = {"phot_g_mean_mag": "G", "phot_bp_mean_mag": "BP", "phot_rp_mean_mag": "RP"}
JOHNSON = {"bmag": "B", "vmag": "V", "jmag": "J", "hmag": "H", "kmag": "K", "ksmag": "K"}
GAIA_SHORT = {"Gmag": "G", "BPmag": "BP", "RPmag": "RP"}  # as VizieR calls them
MAIN = ("G", "r", "V", "g", "i", "R", "B", "mag")  # which magnitude stands for a source
UNNAMED = ("mag", "magnitude", "max", "brightness", "discoverymag", "discoverymagflux")
MOST_BANDS = 8
# What a cell begins with; VSX has limits and colons around its numbers.
_NUMBER = re.compile(rb"[\s<>(:]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column plays which part.

    Attributes
    ----------
    roles : dict
        From a role of `ALIASES` to a column's name.
    bands : dict
        From a band to a column's name; ``mag`` is an unknown band.
    kind : str or None
        One of `core.catalogs.library.KINDS`, where the columns tell.
    epoch : float or None
        Of positions, Julian years, where the columns tell.
    mag_system : str or None
    units : dict
        From a column's name to its unit.
    texts : frozenset of str
        Columns that hold text.
    """

    roles: dict[str, str]
    bands: dict[str, str]
    kind: str | None
    epoch: float | None
    mag_system: str | None
    units: dict[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()

    @property
    def wanted(self) -> list[str]:
        """The columns to read, each once."""
        return list(dict.fromkeys([*self.roles.values(), *self.bands.values()]))


def recognise(columns: Sequence[Column], file: str) -> Layout:
    """Find what each column is by its name and unit.

    Raises
    ------
    CatalogRefused
        There are no positions.
    """
    plain: dict[str, str] = {}
    for each in columns:
        plain.setdefault(_plain(each.name), each.name)
    roles = {}
    for role, names in ALIASES.items():
        found = next((plain[name] for name in names if name in plain), None)
        if found is not None:
            roles[role] = found
    missing = [role for role in ("ra", "dec") if role not in roles]
    if missing:
        words = {"ra": "right ascension", "dec": "declination"}
        raise CatalogRefused(
            f"{file} has no column of {' and '.join(words[role] for role in missing)}:"
            " one called ra and one called dec, or as catalogues call them, are needed"
        )
    _refuse_parts(roles, plain, file)
    exact = {each.name for each in columns}
    lower = {each.lower() for each in exact}
    is_gaia = bool(lower & GAIA.keys()) or {"Gmag", "BPmag"} <= exact
    bands = _bands(columns, roles, is_gaia)
    if "z" in {_plain(each) for each in (roles.get("redshift"),) if each} and _is_photometric(bands):
        del roles["redshift"]  # beside g, r and i it is a magnitude
    kind = _kind(lower, roles, is_gaia)
    if (kind == "variables" or "period" in roles) and _plain(roles.get("epoch", "")) == "epoch":
        del roles["epoch"]  # of a light curve's maximum or minimum, as VSX and GCVS have it beside the period
    return Layout(
        roles=roles,
        bands=bands,
        kind=kind,
        epoch=2016.0 if is_gaia and ("ruwe" in lower or "RA_ICRS" in exact) else None,
        mag_system="vega" if is_gaia else _mag_system(lower),
        units={each.name: each.unit for each in columns if each.unit},
        texts=frozenset(each.name for each in columns if each.is_text),
    )


def _refuse_parts(roles: dict[str, str], plain: dict[str, str], file: str) -> None:
    """Refuse positions of which hours or degrees alone would be read: minutes stand in another column."""
    for role, whole, minutes, example in PARTED:
        parts = [plain[name] for name in minutes if name in plain]
        if parts and _plain(roles[role]) in whole:
            raise CatalogRefused(
                f"{file} has {role} in parts, {safe_text(roles[role], 20)} and {safe_text(parts[0], 20)}:"
                f" join them into one column called {role}, such as {example}"
            )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _bands(columns: Sequence[Column], roles: dict[str, str], is_gaia: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in columns:
        if each.is_text:
            continue
        band = GAIA.get(each.name.lower()) or (GAIA_SHORT.get(each.name) if is_gaia else None)
        band = band or JOHNSON.get(each.name.lower())
        if band is None and (match := BANDS.fullmatch(each.name)) and len(match[0]) > 0:
            band = match["first"] or match["second"]
            if band in {"B"} and each.name == roles.get("minor") and "major" in roles:
                band = None  # of an ellipse
        if band and band not in found:
            found[band] = each.name
    # One letter alone is a magnitude only in company: a column z is more often a redshift.
    single = [band for band, name in found.items() if len(name) == 1]
    if len(single) < 2:
        found = {band: name for band, name in found.items() if band not in single}
    unnamed = next((each.name for each in columns if _plain(each.name) in UNNAMED), None)
    if unnamed and not found:
        found["mag"] = unnamed
    order = sorted(found, key=lambda band: MAIN.index(band) if band in MAIN else len(MAIN))
    return {band: found[band] for band in order[:MOST_BANDS]}


def _is_photometric(bands: dict[str, str]) -> bool:
    return bands.get("z") is not None


def _kind(lower: set[str], roles: dict[str, str], is_gaia: bool) -> str | None:
    if is_gaia:
        return "stars"
    if {"oid", "type", "period"} <= lower or {"oid", "type", "max"} <= lower or "vartype" in lower:
        return "variables"
    if "discovered" in roles:
        return "transients"  # whose redshifts are no galaxies'
    shaped = {"major", "diameter", "logd25", "light"} & roles.keys()
    if shaped or ("redshift" in roles and "pmra" not in roles):
        return "galaxies"
    return "stars" if "pmra" in roles else None


def _mag_system(lower: set[str]) -> str | None:
    pan_starrs = {"gmeanpsfmag", "rmeanpsfmag"}
    sdss = {"psfmag_g", "psfmag_r"}
    return "ab" if lower & (pan_starrs | sdss) else None


def shape(chunk: dict[str, NDArray[Any]], layout: Layout) -> dict[str, NDArray[np.float64]]:
    """The ellipse of each galaxy: half the major axis in arcsec, the ratio of axes, the position angle.

    Parameters
    ----------
    chunk : dict
        Columns by their names in the file.
    layout : Layout
    """
    roles = layout.roles

    def read(role: str) -> NDArray[np.float64]:
        return numbers(chunk[roles[role]])

    size = None
    if "major" in roles:
        size = read("major") * _arcsec(layout, "major", 1.0)
    elif "diameter" in roles:
        size = read("diameter") * _arcsec(layout, "diameter", 60.0) / 2.0
    elif "logd25" in roles:
        size = 6.0 * 10.0 ** read("logd25") / 2.0  # HyperLEDA: log of the diameter in 0.1 arcmin
    elif "light" in roles:
        size = read("light") * _arcsec(layout, "light", 1.0)
    if size is None:
        return {}
    found = {"size": np.where((size > 0.0) & (size < 36000.0), size, np.nan)}
    ratio = None
    if "ratio" in roles:
        ratio = read("ratio")
    elif "minor" in roles and "major" in roles:
        ratio = read("minor") * _arcsec(layout, "minor", 1.0) / size
    elif "logr25" in roles:
        ratio = 10.0 ** -read("logr25")
    if ratio is not None:
        found["axis_ratio"] = np.where((ratio > 0.0) & (ratio <= 1.0), ratio, np.nan)
    if "pa" in roles:
        found["pa"] = read("pa") * in_degrees(layout.units.get(roles["pa"]))
    return found


def _arcsec(layout: Layout, role: str, default: float) -> float:
    """Arcseconds in one unit of a column, by its unit or its name."""
    name = layout.roles[role]
    told = f"{plain_unit(layout.units.get(name))} {name.lower()}"
    for word, size in (("arcmin", 60.0), ("arcsec", 1.0), ("deg", 3600.0)):
        if word in told:
            return size
    return default


def magnitudes(values: NDArray[Any]) -> NDArray[np.float64]:
    """Magnitudes; NaN for what stands for none, such as 99 and -999."""
    size = numbers(values)
    return np.where((size > -30.0) & (size < 50.0), size, np.nan)


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """A column of numbers; of text, the number that each begins with, its limits and marks left out."""
    if values.dtype.kind != "S":
        return values.astype(np.float64)
    out = np.full(len(values), np.nan)
    for i, each in enumerate(values):
        if match := _NUMBER.match(each):
            out[i] = float(match[1])
    return out
