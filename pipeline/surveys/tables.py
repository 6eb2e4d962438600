"""The surveys whose packets are understood: one table each.

What stands here was taken from the documentation within the packets' own schemas, and checked on real
packets: where their words and their pixels disagree, the remark says so.
"""

from __future__ import annotations

import math

from core.surveys.pixels import PIXEL_ARCSEC
from core.vocabulary import MaskPlane
from pipeline.surveys.survey import Point, SmallBody, Survey

# 2MASS magnitudes are Vega's. The flux of magnitude 0 is 1594, 1024 and 666.8 Jy in J, H and Ks (Cohen,
# Wheaton & Megeath 2003), that of AB 3631 Jy.
TWO_MASS_TO_AB = {
    band: -2.5 * math.log10(jansky / 3631.0)
    for band, jansky in {"J": 1594.0, "H": 1024.0, "K": 666.8}.items()
}

# The nearest body of the Minor Planet Center's that ZTF knows, if one is predicted within 30 arcsec (PGIR:
# 60); its distance is in whole arcseconds. What is near enough is for `pipeline.known.alerts` to judge.
_NEAREST_BODY = SmallBody(
    name=("candidate.ssnamenr",), distance=("candidate.ssdistnr",), mag=("candidate.ssmagnr",)
)

# Zwicky Transient Facility, schemas 1.x to 4.x. Times are the start of the exposure (all of 30 s but a few
# of the partnership's), magnitudes PSF fits, AB. `scorr` is the peak of the corrected score image, the same
# that our own snr is. The difference cutout of a negative alert is reference minus new ("refmsci").
ZTF = Survey(
    name="ztf",
    known_by=("candidate.rcid", "candidate.magpsf", "candidate.fid"),
    body="candidate",
    object_id=("objectId",),
    candid=("candid", "candidate.candid"),
    point=Point(
        jd=("jd",),
        is_start=True,
        exposure_s=("exptime",),
        band=("fid",),
        snr=("scorr",),
        mag=("magpsf",),
        mag_err=("sigmapsf",),
        negative=("isdiffpos",),
    ),
    x=("xpos",),
    y=("ypos",),
    first_pixel=1.0,
    frame={"": ("pdiffimfilename",)},
    bands={1: "g", 2: "r", 3: "i"},
    exposure_s=30.0,
    sentinels=(-999.0, -99999.0),
    scores=("rb", "drb"),
    features=(
        "chipsf", "classtar", "distnr", "distpsnr1", "elong", "fwhm", "magnr", "nbad", "ndethist", "nneg",
        "sgscore1", "ssdistnr", "ssmagnr", "sumrat",
    ),
    flags={"nbad": MaskPlane.BAD},
    history={
        "prv_candidates": Point(
            id=("candid",),
            exposure=("pid",),
            jd=("jd",),
            is_start=True,
            band=("fid",),
            mag=("magpsf",),
            mag_err=("sigmapsf",),
            negative=("isdiffpos",),
            limit_mag=("diffmaglim",),
        ),
        "fp_hists": Point(
            exposure=("pid",),
            jd=("jd",),
            is_start=True,
            exposure_s=("exptime",),
            band=("fid",),
            flux=("forcediffimflux",),
            flux_err=("forcediffimfluxunc",),
            zeropoint=("magzpsci",),
            is_forced=True,
        ),
    },
    small_body=_NEAREST_BODY,
    difference_follows_sign=True,
    seeing_arcsec=2.0,
    pixel_arcsec=PIXEL_ARCSEC["ztf"],
)  # fmt: skip

