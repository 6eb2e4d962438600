"""What is known at the places of the candidates of one frame, before its commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.frames.outcome import CandidateFacts
from core.surveys.sites import Site
from pipeline.frame import PreparedReference
from pipeline.known.match import Answer, KnownSky
from pipeline.known.reference_sources import answers as reference_answers
from pipeline.known.reference_sources import epoch_of


def with_known(
    candidates: Sequence[CandidateFacts],
    reference: PreparedReference,
    mjd: float | None,
    known: KnownSky,
) -> tuple[CandidateFacts, ...]:
    """Candidates of one frame with what is known at their places: one question for all of them.

    Parameters
    ----------
    candidates : sequence of CandidateFacts
    reference : PreparedReference
        On whose grid they are.
    mjd : float or None
        Of the frame, UTC.
    known : KnownSky
    """
    places = [(each.ra, each.dec, mjd) for each in candidates]
    frame = reference.frame
    x, y = (np.array([getattr(each, axis) for each in candidates], dtype=np.float64) for axis in ("x", "y"))
    nearest = reference_answers(
        x,
        y,
        reference.stars,
        reference.psf,
        scale_arcsec=frame.pixel_scale,
        within_arcsec=known.limits.reference_arcsec,
        zeropoint=reference.zeropoint,
        flux_scale=reference.flux_scale,
        epoch=epoch_of(frame),
        band=frame.exposure.filter,
    )
    told = zip(candidates, at_places(places, known), nearest, strict=True)
    return tuple(replace(one, known={**sky, "reference": image}) for one, sky, image in told)


def at_places(
    places: Sequence[tuple[float | None, float | None, float | None]],
    known: KnownSky,
    sites: Sequence[Site | None] | None = None,
) -> list[dict[str, Answer]]:
    """What is known at positions (ra, dec in degrees, mjd), some of which may not be known themselves.

    Parameters
    ----------
    sites : sequence of (float, float) or None, optional
        Where each was seen from, degrees north and east; our own frames' where it is not given.
    """
    nowhere: Answer = {"status": "unknown", "reason": "its position on the sky is not known"}
    found: list[dict[str, Answer]] = [dict.fromkeys(known.kinds, nowhere) for _ in places]
    which = [i for i, (ra, dec, _) in enumerate(places) if ra is not None and dec is not None]
    if which:
        table = np.array([places[i] for i in which], dtype=np.float64)
        ra, dec, mjd = table.T
        seen_from = None if sites is None else [sites[i] for i in which]
        for i, answer in zip(which, known.match(ra, dec, mjd, seen_from), strict=True):
            found[i] = answer
    return found
