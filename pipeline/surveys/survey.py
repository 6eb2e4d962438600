"""How a survey's packets are described: by its names for what the product has names for.

A description is data. One decoder (`pipeline.surveys.decode`) reads all surveys by it. Wherever names are
listed, the first that a packet has counts: schemas change their names from version to version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """Where a record tells an epoch: the alert itself, or one of its history.

    Attributes
    ----------
    id : names
        The survey's id of a detection.
    exposure : names
        All that tells the exposure, together.
    jd, mjd, mjd_tai : names
        The time in days, UTC unless it is said otherwise.
    is_start : bool
        That time is the start of the exposure; else its middle.
    mag, mag_err : names
        Of the difference's absolute flux.
    flux, flux_err : names
        The same as a flux, used where there is no magnitude: of zeropoint `zeropoint`, or so many
        `nanojansky` each, or else instrumental, in `unit`.
    negative : names
        Whether it is the reference minus the new image that is positive.
    limit_mag, noise : names
        Where nothing was detected: the 5-sigma limit, or one sigma as a flux.
    withdrawn : names
        When the survey took the record back, which then tells nothing.
    is_forced : bool
        Measured at the object's place, whether anything was detected or not.
    """

    id: Names = ()
    exposure: Names = ()
    jd: Names = ()
    mjd: Names = ()
    mjd_tai: Names = ()
    is_start: bool = False
    exposure_s: Names = ()
    band: Names = ()
    snr: Names = ()
    mag: Names = ()
    mag_err: Names = ()
    flux: Names = ()
    flux_err: Names = ()
    zeropoint: Names = ()
    nanojansky: float | None = None
    unit: str = "count"
    negative: Names = ()
    limit_mag: Names = ()
    noise: Names = ()
    withdrawn: Names = ()
    is_forced: bool = False

    @property
    def names(self) -> set[str]:
        """All names that are read."""
        listed = (getattr(self, name) for name in self.__slots__)
        return {name for names in listed if isinstance(names, tuple) for name in names}


@dataclass(frozen=True, slots=True)
class SmallBody:
    """Where a packet tells of a known body of the solar system, each name as ``record.field``.

    Attributes
    ----------
    identifier : names
        The number of the body that the survey took the detection for; 0 is none. A survey without tells of
        the nearest body alone.
    name, distance, mag : names
        The distance is that of the predicted place, in arcsec; the magnitude is predicted too, V.
    """

    identifier: Names = ()
    name: Names = ()
    distance: Names = ()
    mag: Names = ()

    @property
    def names(self) -> Names:
        """All names that are read."""
        return (*self.identifier, *self.name, *self.distance, *self.mag)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """One survey's packets.

    Attributes
    ----------
    name : str
        The `source` of its alerts, and the prefix of its scores and features.
    known_by : names
        Fields (``record.field``) that its schema has, all of them, and no other survey's.
    body : str
        The field that holds the alert's own record: names without one of their own belong to it.
    object_id, candid : names
        Of the packet itself, or ``body.name``.
    point : Point
        How `body` tells the alert's own epoch.
    position_errors : names
        In degrees.
    x, y, first_pixel
        The place in the survey's image, and what its convention calls the centre of the first pixel;
        none where the convention is not known.
    frame : mapping
        What the image is called: the words before each value, and its names.
    bands : mapping
        Bands by what the packet calls them; as they are where it is empty.
    ab_offsets : mapping
        By band, what makes an AB magnitude of the survey's own.
    exposure_s : float
        Of an exposure whose time the packet does not tell.
    sentinels : tuple of float
        Numbers that mean "not known".
    scores, features : names
        The survey's scores, and other numbers that help to judge.
    flags : mapping
        What sets a bit of the mask (`core.vocabulary.MaskPlane`) where it is above 0.
    history : mapping
        The lists of earlier epochs.
    small_body : SmallBody
        Where it tells of the solar system.
    new, reference, difference : names
        The cutouts, of the packet itself.
    difference_follows_sign : bool
        The difference cutout of a negative alert is reference minus new.
    seeing_arcsec : float
        The FWHM that is usual; a half of it is how far an object may be from its alert.
    pixel_arcsec : float, optional
        Of its cutouts, where it is known.
    """

    name: str
    known_by: Names
    body: str
    object_id: Names
    candid: Names
    point: Point
    ra: Names = ("ra",)
    dec: Names = ("dec",)
    position_errors: Names = ()
    x: Names = ()
    y: Names = ()
    first_pixel: float | None = None
    frame: Mapping[str, Names] = field(default_factory=dict)
    bands: Mapping[int | str, str] = field(default_factory=dict)
    ab_offsets: Mapping[str, float] = field(default_factory=dict)
    exposure_s: float = 0.0
    sentinels: tuple[float, ...] = ()
    scores: Names = ()
    features: Names = ()
    flags: Mapping[str, int] = field(default_factory=dict)
    history: Mapping[str, Point] = field(default_factory=dict)
    small_body: SmallBody = SmallBody()
    new: Names = ("cutoutScience",)
    reference: Names = ("cutoutTemplate",)
    difference: Names = ("cutoutDifference",)
    difference_follows_sign: bool = False
    seeing_arcsec: float = 2.0
    pixel_arcsec: float | None = None

    @property
    def fwhm_px(self) -> float | None:
        """The FWHM that is usual, in pixels of the cutouts."""
        return None if self.pixel_arcsec is None else self.seeing_arcsec / self.pixel_arcsec

    def wanted(self) -> dict[str, set[str] | None]:
        """The fields that are read, and of records and lists of records the fields within."""
        body = {*self.point.names, *self.ra, *self.dec, *self.position_errors, *self.x, *self.y}
        body |= {*self.scores, *self.features, *self.flags}
        body |= {name for names in self.frame.values() for name in names}
        fields: dict[str, set[str] | None] = {self.body: body}
        for name in (*self.object_id, *self.candid, *self.small_body.names):
            record, _, inner = name.rpartition(".")
            if not record:
                fields[inner] = None
                continue
            within = fields.setdefault(record, set())
            if within is not None:
                within.add(inner)
        fields |= {name: set(point.names) for name, point in self.history.items()}
        return fields | {name: {STAMP} for name in (*self.new, *self.reference, *self.difference)}


STAMP = "stampData"  # of a cutout that is a record: ZTF's and ATLAS's have the file's name beside it