# Rubin Observatory, lsst.v4 to v10, as brokers pass it on. Fluxes are nanojansky; times are TAI, in the
# middle of the exposure. `isNegative` and the sign of the flux agree, and the difference is new minus
# reference for both. A detection that was taken for a body of the solar system has its `ssObjectId`, and is
# of no diaObject; `ephVmag` is 0 where it is not known.
_RUBIN_SOURCE = Point(
    id=("diaSourceId",),
    exposure=("visit", "detector", "ccdVisitId"),
    mjd_tai=("midpointMjdTai", "midPointTai"),
    band=("band", "filterName"),
    snr=("snr",),
    flux=("psfFlux", "psFlux"),
    flux_err=("psfFluxErr", "psFluxErr"),
    nanojansky=1.0,
    negative=("isNegative",),
    withdrawn=("timeWithdrawnMjdTai",),
)
_RUBIN_FORCED = Point(
    exposure=("diaForcedSourceId",),
    mjd_tai=("midpointMjdTai", "midPointTai"),
    band=("band", "filterName"),
    flux=("psfFlux", "psFlux"),
    flux_err=("psfFluxErr", "psFluxErr"),
    nanojansky=1.0,
    withdrawn=("timeWithdrawnMjdTai",),
    is_forced=True,
)
_RUBIN_LIMIT = Point(
    exposure=("visit", "detector", "ccdVisitId"),
    mjd_tai=("midpointMjdTai", "midPointTai"),
    band=("band", "filterName"),
    nanojansky=1.0,
    noise=("diaNoise",),
)
RUBIN = Survey(
    name="rubin",
    known_by=("diaSource.diaSourceId",),
    body="diaSource",
    object_id=("diaSource.diaObjectId", "diaObject.diaObjectId"),
    candid=("diaSourceId", "alertId", "diaSource.diaSourceId"),
    point=_RUBIN_SOURCE,
    dec=("dec", "decl"),
    position_errors=("raErr", "decErr"),
    x=("x",),
    y=("y",),
    first_pixel=0.0,
    frame={"visit": ("visit", "ccdVisitId"), "detector": ("detector",)},
    scores=("reliability",),
    features=("apFlux", "extendedness", "psfChi2", "scienceFlux", "templateFlux", "trailLength"),
    flags={
        "pixelFlags_bad": MaskPlane.BAD,
        "pixelFlags_saturated": MaskPlane.SATURATED,
        "pixelFlags_cr": MaskPlane.COSMIC_RAY,
        "pixelFlags_edge": MaskPlane.EDGE,
        "pixelFlags_interpolated": MaskPlane.INTERPOLATED,
        "pixelFlags_streak": MaskPlane.STREAK,
    },
    history={
        "prvDiaSources": _RUBIN_SOURCE,
        "prvDiaForcedSources": _RUBIN_FORCED,
        "diaForcedSources": _RUBIN_FORCED,
        "prvDiaNondetectionLimits": _RUBIN_LIMIT,
        "diaNondetectionLimits": _RUBIN_LIMIT,
    },
    small_body=SmallBody(
        identifier=("diaSource.ssObjectId", "ssSource.ssObjectId", "ssObject.ssObjectId"),
        name=("ssSource.designation",),
        distance=("ssSource.ephOffset",),
        mag=("ssSource.ephVmag",),
    ),
    seeing_arcsec=1.0,
    pixel_arcsec=PIXEL_ARCSEC["rubin"],
)

# ATLAS. Times are the middle of the exposure (the cutouts' MJD-OBS is 15 s earlier). Fluxes are microjansky
# and have their sign, as the magnitudes have. The schema says that `isdiffpos` is "t" where new minus
# reference is positive, but in real packets it is the other way round, against flux, magnitude and pixels
# alike: the flux is believed. There is no cutout of the reference.
ATLAS = Survey(
    name="atlas",
    known_by=("candidate.Dflux", "candidate.ChiN"),
    body="candidate",
    object_id=("objectId",),
    candid=("candid", "candidate.candid"),
    point=Point(
        mjd=("mjd",), band=("filter",), flux=("flux",), flux_err=("Dflux",), nanojansky=1000.0
    ),
    ra=("RA",),
    dec=("Dec",),
    x=("X",),
    y=("Y",),
    first_pixel=0.5,
    frame={"exposure": ("pid",)},
    scores=("rb",),
    features=("ChiN", "Det", "Major", "Minor", "Pbn", "Pcr", "Pkn", "Pmv", "Pno", "Psc", "Ptr", "Pvr", "Pxt"),
    seeing_arcsec=4.0,
    pixel_arcsec=PIXEL_ARCSEC["atlas"],
)  # fmt: skip

