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


class ShippedModelMissing(AstridError):
    """AstrID came without such a model, or its file is damaged."""


@dataclass(frozen=True, slots=True)
class ShippedDescription:
    """A model's ``model.json``, and its digest."""

    digest: str
    description: dict[str, Any]


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
    path = (folder or _folder()) / name / DESCRIPTION
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ShippedModelMissing(f"the description of {name} that came with AstrID is damaged")
        content = path.read_bytes()
        found = json.loads(content)
    except OSError:
        raise ShippedModelMissing(f"AstrID came with no {name}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ShippedModelMissing(f"the description of {name} that came with AstrID is damaged")
    return ShippedDescription(sha256(content).hexdigest(), found)


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
