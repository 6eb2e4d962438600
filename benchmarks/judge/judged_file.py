"""What the product made of a field, kept until the product is another: a broken run can be gone on with."""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.judge.product import Judged
from core.models.shipped import JUDGED
from pipeline.classify.triplets import Triplets
from pipeline.files.npz_file import DAMAGE

ROOT = Path(__file__).parents[2]
MADE_BY = ("core", "pipeline", "benchmarks")
DIGITS = 12
PLANES = ("new", "ref", "diff")
WHY = "refused"


@cache
def product_digest() -> str:
    """Of the product's sources and models, and of what judges it, but for what the judge said last."""
    made = hashlib.sha256()
    for room in MADE_BY:
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.name != JUDGED:
                made.update(f"{path.relative_to(ROOT)}\0".encode())
                made.update(path.read_bytes())
    return made.hexdigest()[:DIGITS]


def save(path: Path, judged: Judged | str) -> None:
    """Keep what was made of a field, or why it was refused, whole or not at all."""
    if isinstance(judged, str):
        arrays = {WHY: np.array(judged)}
    else:
        arrays = {
            each.name: np.asarray(getattr(judged, each.name))
            for each in fields(Judged)
            if each.name != "triplets"
        }
        arrays |= {f"triplets_{name}": getattr(judged.triplets, name) for name in PLANES}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as out:
        np.savez_compressed(out, **arrays)
    part.replace(path)


def load(path: Path) -> Judged | str | None:
    """What was kept; none where nothing was, or where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            found = {name: kept[name] for name in kept.files}
    except (*DAMAGE, FileNotFoundError):
        return None
    if WHY in found:
        return str(found[WHY])
    triplets = Triplets(*(found.pop(f"triplets_{name}") for name in PLANES))
    counts = {name: int(found.pop(name)) for name in ("pixels", "false_streaks", "free_patches")}
    return Judged(triplets=triplets, **counts, **found)
