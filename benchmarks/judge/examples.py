"""All fields as one set of examples, with what is needed to judge detection.

Columns, one row a candidate: ``new, ref, diff`` (n, 63, 63) float16 in sigma, ``label`` (1 real, 0 bogus),
``kind``, ``snr`` (measured, signed), ``snr_true``, ``mag``, ``group`` (one object of the sky), ``night``,
``field``, ``host``, ``host_offset``, ``near_bright``, ``filter``, ``instrument``, ``cut``, ``source``. One
row a truth: ``truth_snr, truth_sign, truth_host, truth_mag, truth_field, truth_findable`` and ``truth_row``,
the candidate that it became or -1. One row a frame: ``frame, frame_pixels, frame_sky``. One row a streak:
``streak_field, streak_snr, streak_length, streak_found, streak_evidence``; one row a line where there is no
streak: ``false_streak_field, false_streak_evidence``. ``unet`` is the U-Net's log-odds of a candidate.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge import judged_file, real_skies, skies
from benchmarks.judge.field import HOSTS, VERSION, Field, load, save
from benchmarks.judge.product import UNTOLD, Judged, host_names, judge
from pipeline.frame import FrameRefused

SIMULATED = 540
BESIDE_REAL = 180  # of the simulated fields: these hold half of all changes, where the other half
ROUNDS = {"saao": 15, "lt": 20}  # lies in the pixels of real frames, each pair with so many draws of them
SAME_PX = 2.5
NEAR_BRIGHT_STAR_PX = 9.0  # at which a repeated detection is a residual of that star
INSTRUMENTS = {"simulated": "simulated", "saao": "SAAO 1.0m STE3", "lt": "LT RISE"}


@dataclass(frozen=True)
class Part:
    """A field and what the product made of it."""

    field: Field
    judged: Judged


def names(images: Path | None, simulated: int, first: int = 0) -> list[str]:
    """The names of all fields; of real ones only where their frames are."""
    found = [f"simulated-{seed:03d}" for seed in range(first, first + simulated)]
    if images is not None:
        found += [
            f"{sky}-{number:02d}-{round_}"
            for sky, number in real_skies.SKIES
            for round_ in range(ROUNDS[sky])
        ]
    return found


def draw(name: str, images: Path | None) -> Field:
    """The field of a name."""
    sky, number, *round_ = name.split("-")
    if sky == "simulated":
        return skies.field_of(int(number))
    assert images is not None
    return real_skies.field_of(images, sky, int(number), int(round_[0]))


def drawn(name: str, images: Path | None, work: Path) -> Field:
    """A field, from the folder of those that were drawn before or anew."""
    path = work / "fields" / f"{name}-v{VERSION}.npz"
    if not path.exists():
        save(path, draw(name, images))
    return load(path)


def judged(
    images: Path | None,
    work: Path,
    simulated: int,
    tell: Callable[[str], None],
    first: int = 0,
    processes: int = 1,
) -> list[Part]:
    """Every field and what the product made of it; those that the product refuses are told of."""
    parts = []
    every = names(images, simulated, first)
    one = partial(_part, images=images, work=work)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for name, found in zip(every, pool.map(one, every), strict=True):
            if isinstance(found, str):
                tell(f"{name}: refused: {found}")
                continue
            tell(f"{name}: {len(found.judged.snr)} candidates")
            parts.append(found)
    return parts


def _part(name: str, images: Path | None, work: Path) -> Part | str:
    """A field and what the product made of it, or why it refuses; as kept where it made it before."""
    field = drawn(name, images, work)
    path = work / "judged" / f"{name}-v{VERSION}-{judged_file.product_digest()}.npz"
    found = judged_file.load(path)
    if found is None:
        try:
            found = judge(field, images)
        except FrameRefused as refusal:
            found = str(refusal)
        judged_file.save(path, found)
    return found if isinstance(found, str) else Part(field, found)


def beside_real(field: NDArray[np.str_], frames: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which rows count where real frames do: all but those of simulated fields beyond `BESIDE_REAL`.

    Parameters
    ----------
    field : (n,) str
        Of each row.
    frames : (m,) str
        All fields; where none of them is real, all rows count.
    """
    simulated = np.char.startswith(frames, "simulated-")
    if simulated.all() or not simulated.any():
        return np.ones(len(field), bool)
    seed = np.array([int(name.split("-")[1]) for name in frames[simulated].tolist()])
    kept = frames[simulated][seed < seed.min() + BESIDE_REAL]
    found: NDArray[np.bool_] = np.isin(field, np.concatenate([kept, frames[~simulated]]))
    return found


