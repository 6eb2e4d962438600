"""What a source in the new frame adds to a difference: both are linear in the frame's light.

With ``k`` the matched filter's part for the new image and ``F`` its norm, light ``n`` adds ``k * n / F`` to
the flux and, with the filter ``d`` of the difference image, ``d * n`` to the difference; its variance ``v``
adds ``k^2 * v / F^2`` to the variance of the flux (Zackay, Ofek & Gal-Yam 2016, eqs 13 and 25 to 29).
``k / F`` and ``d`` are kept here as stamps, one pair a tile, so that light can be sent through them later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.subtraction.filters import LEAST_KERNEL_PX, compact
from pipeline.subtraction.tiles import Tile, stamp_of

if TYPE_CHECKING:
    from pipeline.frame import Image
    from pipeline.subtraction.arrays import Arrays
    from pipeline.subtraction.field import Field
    from pipeline.subtraction.filters import Filters


@dataclass(frozen=True, slots=True)
class TileResponse:
    """The response of one tile to a unit of light in one pixel, reference electrons to the same.

    ``flux`` and ``data`` are (size, size) float32, that pixel in the middle; ``x, y`` is the middle of
    what the tile answers for.
    """

    x: float
    y: float
    flux: Image
    data: Image


@dataclass(frozen=True, slots=True)
class Response:
    """How a whole difference answers to light in the new frame.

    Attributes
    ----------
    tiles : tuple of TileResponse
    log_gain : Field
        Natural logarithm of new electrons per reference electron.
    flux_scale : float
        Reference electrons per unit of the difference.
    """

    tiles: tuple[TileResponse, ...]
    log_gain: Field
    flux_scale: float

    def nearest(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
        """The tile that answers for each place."""
        to_x = np.array([tile.x for tile in self.tiles]) - x[:, None]
        to_y = np.array([tile.y for tile in self.tiles]) - y[:, None]
        found: NDArray[np.int64] = np.argmin(np.hypot(to_x, to_y), axis=1)
        return found


def response_of(made: Filters, tile: Tile, reach: int, xp: Arrays) -> TileResponse:
    """The response of one tile.

    Parameters
    ----------
    made : Filters
    tile : Tile
    reach : int
        How far from a lit pixel the response matters.
    xp : Arrays
        Of the device that holds the filters.
    """
    x, y = tile.centre
    wide = max(LEAST_KERNEL_PX, 2 * reach + 1)
    flux = compact(made.match, tile.shape, xp, by=made.of_new, least=wide)
    data = compact(made.of_new, tile.shape, xp, by=made.whiten, least=wide)
    return TileResponse(
        x=x,
        y=y,
        flux=_stamp(xp.host(flux), reach) / np.float32(made.flux_norm),
        data=_stamp(xp.host(data), reach),
    )


def _stamp(image: Image, reach: int) -> Image:
    """The middle of a kernel that is wrapped around index 0, 0."""
    return stamp_of(image, 2 * min(reach, (min(image.shape) - 1) // 2) + 1)
