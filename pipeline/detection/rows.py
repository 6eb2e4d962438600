"""Sources of one frame that lie in a row: the flashes of an airplane's lamp or of a tumbling satellite.

Each looks like a star that is new. What gives them away is that there are several on one straight line, more
than chance puts on any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from core.frames.outcome import CandidateFacts
from core.line_words import ROW_ANGLE, ROW_COUNT, ROW_LENGTH, line_of
from pipeline.frame import Difference

FEWEST = 5
MOST = 200  # sources among which rows are looked for: where more are new, the frame shows something else
BY_CHANCE = 1e-3  # rows in a frame, at most, that chance may be expected to make
ASIDE_FWHM, ASIDE_PX = 0.5, 0.5  # from the line, as far as a fit of a faint source may be off
LEAST_LENGTH_FWHM = 20.0  # shorter, and it is a clump
LARGEST_GAP = 0.5  # of the length, between neighbours
MORE = 1.2  # times the largest gap between members, at most, to the next
EVEN_ODDS = 0.5  # of the score: what is below is bogus, and residuals of one star lie in rows, too

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """Sources on one line.

    Attributes
    ----------
    members : tuple of int
        Which of the sources, from one end to the other.
    length : float
        Pixels from the first to the last.
    angle_deg : float
        Of the line, 0 along rows and 90 along columns, in [0, 180).
    """

    members: tuple[int, ...]
    length: float
    angle_deg: float


def rows_of(x: Array, y: Array, area: float, fwhm: float) -> list[Row]:
    """The rows among sources, none of which is in two of them.

    Parameters
    ----------
    x, y : (n,) float
        Pixels.
    area : float
        Of the frame that was searched, in square pixels.
    fwhm : float
        Of the PSF, in pixels.

    Returns
    -------
    list of Row
        The least likely first. Sources are taken to lie anywhere by chance: of all pairs of them, as the
        ends of a row, so many are expected to have so many others between them (Poisson).
    """
    if not FEWEST <= len(x) <= MOST:
        return []
    found: list[Row] = []
    left = np.arange(len(x))
    while len(left) >= FEWEST:
        row = _least_likely(x, y, left, area, fwhm)
        if row is None:
            break
        found.append(row)
        left = np.setdiff1d(left, row.members)
    return found


def _least_likely(x: Array, y: Array, left: NDArray[np.intp], area: float, fwhm: float) -> Row | None:
    aside = ASIDE_FWHM * fwhm + ASIDE_PX
    pairs = len(left) * (len(left) - 1) / 2.0
    least, best = BY_CHANCE, None
    for begin in range(len(left) - 1):
        dx, dy = x[left] - x[left[begin]], y[left] - y[left[begin]]
        length = np.hypot(dx, dy)[begin + 1 :, np.newaxis]
        ends = np.stack([dx, dy], axis=-1)[begin + 1 :] / np.maximum(length, 1.0)
        along, across = ends @ np.stack([dx, dy]), ends @ np.stack([dy, -dx])
        on = (np.abs(across) <= aside) & (along >= -aside) & (along <= length + aside)
        between = np.count_nonzero(on, axis=1) - 2
        expected = (len(left) - 2) * 2.0 * aside * length[:, 0] / area
        chance = pairs * gammainc(np.maximum(between, 1), expected)  # Poisson: of as many or more
        chance[(between < FEWEST - 2) | (length[:, 0] < LEAST_LENGTH_FWHM * fwhm)] = np.inf
        for end in np.argsort(chance):
            if not chance[end] < least:
                break
            members = np.flatnonzero(on[end])
            members = members[np.argsort(along[end][members])]
            gap = max(b - a for a, b in pairwise(along[end][members]))
            if gap <= LARGEST_GAP * length[end, 0]:
                on_line = np.flatnonzero(np.abs(across[end]) <= aside)
                best = _row(x, y, left[_longer(members, on_line, along[end], gap)])
                least = float(chance[end])
                break
    return best


def _longer(
    members: NDArray[np.intp], on_line: NDArray[np.intp], along: Array, gap: float
) -> NDArray[np.intp]:
    """With what follows on the line at either end, after no larger a gap than between members.

    Of a row without its ends it is the less likely that chance put so many on so short a line.
    """
    order = on_line[np.argsort(along[on_line])]
    first, last = (int(np.flatnonzero(order == members[end])[0]) for end in (0, -1))
    while first > 0 and along[order[first]] - along[order[first - 1]] <= MORE * gap:
        first -= 1
    while last + 1 < len(order) and along[order[last + 1]] - along[order[last]] <= MORE * gap:
        last += 1
    return order[first : last + 1]


def _row(x: Array, y: Array, members: NDArray[np.intp]) -> Row:
    dx, dy = (float(each[members[-1]] - each[members[0]]) for each in (x, y))
    angle = math.degrees(math.atan2(dy, dx)) % 180.0
    return Row(tuple(int(each) for each in members), math.hypot(dx, dy), angle)


def with_rows(
    candidates: tuple[CandidateFacts, ...], difference: Difference
) -> tuple[tuple[CandidateFacts, ...], tuple[str, ...]]:
    """Candidates that know of the row they are in, and a sentence of each row.

    Those are looked at that became brighter, are no streak and were not scored as bogus.
    """
    some = [i for i, each in enumerate(candidates) if _may_flash(each)]
    x, y = (np.array([getattr(candidates[i], axis) for i in some]) for axis in ("x", "y"))
    area = float(np.count_nonzero(difference.mask == 0))
    made = list(candidates)
    said = []
    for row in rows_of(x, y, area, max(difference.psf.fwhm, 1.5)):
        of_row = {ROW_COUNT: float(len(row.members)), ROW_LENGTH: row.length, ROW_ANGLE: row.angle_deg}
        for each in row.members:
            made[some[each]] = replace(made[some[each]], features={**made[some[each]].features, **of_row})
        begin, end = (made[some[row.members[i]]] for i in (0, -1))
        said.append(
            f"{len(row.members)} sources lie in a row, from pixel {begin.x:.0f}, {begin.y:.0f} of the"
            f" reference to {end.x:.0f}, {end.y:.0f}: an airplane's or a satellite's flashes?"
        )
    return tuple(made), tuple(said)


def _may_flash(candidate: CandidateFacts) -> bool:
    may_be_real = candidate.score is None or not candidate.scores or candidate.score >= EVEN_ODDS
    return candidate.snr > 0 and may_be_real and line_of(candidate.features) is None
