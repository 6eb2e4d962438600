"""A pair of frames to be judged by, and everything that is true of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Footprints = NDArray[np.uint8]  # (height, width), index into BLEMISHES

VERSION = 1  # of what is drawn: fields kept under another one are drawn anew
HOSTS = ("none", "galaxy", "star")
BLEMISHES = (
    "",
    "cosmic_ray",
    "hot_pixel",
    "bad_column",
    "bleed",
    "ghost",
    "edge",
    "streak",
    "saturated",
)


@dataclass(frozen=True)
class Shot:
    """One frame: ``data`` and ``saturation`` in data units, ``gain`` electrons a data unit."""

    data: Image
    gain: float
    read_noise: float  # electrons
    saturation: float


@dataclass(frozen=True)
class Injected:
    """Point sources that one frame of the pair has and the other lacks; every attribute is (n,).

    ``sign`` is 1 where it is the new frame. ``snr`` is the best that a measurement on both frames can
    reach (`benchmarks.pairs.ideal`), ``flux`` in electrons of the new frame.
    """

    x_new: Array  # the new frame's own pixels, centres at whole numbers
    y_new: Array
    snr: Array
    sign: Array
    flux: Array
    host: NDArray[np.int64]  # index into HOSTS
    host_offset: (
        Array  # from the middle of the host, px; NaN without one, and in fields kept before it was told
    )

    def __len__(self) -> int:
        return len(self.x_new)


@dataclass(frozen=True)
class Field:
    """Two frames of a field.

    Attributes
    ----------
    streaks : (n, 6) float64
        In the new frame's pixels: ends x, y, x, y; width (FWHM); signal-to-noise ratio of a stretch of one
        FWHM, matched with the trail's profile.
    footprints_new, footprints_ref : (height, width) uint8
        What is wrong with the pixels of either frame.
    bright : (n, 2) float64
        Places in the new frame of stars beyond half of saturation.
    files : (str, str)
        The real frames that the pixels are from, relative to the images' folder; empty if simulated.
    misplaced : bool
        The new frame's grid is warped beyond what registration can follow.
    excluded : (n, 3) float64
        Places in the new frame, and a radius, where something real changed that was not injected.
    """

    name: str
    sky: str  # simulated, saao, lt
    new: Shot
    ref: Shot
    injected: Injected
    streaks: Array
    footprints_new: Footprints
    footprints_ref: Footprints
    bright: Array
    night: str
    scenario: str
    files: tuple[str, str] | tuple[()] = ()
    misplaced: bool = False
    excluded: Array = field(default_factory=lambda: np.zeros((0, 3)))


def save(path: Path, drawn: Field) -> None:
    """Keep a field, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        name: getattr(drawn, name) for name in ("name", "sky", "night", "scenario", "files", "misplaced")
    }
    arrays = {
        f"{side}_{name}": getattr(getattr(drawn, side), name)
        for side in ("new", "ref")
        for name in ("data", "gain", "read_noise", "saturation")
    }
    arrays |= {f"injected_{each.name}": getattr(drawn.injected, each.name) for each in fields(Injected)}
    for name in ("streaks", "footprints_new", "footprints_ref", "bright", "excluded"):
        arrays[name] = getattr(drawn, name)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as out:
        np.savez(out, facts=np.array(json.dumps(facts)), **arrays)
    part.replace(path)


def load(path: Path) -> Field:
    """Read a field that was kept."""
    with np.load(path, allow_pickle=False) as kept:
        facts = json.loads(str(kept["facts"]))
        shots = {
            side: Shot(
                kept[f"{side}_data"],
                *(float(kept[f"{side}_{name}"]) for name in ("gain", "read_noise", "saturation")),
            )
            for side in ("new", "ref")
        }
        names = {each.name: f"injected_{each.name}" for each in fields(Injected)}
        truths = {name: kept[key] for name, key in names.items() if key in kept}
        truths.setdefault("host_offset", np.full(len(truths["host"]), np.nan))
        injected = Injected(**truths)
        rest = {
            name: kept[name] for name in ("streaks", "footprints_new", "footprints_ref", "bright", "excluded")
        }
    facts["files"] = tuple(facts["files"])
    return Field(**facts, **shots, injected=injected, **rest)
