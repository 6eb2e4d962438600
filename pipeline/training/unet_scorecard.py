"""What a U-Net is worth, on fields that neither its weights nor its thresholds were chosen by.

Its candidates are those of the pipeline: peaks of the score and what the network sees besides, ranked by
the network's log-odds. Told is which changes are missed at a budget of false alarms, by kind, by
significance and by host, how many false alarms it makes at its own thresholds, and which pixels of each
class it finds; intervals are by bootstrap over fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.unet import CLASSES, STRIDE_PX, UNet
from pipeline.classify.unet_input import Planes, frame_input
from pipeline.detection.detect import detect
from pipeline.detection.joined import join, opinion
from pipeline.frame import Detection, FrameRefused
from pipeline.training import resample
from pipeline.training.events import Event
from pipeline.training.fields import FAINTEST, UNTOLD, TrainingField, from_line, nature
from pipeline.training.unet_choice import FRAME_PX, along_a_trail

Array = NDArray[np.float64]

BUDGETS = (6.4, 2.0)  # false alarms per `FRAME_PX`
SNR_BINS = ((4.0, 6.0), (6.0, 10.0), (10.0, 20.0), (20.0, np.inf))
NOWHERE = -np.inf  # the log-odds of what is no candidate
ROUNDS = 200


@dataclass(frozen=True, slots=True)
class JudgedField:
    """One field: its changes, its false candidates, its pixels.

    Attributes
    ----------
    events : tuple of Event
        Those at unmasked places that are not too faint to tell, and all streaks.
    log_odds : (n,) float64
        Of the best candidate at each event; `NOWHERE` where there is none.
    false : (m,) float64
        Log-odds of candidates that are no change.
    pixels : int
        Unmasked.
    confusion : (classes, classes) int64
        Pixels by the true class and by the one that the network says.
    """

    events: tuple[Event, ...]
    log_odds: Array
    false: Array
    pixels: int
    confusion: NDArray[np.int64]


def judge(network: UNet, fields: Iterable[TrainingField]) -> list[JudgedField]:
    """Look for the changes of some fields; what detection refuses is left out."""
    found = []
    for made in fields:
        try:
            found.append(judged_field(network, made))
        except FrameRefused:
            continue
    return found


def judged_field(network: UNet, made: TrainingField) -> JudgedField:
    """Look for the changes of one field, at the network's own thresholds.

    Raises
    ------
    FrameRefused
        Nothing can be detected in it.
    """
    difference = made.difference
    peaks, dropped = detect(difference, made.new, made.reference, made.settings)
    planes = frame_input(difference, made.new, made.reference)
    maps = network.log_odds(planes)
    candidates = join(
        peaks, dropped, maps, network, difference, made.new, made.reference, made.settings
    ).detections
    x, y = (np.array([getattr(each, axis) for each in candidates]) for axis in "xy")
    odds = opinion(maps, x, y, max(difference.psf.fwhm, 1.5)) if candidates else np.zeros(0)
    shown = [each for each in made.events if _is_shown(made, each)]
    best = np.full(len(shown), NOWHERE)
    false = []
    for candidate, odd in zip(candidates, odds.tolist(), strict=True):
        events = [place for place, event in enumerate(shown) if _is_of(made, candidate, event)]
        for place in events:
            best[place] = max(best[place], odd)
        if not events and nature(made, candidate.x, candidate.y)[1] is None:
            false.append(odd)  # one at an event that is masked, or has the other sign, is neither
    return JudgedField(
        tuple(shown),
        best,
        np.array(false, dtype=np.float64),
        int(np.count_nonzero(difference.mask == 0)),
        _confusion(network, planes, made.classes),
    )


def summary(fields: list[JudgedField]) -> dict[str, Any]:
    """The scorecard, as it is kept with a version and as the screens show it.

    Returns
    -------
    dict
        ``title`` and ``strata`` of what is missed at the first of `BUDGETS`; ``tables`` with further ones,
        each a title and rows of ``name, n, value, low, high``; ``completeness`` by significance.
    """
    weights = resample.draws(np.arange(len(fields)), ROUNDS, 0)
    rows = {budget: _missed(fields, weights, budget) for budget in BUDGETS}
    strata = rows[BUDGETS[0]]
    found = [
        (low, 1.0 - row["value"])
        for (low, high), row in zip(SNR_BINS, strata[1 : 1 + len(SNR_BINS)], strict=True)
        if row["value"] is not None
    ]
    return {
        "title": _title(BUDGETS[0]),
        "fields": len(fields),
        "megapixels": sum(each.pixels for each in fields) / 1e6,
        "strata": strata,
        "tables": [
            *({"title": _title(budget), "rows": rows[budget]} for budget in BUDGETS[1:]),
            {
                "title": "False alarms per 2048 x 2048 pixels, where the network's log-odds favour a change",
                "rows": [_row("all candidates", *_false(fields, weights))],
            },
            {"title": "Pixels of each class that are found", "rows": _pixels(fields, weights, axis=1)},
            {"title": "Pixels said to be of each class that are", "rows": _pixels(fields, weights, axis=0)},
        ],
        "completeness": {"snr": [snr for snr, _ in found], "found": [share for _, share in found]},
    }


def _title(budget: float) -> str:
    return f"Missed at {budget:g} false alarms per 2048 x 2048 pixels"


def _strata(event: Event) -> list[str]:
    """The names of the strata that an event belongs to; they are listed in `_names`."""
    named = ["all"]
    if not event.is_streak:
        snr = abs(event.snr)
        named += [_bin(low, high) for low, high in SNR_BINS if low <= snr < high]
        named.append(f"host {event.host}")
    return [*named, f"kind {event.kind}"]


def _bin(low: float, high: float) -> str:
    return f"SNR {low:g} to {high:g}" if np.isfinite(high) else f"SNR over {low:g}"


def _names(fields: list[JudgedField]) -> list[str]:
    rest = sorted({name for each in fields for event in each.events for name in _strata(event)})
    first = ["all", *(_bin(*each) for each in SNR_BINS)]
    return [*first, *(name for name in rest if name not in first)]


def _missed(fields: list[JudgedField], weights: Array, budget: float) -> list[dict[str, Any]]:
    false = np.concatenate([np.empty(0), *(each.false for each in fields)])
    of_false = np.repeat(np.arange(len(fields)), [len(each.false) for each in fields])
    order = np.argsort(-false, kind="stable")
    false, of_false = false[order], of_false[order]
    pixels = np.array([each.pixels for each in fields], dtype=np.float64)
    odds = np.concatenate([np.empty(0), *(each.log_odds for each in fields)])
    of_event = np.repeat(np.arange(len(fields)), [len(each.events) for each in fields])
    strata = [set(_strata(event)) for each in fields for event in each.events]

    def missed(member: NDArray[np.bool_]) -> resample.Measure:
        def measure(weight: Array) -> float:
            allowed = budget * float(weight @ pixels) / FRAME_PX
            beyond = np.searchsorted(np.cumsum(weight[of_false]), allowed, "right")
            threshold = false[beyond] if beyond < len(false) else NOWHERE
            counted = weight[of_event] * member
            total = float(counted.sum())
            return float(counted[odds <= threshold].sum()) / total if total > 0 else float("nan")

        return measure

    rows = []
    for name in _names(fields):
        member = np.array([name in each for each in strata], dtype=bool)
        groups = resample.count(of_event, member)
        told = resample.estimate(missed(member), weights, int(member.sum()), what="changes", groups=groups)
        rows.append(_row(name, told, told.n))
    return rows


def _false(fields: list[JudgedField], weights: Array) -> tuple[resample.Estimate, int]:
    counts = np.array([np.count_nonzero(each.false > 0) for each in fields], dtype=np.float64)
    pixels = np.array([each.pixels for each in fields], dtype=np.float64)

    def rate(weight: Array) -> float:
        seen = float(weight @ pixels)
        return float(weight @ counts) * FRAME_PX / seen if seen > 0 else float("nan")

    found = resample.estimate(
        rate, weights, len(fields), least=1, what="fields", groups=len(fields), is_share=False
    )
    return found, int(counts.sum())


def _pixels(fields: list[JudgedField], weights: Array, axis: int) -> list[dict[str, Any]]:
    """The share on the diagonal, of true pixels (axis 1) or of those said (axis 0), by class."""
    tables = np.array([each.confusion for each in fields], dtype=np.float64)
    tables = tables.reshape(-1, len(CLASSES), len(CLASSES))
    rows = []
    for place, name in enumerate(CLASSES):
        right, of = tables[:, place, place], tables.sum(axis=1 + axis)[:, place]

        def share(weight: Array, right: Array = right, of: Array = of) -> float:
            return float(weight @ right / (weight @ of)) if float(weight @ of) > 0 else float("nan")

        groups = int(np.count_nonzero(of))
        rows.append(
            _row(name, resample.estimate(share, weights, int(of.sum()), groups=groups), int(of.sum()))
        )
    return rows


def _row(name: str, told: resample.Estimate, n: int) -> dict[str, Any]:
    return {"name": name, "n": n, "value": told.value, "low": told.low, "high": told.high}


def _confusion(network: UNet, planes: Planes, classes: NDArray[np.uint8]) -> NDArray[np.int64]:
    height, width = (length // STRIDE_PX * STRIDE_PX for length in classes.shape)
    classes = classes[:height, :width]
    said = np.argmax(network.logits(planes[:, :height, :width]), axis=0)
    told = classes != UNTOLD
    pairs = classes[told].astype(np.int64) * len(CLASSES) + said[told]
    return np.bincount(pairs, minlength=len(CLASSES) ** 2).reshape(len(CLASSES), len(CLASSES))


def _is_shown(made: TrainingField, event: Event) -> bool:
    height, width = made.difference.mask.shape
    row, column = round(event.y), round(event.x)
    inside = 0 <= row < height and 0 <= column < width
    is_seen = bool(inside and made.difference.mask[row, column] == 0)
    return inside if event.is_streak else is_seen and abs(event.snr) >= FAINTEST


def _is_of(made: TrainingField, candidate: Detection, event: Event) -> bool:
    """Whether a candidate is an event: near it, and of its sign."""
    fwhm = max(made.difference.psf.fwhm, 2.0)
    if event.is_streak:
        is_along = "streak_length" in candidate.features and along_a_trail(made, candidate, [event])
        return is_along or from_line(event, candidate.x, candidate.y) < 1.2 * fwhm
    near = from_line(event, candidate.x, candidate.y) < max(1.0, 0.7 * fwhm)
    return near and event.snr * candidate.snr > 0
