"""What the models that AstrID came with say of themselves: files beside the code, of which none is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.bounded_file import FileTooLarge, bounded_bytes
from core.errors import AstridError
from core.unfinished import unfinished

MOST_BYTES = 1_000_000
DESCRIPTION = "model.json"
JUDGED = "judged.json"  # what ``python -m benchmarks.judge --keep`` found of each, by name and digest


class ShippedModelMissing(AstridError):
    """AstrID came without such a model, or its file is damaged."""


@dataclass(frozen=True, slots=True)
class ShippedDescription:
    """A model's ``model.json`` and its digest."""

    digest: str
    description: dict[str, Any]


def shipped(name: str, folder: Path | None = None) -> ShippedDescription:
    """The description of the version of a model that AstrID came with.

    Parameters
    ----------
    name : str
        One of `core.models.names.NAMES`.
    folder : Path, optional
        Where the models are; by default beside the code.

    Raises
    ------
    ShippedModelMissing
    """
    place = folder or shipped_folder()
    try:
        content = (place / name / DESCRIPTION).read_bytes()
    except OSError:
        raise ShippedModelMissing(f"AstrID came with no {name}") from None
    found = _read(content)
    if not found:
        raise ShippedModelMissing(f"the description of {name} that came with AstrID is damaged")
    return ShippedDescription(sha256(content).hexdigest(), found)


def judged(name: str, digest: str, folder: Path | None = None) -> dict[str, Any] | None:
    """What the second generator says of one version.

    Returns
    -------
    dict or None
        ``command``; ``second_generator`` and ``own_kind``, each with what was missed where 1 % of the bogus
        is kept and the interval; ``gap``, their difference. None where this very version was not judged.
    """
    try:
        said = _read(((folder or shipped_folder()) / JUDGED).read_bytes()).get(name)
    except (OSError, ShippedModelMissing):
        return None
    return said if isinstance(said, dict) and said.get("digest") == digest else None


def keep_scorecard(home: Path, digest: str, scorecard: Mapping[str, Any]) -> None:
    """Keep what such a version was found to be worth here: it is no row of the store.

    Raises
    ------
    AstridError
        It cannot be written.
    """
    path = _card_of(home, digest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as part:
            part.write_text(json.dumps(scorecard), encoding="utf-8")
    except OSError as error:
        raise AstridError(f"a scorecard cannot be kept in {path}: {error.strerror or error}") from None


def kept_scorecard(home: Path, digest: str) -> dict[str, Any] | None:
    """What `keep_scorecard` kept of it last; none where it was not judged here."""
    try:
        return _read(bounded_bytes(_card_of(home, digest), MOST_BYTES)) or None
    except (OSError, FileTooLarge):
        return None


def _card_of(home: Path, digest: str) -> Path:
    return home / "scorecards" / f"{digest}.json"


def _read(content: bytes) -> dict[str, Any]:
    """An object of JSON; an empty one where it is none."""
    try:
        small = len(content) <= MOST_BYTES
        found = json.loads(content, parse_constant=_no_number) if small else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _no_number(said: str) -> float:
    """NaN and Infinity are no JSON, and could not be told as such."""
    raise ValueError(said)


def shipped_folder() -> Path:
    """Where the models are that AstrID came with.

    Raises
    ------
    ShippedModelMissing
    """
    # The package is found, not imported: the console shows a card without loading any science.
    place = find_spec("pipeline")
    if place is None or place.origin is None:
        raise ShippedModelMissing("AstrID is not installed whole: its models are missing")
    return Path(place.origin).parent / "classify" / "shipped"
