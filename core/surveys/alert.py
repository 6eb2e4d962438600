"""An alert of a survey as the store takes it: plain values, whatever the packet looked like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.vocabulary import FluxKind

AB_ZEROPOINT_NJY = 31.4  # the AB magnitude of a nanojansky; Oke & Gunn 1983, 3631 Jy for magnitude 0


@dataclass(frozen=True, slots=True)
class FluxFacts:
    """One epoch of an object in the history that a packet carries.

    Attributes
    ----------
    external_id : str
        The survey's own id of a detection, the same that the alert of that epoch has; else made of the
        kind and the exposure. Later packets repeat it.
    mjd : float
        UTC at mid-exposure.
    kind : FluxKind
        What the survey took back since is ``withdrawn``, under the id that it had.
    flux : float or None
        Signed, new minus reference, in `flux_unit`; none where only a limit is known.
    flux_err : float or None
        Of a limit, a fifth of the flux that would have been detected.
    zeropoint : float or None
        The magnitude of a flux of 1, in `mag_system`.
    """

    external_id: str
    kind: FluxKind
    mjd: float
    filter: str | None
    flux: float | None
    flux_err: float | None
    flux_unit: str = "nJy"
    zeropoint: float | None = AB_ZEROPOINT_NJY
    mag_system: str | None = "ab"


@dataclass(frozen=True, slots=True)
class ToldBody:
    """A known body of the solar system that a packet tells of.

    Attributes
    ----------
    name : str or None
    distance_arcsec : float or None
        Of its predicted place.
    mag : float or None
        As it was predicted, V.
    is_identified : bool
        The survey itself took the detection for that body; else it is the nearest that there is.
    """

    name: str | None
    distance_arcsec: float | None
    mag: float | None = None
    is_identified: bool = False


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """One alert. Signs follow new minus reference; magnitudes are of the difference's ``|flux|``.

    Attributes
    ----------
    source, external_id : str
        The survey and its id of the alert: together they are known once.
    object_id : str or None
        What the survey calls the object.
    mjd : float
        UTC at mid-exposure.
    ra, dec, radius_deg : float
        Degrees; an object within the radius is the alert's own.
    x_frame, y_frame : float or None
        0-based pixel centres in the survey's image, where its convention is known.
    scores : dict
        The survey's own scores, each under ``survey:name`` with the name that the packet has, such as
        ``ztf:drb``. They are not ours, and no truth.
    score : float or None
        Of the best of our own models, which orders the queue; none where no model scored it.
    model_scores : dict
        Of our own models, by their names.
    scored_by : str or None
        What the classifier tells of these models.
    features : dict
        More of the packet's numbers, named in the same way.
    cutouts : bytes or None
        `core.review.cutouts.pack`.
    body : ToldBody or None
        What its packet tells of the solar system.
    known : mapping or None
        What is known at its place, an answer by kind: `pipeline.known.match`.
    remark : str or None
        What could not be used of an alert that is otherwise whole.
    """

    source: str
    external_id: str
    object_id: str | None
    mjd: float
    ra: float
    dec: float
    radius_deg: float
    snr: float
    filter: str | None = None
    frame: str | None = None
    x_frame: float | None = None
    y_frame: float | None = None
    position_error_px: float | None = None
    flux: float | None = None
    flux_err: float | None = None
    flux_unit: str | None = None
    mag: float | None = None
    mag_err: float | None = None
    mag_system: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    model_scores: dict[str, float] = field(default_factory=dict)
    scored_by: str | None = None
    features: dict[str, float] = field(default_factory=dict)
    mask_flags: int = 0
    cutouts: bytes | None = None
    history: tuple[FluxFacts, ...] = ()
    body: ToldBody | None = None
    known: Mapping[str, Any] | None = None
    remark: str | None = None
