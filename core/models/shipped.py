"""What the models that AstrID came with say of themselves: files beside the code, of which none is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import AstridError

MOST_BYTES = 1_000_000
DESCRIPTION = "model.json"
JUDGED = "judged.json"  # what independent examples said of each, by name


class ShippedModelMissing(AstridError):
    """AstrID came without such a model, or its file is damaged."""


@dataclass(frozen=True, slots=True)
class ShippedDescription:
    """A model's ``model.json``, its digest, and what was found of this very version since, if anything."""

    digest: str
    description: dict[str, Any]
    judged: dict[str, Any]


def shipped(name: str, folder: Path | None = None) -> ShippedDescription:
    """The description of the version of a model that AstrID came with.

    Parameters
    ----------
    name : str
        One of `core.models.overview.NAMES`.
    folder : Path, optional
        Where the models are; by default beside the code.

    Raises
    ------
    ShippedModelMissing
    """
    place = folder or _folder()
    try:
        content = (place / name / DESCRIPTION).read_bytes()
    except OSError:
        raise ShippedModelMissing(f"AstrID came with no {name}") from None
    found = _read(content)
    if not found:
        raise ShippedModelMissing(f"the description of {name} that came with AstrID is damaged")
    digest = sha256(content).hexdigest()
    try:
        judged = _read((place / JUDGED).read_bytes()).get(name)
    except OSError:
        judged = None
    is_its_own = isinstance(judged, dict) and judged.get("digest") == digest
    return ShippedDescription(digest, found, judged if isinstance(judged, dict) and is_its_own else {})


def _read(content: bytes) -> dict[str, Any]:
    """An object of JSON; an empty one where it is none."""
    try:
        found = json.loads(content) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder() -> Path:
    # The package is found, not imported: the console shows a card without loading any science.
    place = find_spec("pipeline")
    if place is None or place.origin is None:
        raise ShippedModelMissing("AstrID is not installed whole: its models are missing")
    return Path(place.origin).parent / "classify" / "shipped"


def shipped_folder() -> Path:
    """Where the models are that AstrID came with.

    Raises
    ------
    ShippedModelMissing
    """
    return _folder()
