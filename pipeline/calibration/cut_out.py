"""Calibration frames of the whole chip for a frame of a part of it: that part is cut out of them.

Whoever reads out a window to save time seldom takes biases, darks and flats of just that window.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.calibration.overscan import trim
from pipeline.calibration.scaled import SCALED, ScaledPart, is_scaled
from pipeline.files.readout import WINDOW
from pipeline.frame import Exposure, FrameRefused, RawFrame

if TYPE_CHECKING:
    from pipeline.calibration.choice import Calibrator

# Of the ways to tell a window this alone counts pixels as they were read; a CCDSEC may be mirrored too.
ORIGIN = f"{WINDOW} x", f"{WINDOW} y"
FLIPS = "flips"


def cut_out(calibrator: Calibrator, exposure: Exposure, shape: tuple[int, int]) -> Calibrator | None:
    """A calibration frame's part that a smaller frame was read from.

    Parameters
    ----------
    calibrator : Calibrator
    exposure : Exposure
        That of the frame.
    shape : (int, int)
        The frame's height and width.

    Returns
    -------
    Calibrator or None
        None where a header does not tell where on the chip it begins, or the one does not hold the other.
    """
    whole, part = dict(calibrator.exposure.readout), dict(exposure.readout)
    steps = [_step(whole.get(name), part.get(name)) for name in ORIGIN]
    x, y = (-1 if step is None or step % 1 else int(step) for step in steps)
    height, width = shape
    if FLIPS in whole or FLIPS in part:  # and the window is counted from before that
        return None
    if min(x, y) < 0 or y + height > calibrator.shape[0] or x + width > calibrator.shape[1]:
        return None
    readout = tuple(
        (name, part[name] if name in ORIGIN else value) for name, value in calibrator.exposure.readout
    )
    return replace(
        calibrator,
        exposure=replace(calibrator.exposure, readout=readout),
        shape=shape,
        content=f"{calibrator.content} from {x}, {y} on, {width} x {height}",
        read=partial(_read, calibrator, x, y, shape),
        is_part=True,
    )


def _step(whole: float | str | None, part: float | str | None) -> float | None:
    if isinstance(whole, str) or isinstance(part, str) or whole is None or part is None:
        return None
    return part - whole


def _read(calibrator: Calibrator, x: int, y: int, shape: tuple[int, int]) -> RawFrame:
    """The part, as a frame without overscan.

    Raises
    ------
    FrameRefused
        It cannot be read, is scaled, or its overscan is what it would hold the part by.
    """
    whole = calibrator.read()
    if is_scaled(whole):  # which the part alone cannot tell: its brightest pixel may lie elsewhere
        raise ScaledPart(SCALED)
    raw = trim(whole).raw
    part = np.s_[y : y + shape[0], x : x + shape[1]]
    if raw.data[part].shape != shape:
        height, width = raw.data.shape
        raise FrameRefused(
            f"without its overscan it is {width} x {height}, and holds no {shape[1]} x {shape[0]} pixels "
            f"from {x}, {y} on"
        )
    data, mask = np.ascontiguousarray(raw.data[part]), np.ascontiguousarray(raw.mask[part])
    return replace(raw, data=data, mask=mask, wcs=None)
