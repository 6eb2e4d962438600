"""Splits of examples that do not leak, and the refusal of those that do.

A model that has seen an object, or a night's weather and optics, is not judged by them. So a split goes by
object, or by night or field, before anything is augmented; what was augmented keeps its object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.text import safe_text

By = Literal["group", "night", "field"]
Columns = Mapping[str, NDArray[Any]]

PLANES = ("new", "ref", "diff")
SHARED = ("group", "night", "field")  # what makes two rows tell of each other


class LeakingSplit(AstridError):
    """What is to judge was trained on; the message names the first row that was."""


def together(columns: Columns, names: Iterable[str]) -> NDArray[np.intp]:
    """Units by number: rows that agree in any of some columns, or are linked by rows that do, are in one."""
    keys = [np.unique(columns[name], return_inverse=True)[1] for name in names]
    parent = list(range(sum(int(key.max(initial=-1)) + 1 for key in keys)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    offset = int(keys[0].max(initial=-1)) + 1
    for key in keys[1:]:
        for a, b in set(zip(keys[0].tolist(), (key + offset).tolist(), strict=True)):
            parent[root(a)] = root(b)
        offset += int(key.max(initial=-1)) + 1
    return np.array([root(a) for a in keys[0].tolist()], dtype=np.intp)


def named(columns: Columns) -> dict[str, NDArray[Any]]:
    """Columns of names, where an empty one, which says nothing, is a name of the row's own."""
    return {
        name: np.where(column == "", np.char.add("row ", np.arange(len(column)).astype(str)), column)
        for name, column in columns.items()
    }


def check(train: Columns, test: Columns, by: By = "night") -> None:
    """Refuse a split that leaks. An empty name says nothing, and so is on no side.

    Parameters
    ----------
    train, test : mapping
        Columns of example sets: ``group`` and ``by``; where both have ``new, ref, diff`` the pixels are
        compared too, in all eight orientations.
    by : "group", "night" or "field"
        What the split is said to go by.

    Raises
    ------
    LeakingSplit
        An object, a ``by``, or the same pixels turned or mirrored are on both sides.
    """
    for name, what in (("group", "object"), (by, by)):
        seen = {value: row for row, value in reversed(list(enumerate(train[name].tolist())))}
        for row, value in enumerate(test[name].tolist()):
            if value and value in seen:
                raise LeakingSplit(
                    f"row {row} of what judges is of {what} {safe_text(value)}, which was trained on "
                    f"(row {seen[value]})"
                )
    if all(name in columns for columns in (train, test) for name in PLANES):
        trained = {digest: row for row, digest in reversed(list(enumerate(content(train))))}
        for row, digest in enumerate(content(test)):
            if digest in trained:
                raise LeakingSplit(
                    f"row {row} of what judges has the pixels of row {trained[digest]}, which was trained "
                    "on, as they are, turned or mirrored"
                )


def check_groups(groups: frozenset[str], test: Columns, what: str, by: By = "group") -> None:
    """Refuse examples of objects that a model is recorded to have been trained on.

    Parameters
    ----------
    groups : frozenset of str
        `group_digest` of each.
    test : mapping
        With ``by``.
    what : str
        Who was trained, for the message.
    by : "group", "night" or "field"
        The column whose values are compared.

    Raises
    ------
    LeakingSplit
    """
    known: dict[str, bool] = {}
    for row, value in enumerate(test[by].tolist()):
        if value not in known:
            known[value] = bool(value) and group_digest(str(value)) in groups
        if known[value]:
            noun = "object" if by == "group" else by
            raise LeakingSplit(
                f"row {row} of what judges is of {noun} {safe_text(value)}, which {what} was trained on"
            )


def group_digest(group: str) -> str:
    """A short digest of a group's name, which a model can keep of thousands."""
    return hashlib.sha256(group.encode()).hexdigest()[:12]


def content(columns: Columns) -> list[bytes]:
    """A digest of each row's pixels that is the same for all eight orientations of them."""
    stack = np.stack([np.asarray(columns[name], dtype=np.float16) for name in PLANES], axis=1)
    stack = np.where(np.isnan(stack), np.float16(np.inf), stack) + np.float16(0.0)  # one NaN, one zero
    out = []
    for image in stack:
        if image.shape[-1] == image.shape[-2]:
            turned = [np.rot90(image, k, axes=(1, 2)) for k in range(4)]
            turned += [each[:, :, ::-1] for each in turned]
        else:
            half = image[:, ::-1, ::-1]
            turned = [image, half, image[:, ::-1], half[:, ::-1]]
        out.append(min(hashlib.sha256(np.ascontiguousarray(each).tobytes()).digest() for each in turned))
    return out