# WINTER, as mirar writes it: calibrated to 2MASS in AB magnitudes. Times are the start of the exposure. The
# schema of older packets counts bands from 0, but mirar never did (`winter_filters_map`: Y 1, J 2, Hs 3, dark
# 4), nor do its later schema and Kowalski.
WINTER = Survey(
    name="winter",
    known_by=("cutout_science", "candidate.magpsf", "candidate.fid"),
    body="candidate",
    object_id=("objectid", "objectId"),
    candid=("candid", "candidate.candid"),
    point=Point(
        jd=("jd",),
        is_start=True,
        exposure_s=("exptime",),
        band=("fid",),
        snr=("scorr",),
        mag=("magpsf",),
        mag_err=("sigmapsf",),
        negative=("isdiffpos",),
    ),
    bands={1: "Y", 2: "J", 3: "H"},
    sentinels=(-999.0, -99999.0),
    scores=("rb",),
    features=(
        "chipsf", "distnr", "distpsnr1", "elong", "fwhm", "magnr", "nbad", "ndethist", "nneg", "sgscore1",
        "ssdistnr", "ssmagnr", "sumrat",
    ),
    flags={"nbad": MaskPlane.BAD},
    history={
        "prv_candidates": Point(
            id=("candid",),
            jd=("jd",),
            is_start=True,
            band=("fid",),
            mag=("magpsf",),
            mag_err=("sigmapsf",),
            negative=("isdiffpos",),
            limit_mag=("diffmaglim",),
        )
    },
    small_body=_NEAREST_BODY,
    new=("cutout_science",),
    reference=("cutout_template",),
    difference=("cutout_difference",),
    seeing_arcsec=3.0,
)  # fmt: skip

# Palomar Gattini-IR: one band, J, calibrated to 2MASS in its own (Vega's) magnitudes. Times are the start
# of the first of several dithered exposures, whose time on the sky is `exptime`.
PGIR = Survey(
    name="pgir",
    known_by=("candidate.stackquadid", "candidate.magpsf"),
    body="candidate",
    object_id=("objectId",),
    candid=("candid", "candidate.candid"),
    point=Point(
        jd=("jd",),
        is_start=True,
        exposure_s=("exptime",),
        snr=("scorr",),
        mag=("magpsf",),
        mag_err=("sigmapsf",),
        negative=("isdiffpos",),
    ),
    frame={"": ("pdiffimfilename",)},
    bands={"": "J"},
    ab_offsets=TWO_MASS_TO_AB,
    sentinels=(-99.0, -999.0, -99999.0),
    scores=("drb",),
    features=(
        "chipsf", "distnearbrstar", "elong", "fwhm", "isstar", "magnearbrstar", "ndethist", "nneg",
        "ssdistnr", "ssmagnr", "sumrat", "tmdist1", "tmmag1",
    ),
    history={
        "prv_candidates": Point(
            id=("candid",),
            exposure=("subid",),
            jd=("jd",),
            is_start=True,
            mag=("magpsf",),
            mag_err=("sigmapsf",),
            negative=("isdiffpos",),
            limit_mag=("diffmaglim",),
        )
    },
    small_body=_NEAREST_BODY,
    seeing_arcsec=9.0,
)  # fmt: skip

# DECam, as DESIRT writes it: forced fluxes in nanojansky. Nothing says that the time is not the middle.
_DECAM_POINT = Point(
    mjd=("mjd",),
    band=("band",),
    flux=("psfFlux",),
    flux_err=("psfFluxErr",),
    nanojansky=1.0,
    negative=("isdiffpos",),
)
DECAM = Survey(
    name="decam",
    known_by=("candidate.forcediffimflux", "candidate.psfFlux"),
    body="candidate",
    object_id=("objectId",),
    candid=("candid", "candidate.candid"),
    point=_DECAM_POINT,
    sentinels=(-999.0, -99999.0),
    scores=("reliability",),
    features=("diffmaglim",),
    history={
        "fp_hists": Point(
            mjd=("mjd",),
            band=("band",),
            flux=("psfFlux",),
            flux_err=("psfFluxErr",),
            nanojansky=1.0,
            is_forced=True,
        )
    },
    seeing_arcsec=1.2,
    pixel_arcsec=PIXEL_ARCSEC["decam"],
)

SURVEYS = (ZTF, RUBIN, ATLAS, WINTER, PGIR, DECAM)
FWHM_PX = {each.name: each.fwhm_px for each in SURVEYS}
