"""Which calibration a frame still needs: what its header says was done must not be done again."""

from __future__ import annotations

from dataclasses import replace

from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.calibration.masters import Masters
from pipeline.calibration.steps import STEPS, told_steps
from pipeline.files.cards import look_up
from pipeline.files.headers import data_unit
from pipeline.files.readout import STACKED

LEVEL = "RLEVEL"  # 0 is raw: Las Cumbres Observatory
PROCESSED = "PROCTYPE"  # raw, or what was made of it: NOIRLab
PRODUCT = "HIERARCH ESO PRO CATG"  # of what ESO's pipelines wrote, and of nothing raw
ALL = frozenset(STEPS)


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