def assemble(parts: list[Part]) -> dict[str, NDArray[Any]]:
    """One set of all. Second detections of a change, and what nobody knows the truth of, are left out."""
    untold = _untold(parts)
    rows: dict[str, list[NDArray[Any]]] = {}
    truths: dict[str, list[NDArray[Any]]] = {}
    first = 0
    for part, unknown in zip(parts, untold, strict=True):
        found = part.judged
        real = found.match >= 0
        keep = real | ~(unknown | (found.kind == "beside") | (found.kind == UNTOLD))
        columns = _columns(part, keep)
        for name, column in columns.items():
            rows.setdefault(name, []).append(column)
        row = np.full(len(found.match), -1)
        row[keep] = first + np.arange(np.count_nonzero(keep))
        first += int(np.count_nonzero(keep))
        for name, column in _truths(part, row).items():
            truths.setdefault(name, []).append(column)
    frames = {
        "frame": np.array([part.field.name for part in parts]),
        "frame_pixels": np.array([part.judged.pixels for part in parts]),
        "frame_sky": np.array([part.field.sky for part in parts]),
        "frame_night": np.array([part.field.night for part in parts]),
        "frame_false_streaks": np.array([part.judged.false_streaks for part in parts]),
        "frame_free_patches": np.array([part.judged.free_patches for part in parts]),
    }
    streaks = [(part.field.name, *each, ok) for part in parts for each, ok in
               zip(part.field.streaks, part.judged.streak_found, strict=True)]  # fmt: skip
    wrong = [part.judged.false_evidence for part in parts]
    return {
        **{name: np.concatenate(each) for name, each in {**rows, **truths}.items()},
        **frames,
        "streak_field": np.array([each[0] for each in streaks], dtype="U32"),
        "streak_snr": np.array([each[6] for each in streaks], dtype=float),
        "streak_length": np.array(
            [np.hypot(each[3] - each[1], each[4] - each[2]) for each in streaks], dtype=float
        ),
        "streak_found": np.array([each[7] for each in streaks], dtype=bool),
        "streak_evidence": np.concatenate([part.judged.streak_evidence for part in parts]),
        "false_streak_field": np.repeat(frames["frame"], [len(each) for each in wrong]),
        "false_streak_evidence": np.concatenate(wrong),
    }


def write(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    """Keep an example set, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as out:
        np.savez_compressed(out, **columns)
    part.replace(path)


def _columns(part: Part, keep: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    field, found = part.field, part.judged
    which = np.flatnonzero(keep)
    match = found.match[which]
    real = match >= 0
    planes = found.triplets[which]
    count = len(which)
    true = np.full(count, np.nan)
    true[real] = field.injected.snr[match[real]]
    group = np.array(
        [
            f"{field.name}/change {match[i]}"
            if real[i]
            else f"{field.night}/{found.x_new[k]:.0f} {found.y_new[k]:.0f}"
            for i, k in enumerate(which)
        ],
        dtype="U48",
    )
    return {
        **{
            name: np.clip(plane, -6e4, 6e4).astype(np.float16)
            for name, plane in zip(("new", "ref", "diff"), planes.planes, strict=True)
        },
        "label": real.astype(np.int8),
        "kind": found.kind[which],
        "snr": found.snr[which],
        "snr_true": true,
        "mag": found.mag[which],
        "unet": found.unet[which],
        "group": group,
        "night": np.full(count, field.night, dtype="U32"),
        "field": np.full(count, field.name, dtype="U32"),
        "host": host_names(field, found)[which],
        "host_offset": found.host_offset[which],
        "near_bright": found.near_bright[which],
        "filter": np.full(count, "r" if field.sky == "simulated" else "", dtype="U8"),
        "instrument": np.full(count, INSTRUMENTS[field.sky], dtype="U32"),
        "cut": found.cut[which],
        "source": np.full(count, "judge", dtype="U8"),
    }


def _truths(part: Part, row: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    field, found = part.field, part.judged
    count = len(field.injected)
    became = np.full(count, -1)
    mine = np.flatnonzero(found.match >= 0)
    became[found.match[mine]] = row[mine]
    return {
        "truth_snr": field.injected.snr,
        "truth_sign": field.injected.sign,
        "truth_host": np.array(HOSTS)[field.injected.host],
        "truth_mag": 25.0 - 2.5 * np.log10(field.injected.flux),
        "truth_field": np.full(count, field.name, dtype="U32"),
        "truth_findable": found.findable,
        "truth_row": became,
    }


def _untold(parts: list[Part]) -> list[NDArray[np.bool_]]:
    """Which candidates of the SAAO field may be stars that really vary.

    Its nights are days apart and its stars are those of the bulge, so what changed there is a bogus only
    where it can be nothing else: at a bright star, seen again in another difference. The rest is untold.
    """
    saao = [k for k, part in enumerate(parts) if part.field.sky == "saao"]
    first = [k for k in saao if parts[k].field.name.endswith("-0")]  # the draws of a pair show the same sky
    places, nights = {}, {}
    for k in saao:
        field, found = parts[k].field, parts[k].judged
        # What was injected into one draw is no sky.
        at = np.column_stack([found.x_new, found.y_new]) - field.excluded[0, :2]
        places[k] = np.where((found.match < 0)[:, None], at, np.inf)
        nights[k] = field.night
    out = [np.zeros(len(part.judged.snr), bool) for part in parts]
    for k in saao:
        seen = [{nights[k]} for _ in places[k]]
        for other in first:
            if len(places[other]) == 0 or nights[other] == nights[k]:
                continue
            with np.errstate(invalid="ignore"):
                away = np.hypot(*(places[k][:, None] - places[other][None]).transpose(2, 0, 1))
            away = np.where(np.isfinite(away), away, np.inf)
            for i in np.flatnonzero(away.min(axis=1) < SAME_PX) if len(away) else ():
                seen[i].add(nights[other])
        field, found = parts[k].field, parts[k].judged
        for i, each in enumerate(seen):
            at_bright = len(field.bright) > 0 and bool(
                np.min(np.hypot(field.bright[:, 0] - found.x_new[i], field.bright[:, 1] - found.y_new[i]))
                < NEAR_BRIGHT_STAR_PX
            )
            out[k][i] = found.match[i] < 0 and not (len(each) > 1 and at_bright)
    return out
