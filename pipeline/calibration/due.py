"""Which calibration a frame still needs: what its header says was done must not be done again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.io.fits import Header

from core.header_words import STACKED, STEPS
from core.vocabulary import FrameKind
from pipeline.calibration.masters import FREE_OF_BIAS, Masters
from pipeline.files.cards import look_up
from pipeline.files.headers import data_unit
from pipeline.files.steps import told_steps
from pipeline.frame import Image

LEVEL = "RLEVEL"  # 0 is raw: Las Cumbres Observatory
PROCESSED = "PROCTYPE"  # raw, or what was made of it: NOIRLab
PRODUCT = "HIERARCH ESO PRO CATG"  # of what ESO's pipelines wrote, and of nothing raw
ALL = frozenset(STEPS)
SAMPLED = 4  # every so many rows and columns tell a level
LEAST_BIAS = 50.0  # data units: of one that is less, what is left of an overscan's level may be more


def due(masters: Masters, header: Header) -> Masters:
    """The masters without those whose work is done in a frame already, and a sentence that says so.

    Raises
    ------
    FrameRefused
        The unit of the frame is not one of light per pixel.
    """
    done = done_by(header)
    if masters.dark_holds_bias and FrameKind.BIAS in done:
        done |= {FrameKind.DARK}
    parts = {FrameKind.BIAS: masters.bias, FrameKind.DARK: masters.dark, FrameKind.FLAT: masters.flat}
    again = [kind.value for kind, part in parts.items() if part is not None and kind in done]
    if done == ALL and not masters.content:  # nothing was made
        return Masters()  # and nothing is needed
    if not again:
        return masters
    note = f"its header says that it is reduced: no {' and no '.join(again)} of yours is applied again"
    if all(part is None or kind in done for kind, part in parts.items()):
        return Masters(content=masters.content, notes=(note,))
    bias, dark, flat = (None if kind in done else part for kind, part in parts.items())
    return replace(masters, bias=bias, dark=dark, flat=flat, notes=(*masters.notes, note))


def unless_below(masters: Masters, data: Image, seconds: float) -> Masters:
    """The masters without a bias that is no longer in a frame, although its header does not say so.

    Parameters
    ----------
    masters : Masters
        Those that are due.
    data : (height, width) float32
        The frame without its overscan, as its file or the overscan's level left it.
    seconds : float
        How long it was exposed.
    """
    holds = masters.dark_holds_bias and masters.dark is not None
    part = masters.dark if holds else masters.bias
    if part is None:
        return masters
    level = float(np.median(part[::SAMPLED, ::SAMPLED])) * (seconds if holds else 1.0)
    some = data[::SAMPLED, ::SAMPLED]
    some = some[some != 0.0]  # such as no value was written to
    if some.size == 0:
        return masters
    median = float(np.median(some))
    if level <= LEAST_BIAS or median >= FREE_OF_BIAS * level:
        return masters
    kinds = "darks" if holds else "biases"
    note = (
        f"its level, {median:.4g}, is far below that of its {kinds}, {level:.4g}, which were taken out of it "
        "before, it seems, and are not taken out again"
    )
    return replace(masters, bias=None, dark=None if holds else masters.dark, notes=(*masters.notes, note))


def done_by(header: Header) -> frozenset[FrameKind]:
    """The steps that a header says were done; all where what is stored are no single camera's counts."""
    unit = data_unit(header)
    if unit.kind != "counts" or unit.per_second:
        return ALL
    if any(_number(header, keyword) > 1.0 for keyword in STACKED) or _number(header, LEVEL) > 0.0:
        return ALL
    if look_up(header, (PRODUCT,)) or str(look_up(header, (PROCESSED,)) or "raw").lower() != "raw":
        return ALL
    return told_steps(header)


def _number(header: Header, keyword: str) -> float:
    """What a header counts; 0 where it does not."""
    value = look_up(header, (keyword,))
    return float(value) if isinstance(value, int | float) else 0.0
