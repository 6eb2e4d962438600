"""Cutouts of surveys as the models take them: where a survey's pixels hardly resolve a star, enlarged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.review.cutouts import Cutouts
from pipeline.classify.triplets import Triplets, enlarged, enlargement, of_cutouts
from pipeline.surveys.tables import FWHM_PX


def of_sources(cutouts: Sequence[Cutouts], sources: Sequence[str]) -> Triplets:
    """Triplets of cutouts of whatever sizes and sources.

    Parameters
    ----------
    cutouts : sequence of Cutouts
    sources : sequence of str
        The survey of each; any other word for AstrID's own frames, which stay as they are.
    """
    factors = [enlargement(FWHM_PX.get(source)) for source in sources]
    return enlarged(of_cutouts(cutouts), np.array(factors, dtype=np.float64))
