"""A frame as the U-Net takes it: new, reference, difference and score, in sigma of the whole frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Aligned, Difference, Image, PreparedReference
from pipeline.quantile import MAD_TO_SIGMA

Planes = NDArray[np.float32]  # (CHANNELS, height, width)

CHANNELS = 5  # new, reference, difference, score, and 1 where a pixel is masked
SOFTENING = 3.0  # sigma up to which values count in proportion, beyond it their logarithm
SAMPLE = 2**17  # pixels tell a median to a part in two hundred


def frame_input(difference: Difference, new: Aligned, reference: PreparedReference) -> Planes:
    """The input of a whole frame; what is cut from it is the input of a tile.

    Returns
    -------
    (5, height, width) float32
        ``arcsinh(value / (SOFTENING sigma))`` of new, reference and difference above their sky, sigma
        being that of the whole frame's sky, and of the score as it is; then the mask. All are 0 where
        the difference is masked, but the mask.
    """
    masked = difference.mask != 0
    planes = np.empty((CHANNELS, *masked.shape), dtype=np.float32)
    planes[0] = new.frame.signal
    planes[1] = reference.frame.signal
    planes[2], planes[3] = difference.data, difference.score
    for plane in planes[:3]:
        _scale(plane, masked)
    planes[3] /= np.float32(SOFTENING)
    np.arcsinh(planes[3], out=planes[3])
    planes[:4, masked] = 0.0
    planes[4] = masked
    return planes


def _scale(image: Image, masked: NDArray[np.bool_]) -> None:
    """Soften values, in place, in units of the robust sigma of what is not masked."""
    step = max(1, int(np.sqrt(image.size / SAMPLE)))
    seen = image[::step, ::step][~masked[::step, ::step]]
    if seen.size == 0:
        image[:] = 0.0
        return
    middle = np.median(seen)
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(seen - middle)))
    sigma = sigma or float(np.std(seen)) or 1.0
    image -= middle
    image /= np.float32(SOFTENING * sigma)
    np.arcsinh(image, out=image)
