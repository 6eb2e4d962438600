"""A model on disk: a folder of plain numbers and a description, in which nothing can run.

``model.json`` says what the model is and the SHA-256 of the other files; ``weights.safetensors`` holds
arrays; ``model.onnx`` is a network as it is served. The model's digest is the SHA-256 of its
``model.json``, and so of everything. Every file is hashed before a byte of it is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.bounded_file import FileTooLarge, bounded_bytes
from core.errors import AstridError

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
NETWORK = "model.onnx"
MOST_DESCRIPTION = 1_000_000  # bytes
MOST_FILE = 256 * 1024 * 1024  # bytes
MOST_NUMBERS = 50_000_000  # in all arrays
MOST_NUMBER = 1e30  # in an array: sums of products of them are finite, and no model of ours comes near
COMPARED = (
    "threshold"  # the array of trees that nothing adds up: where what is absent alone decides it is endless
)
DIGITS = 64  # of a SHA-256

Kind = Literal["tree", "realbogus", "unet", "isolation_forest", "one_class_svm", "ensemble", "kinds"]
Arrays = Mapping[str, NDArray[Any]]


class ModelRefused(AstridError):
    """A model's files are damaged, foreign or dangerous; the message says which and why."""


class Calibration(BaseModel):
    """From a model's raw logit to a calibrated one: ``slope * logit + offset``, at the stated prevalence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slope: float = Field(default=1.0, gt=0.0, le=1e3)
    offset: float = Field(default=0.0, ge=-1e3, le=1e3)
    prevalence: float = Field(default=0.5, gt=0.0, lt=1.0)


class Description(BaseModel):
    """What ``model.json`` holds.

    Attributes
    ----------
    architecture : str
        One of those that the code of this kind knows.
    config : dict
        Sizes that the architecture is built by.
    inputs : str
        ``triplet`` (`pipeline.classify.triplets.network_input`), ``features``
        (`pipeline.classify.cutout_features`, in the order of ``features``), ``image`` (tiles) or
        ``scores`` (of other models).
    classes : list of str
        Names of the outputs, of those with more than one.
    trained : dict
        For people and the registry: seed, data and code digests, versions, metrics.
    files : dict
        SHA-256 in hexadecimal of each other file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    kind: Kind
    architecture: str = Field(max_length=64, pattern=r"^[a-z0-9_]+$")
    config: dict[str, int | float | str] = Field(default_factory=dict, max_length=64)
    inputs: Literal["triplet", "features", "image", "scores"]
    features: list[str] = Field(default_factory=list, max_length=256)
    classes: list[str] = Field(default_factory=list, max_length=64)
    calibration: Calibration = Calibration()
    trained: dict[str, Any] = Field(default_factory=dict, max_length=256)
    files: dict[str, str] = Field(default_factory=dict, max_length=2)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was read and verified; ``network`` is ONNX, not yet parsed."""

    description: Description
    digest: str
    arrays: Arrays = field(repr=False)
    network: bytes | None = field(default=None, repr=False)


def read(folder: Path, digest: str | None = None) -> ModelFile:
    """Read a model's folder.

    Parameters
    ----------
    folder : Path
    digest : str, optional
        The digest that it must have.

    Raises
    ------
    ModelRefused
        A file is absent, truncated, too large or not what the description says; the description breaks
        its schema; a number is not finite.
    """
    raw = _bytes(folder / DESCRIPTION, MOST_DESCRIPTION)
    found = hashlib.sha256(raw).hexdigest()
    if digest is not None and found != digest:
        raise ModelRefused(
            f"{_called(folder)}{DESCRIPTION} is not the one that was registered: its SHA-256 differs"
        )
    try:
        description = Description.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or DESCRIPTION
        raise ModelRefused(
            f"{_called(folder)}{DESCRIPTION} is no description of a model: {where}: {first['msg']}"
        ) from None
    except RecursionError:
        raise ModelRefused(f"{_called(folder)}{DESCRIPTION} is nested too deeply") from None
    contents = {name: _verified(folder, name, sha) for name, sha in description.files.items()}
    arrays = _arrays(folder, contents[WEIGHTS]) if WEIGHTS in contents else {}
    return ModelFile(description, found, arrays, contents.get(NETWORK))


def write(folder: Path, description: Description, arrays: Arrays, network: bytes | None = None) -> str:
    """Write a model's folder, whole or not at all, and return its digest.

    Parameters
    ----------
    folder : Path
        It must not exist.
    description : Description
        ``files`` is filled in here.
    arrays : mapping of str to array
    network : bytes, optional
        ONNX.
    """
    from safetensors.numpy import save

    folder.parent.mkdir(parents=True, exist_ok=True)
    contents: dict[str, bytes] = {}
    if arrays:
        contents[WEIGHTS] = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    if network is not None:
        contents[NETWORK] = network
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text = description.model_copy(update={"files": files}).model_dump_json(indent=1).encode()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        whole = Path(work) / "model"
        whole.mkdir()
        for name, content in {**contents, DESCRIPTION: text}.items():
            with (whole / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        whole.rename(folder)
    return hashlib.sha256(text).hexdigest()


def _called(folder: Path) -> str:
    """How a message begins: with the folder's name, unless that is a digest, which tells a person nothing."""
    is_digest = len(folder.name) == DIGITS and set(folder.name) <= set("0123456789abcdef")
    return "" if is_digest else f"{folder.name}: "


def _verified(folder: Path, name: str, sha: str) -> bytes:
    if name not in (WEIGHTS, NETWORK):
        raise ModelRefused(f"{_called(folder)}a model has no file of the name it gives")
    content = _bytes(folder / name, MOST_FILE)
    if hashlib.sha256(content).hexdigest() != sha:
        raise ModelRefused(
            f"{_called(folder)}{name} is damaged or was changed: its SHA-256 differs from {DESCRIPTION}'s"
        )
    return content


def _bytes(path: Path, most: int) -> bytes:
    try:
        return bounded_bytes(path, most)
    except FileTooLarge as error:
        raise ModelRefused(f"{_called(path.parent)}{error}") from None
    except OSError as error:
        raise ModelRefused(
            f"{_called(path.parent)}{path.name} cannot be read: {error.strerror or error}"
        ) from None


def _arrays(folder: Path, content: bytes) -> Arrays:
    """The arrays of a safetensors file, after its header was seen to be sane."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        size = int.from_bytes(content[:8], "little")
        header = (
            json.loads(content[8 : 8 + size]) if 0 < size <= min(len(content) - 8, MOST_DESCRIPTION) else None
        )
        tensors = (
            {k: v for k, v in header.items() if k != "__metadata__"} if isinstance(header, dict) else None
        )
        if tensors is None:
            raise ModelRefused(f"{_called(folder)}{WEIGHTS} has no header that can be understood")
        total = 0
        for each in tensors.values():
            count = 1
            for side in each["shape"]:
                count *= int(side)
            total += count
        if total > MOST_NUMBERS:
            raise ModelRefused(
                f"{_called(folder)}{WEIGHTS} claims {total} numbers; more than {MOST_NUMBERS} are not read"
            )
        arrays = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ModelRefused(f"{_called(folder)}{WEIGHTS} cannot be read: {str(error)[:200]}") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ModelRefused(
                f"{_called(folder)}{WEIGHTS} holds values in {name[:64]!r} that are no finite numbers"
            )
        if name != COMPARED and np.any(np.abs(array) > np.float64(MOST_NUMBER)):
            raise ModelRefused(
                f"{_called(folder)}{WEIGHTS} holds values in {name[:64]!r} that no sum could take"
            )
    return arrays
