"""Which pixels of a difference mean nothing."""

from __future__ import annotations

import numpy as np

from core.vocabulary import MaskPlane
from pipeline.frame import MaskImage
from pipeline.neighbourhood import convolved, grown, patches, places
from pipeline.stellar.profile import COARSE_FWHM

SATURATED_FWHM = 1.25  # around saturated pixels
# The same where pixels are coarse, in pixels: the aliases of a star whose core is lost stay in the frame.
COARSE_SATURATED_PX = 4
LOST_SHARE = 0.25  # of a PSF core under the mask: then nothing can be said of its centre


def combined_mask(mask: MaskImage, fwhm: float) -> MaskImage:
    """The mask of a difference: that of both images, and where too much of a PSF's core is under it.

    The edge of the data grows by a whole FWHM, for what lies beyond it is not known at all, and saturated
    stars by somewhat more, for what is left of their wings is no noise; a single bad pixel does not grow,
    for its neighbours lose little.
    """
    radius = max(1, round(fwhm / 2.0))
    bad = mask != 0
    width = 2 * radius + 1
    share = convolved(bad.astype(np.float32), np.full(width, 1.0 / width, dtype=np.float32))
    result = mask.copy()
    lost = places((share > np.float32(LOST_SHARE)) & ~bad)
    result[lost] = np.bitwise_or.reduce(patches(mask, *lost, width), axis=(1, 2))
    framed = np.pad((mask & np.uint16(MaskPlane.EDGE)) != 0, 1, constant_values=True)
    result[grown(framed, max(1, int(np.ceil(fwhm))))[1:-1, 1:-1]] |= np.uint16(MaskPlane.EDGE)
    clipped = (mask & np.uint16(MaskPlane.SATURATED)) != 0
    if clipped.any():
        around = COARSE_SATURATED_PX if fwhm < COARSE_FWHM else round(SATURATED_FWHM * fwhm)
        result[grown(clipped, around)] |= np.uint16(MaskPlane.SATURATED)
    return result
