"""What candidates are compared by in a search, kept beside the store: the next search measures only new ones.

A file holds what was measured of the candidates of one range of numbers, in one store and by one state of
code and networks, which name its folder. All of it can be made again at any time: what is damaged, of other
cutouts or gone is measured anew. Files are written whole or not at all, so two processes that write the same
one at once lose nothing but what the first of them added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.database.store import Store
from core.least_used import make_room, used
from core.review.alike import Alike, packed_cutouts
from core.review.cutouts import CutoutError, unpack
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.classify.classify import Classifier
from pipeline.classify.survey_cutouts import of_sources
from pipeline.files.npz_file import DAMAGE, why_not_read
from pipeline.training.code import code_sha256
from pipeline.training.search import Table, compared_by, networks

FOLDER = "measured"  # of AstrID's home
RANGE = 1000  # candidates of one file at most: 2 MB
AT_ONCE = 16  # are measured before it is told again how far it is; of more together none is faster
MOST_BYTES = 2.0**30  # of all files, which is half a million candidates

Report = Callable[[int, int], None]  # done, of how many that must be measured


def measured(
    store: Store,
    settings: Settings,
    classifier: Classifier,
    candidates: Sequence[Alike],
    report: Report,
    *,
    is_kept: bool = True,
) -> tuple[list[Alike], list[Table]]:
    """What candidates are compared by, of those whose cutouts can be read.

    Parameters
    ----------
    store : Store
    settings : Settings
        ``home`` is where it is kept.
    classifier : Classifier
    candidates : sequence of Alike
        In the order of their numbers.
    report : callable
    is_kept : bool
        Else nothing is written.

    Returns
    -------
    list of Alike
    list of (n, F) float32
        As `pipeline.training.search.compared_by` gives them; empty without any candidate.
    """
    folder = settings.home / FOLDER / _folder_name(settings.store_url, classifier)
    parts = [list(some) for _, some in groupby(candidates, lambda each: each.candidate_id // RANGE)]
    files = [folder / f"{some[0].candidate_id // RANGE}.npz" for some in parts]
    found = [_Kept.read(file) for file in files]
    lacking = [kept.lacks(some) for kept, some in zip(found, parts, strict=True)]
    done, total = 0, sum(map(len, lacking))
    for place, (file, some) in enumerate(zip(files, lacking, strict=True)):
        if not some:
            continue
        new = _Kept.nothing()
        for first in range(0, len(some), AT_ONCE):
            report(done, total)
            batch = some[first : first + AT_ONCE]
            new = new.with_(_measure(store, classifier, batch))
            done += len(batch)
        found[place] = found[place].with_(new)
        if is_kept and len(new.numbers):
            with suppress(OSError):  # a full disk: then the next search measures them again
                _Kept.read(file).with_(new).write(file)  # another process may have added to it
        report(done, total)
    if is_kept and total:
        make_room(settings.home / FOLDER, "*/*.npz", MOST_BYTES)
    rows: list[Alike] = []
    tables: list[Table] = []
    widths: tuple[int, ...] = ()
    for kept, some in zip(found, parts, strict=True):
        known, where = kept.of(some)
        if known:
            rows += known
            tables.append(kept.table[where])
            widths = kept.widths
    if not rows:
        return [], []
    return rows, np.split(np.concatenate(tables), np.cumsum(widths)[:-1], axis=1)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was measured of some candidates: tables side by side, of the widths that are told."""

    numbers: NDArray[np.int64]  # of candidates
    stamps: NDArray[np.uint64]
    widths: tuple[int, ...]
    table: Table

    @classmethod
    def nothing(cls) -> _Kept:
        return cls(np.empty(0, np.int64), np.empty(0, np.uint64), (), np.empty((0, 0), np.float32))

    @classmethod
    def read(cls, file: Path) -> _Kept:
        """What a file holds; nothing where it is not there, or is none of ours."""
        try:
            if why_not_read(file) is not None:
                return cls.nothing()
            with np.load(file, allow_pickle=False) as arrays:
                found = cls(
                    arrays["numbers"],
                    arrays["stamps"],
                    tuple(int(each) for each in arrays["widths"]),
                    arrays["table"],
                )
        except DAMAGE:
            return cls.nothing()
        used(file)
        return found if found._is_sane() else cls.nothing()

    def _is_sane(self) -> bool:
        shapes = [self.numbers.shape, self.stamps.shape, self.table.shape]
        kinds = [self.numbers.dtype, self.stamps.dtype, self.table.dtype]
        count = len(self.numbers) if self.numbers.ndim else 0
        return (
            kinds == [np.int64, np.uint64, np.float32]
            and shapes == [(count,), (count,), (count, sum(self.widths))]
            and min(self.widths, default=0) >= 0
            and bool(np.isfinite(self.table).all())
        )

    def write(self, file: Path) -> None:
        """Replace a file.

        Raises
        ------
        OSError
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(file) as part, part.open("wb") as stream:
            np.savez(
                stream,
                allow_pickle=False,
                numbers=self.numbers,
                stamps=self.stamps,
                widths=np.array(self.widths, dtype=np.int64),
                table=self.table,
            )

    def with_(self, new: _Kept) -> _Kept:
        """With others besides, which stand for older ones of the same candidates."""
        if not len(self.numbers) or self.widths != new.widths:
            return new if len(new.numbers) else self
        stay = ~np.isin(self.numbers, new.numbers)
        return _Kept(
            np.concatenate([self.numbers[stay], new.numbers]),
            np.concatenate([self.stamps[stay], new.stamps]),
            self.widths,
            np.concatenate([self.table[stay], new.table]),
        )

    def lacks(self, candidates: Sequence[Alike]) -> list[Alike]:
        """Those of some candidates that are not here, or were of other cutouts."""
        here = self._places
        return [each for each in candidates if (each.candidate_id, each.stamp) not in here]

    def of(self, candidates: Sequence[Alike]) -> tuple[list[Alike], list[int]]:
        """Those of some candidates that are here, and where."""
        here = self._places
        known = [each for each in candidates if (each.candidate_id, each.stamp) in here]
        return known, [here[each.candidate_id, each.stamp] for each in known]

    @property
    def _places(self) -> dict[tuple[int, int], int]:
        pairs = zip(self.numbers.tolist(), self.stamps.tolist(), strict=True)
        return {pair: place for place, pair in enumerate(pairs)}


def _measure(store: Store, classifier: Classifier, candidates: Sequence[Alike]) -> _Kept:
    """Of those whose cutouts can be read: of what is damaged there is nothing to compare."""
    packed = packed_cutouts(store, [each.candidate_id for each in candidates])
    cutouts, rows = [], []
    for each in candidates:
        with suppress(CutoutError, KeyError):  # they may have been removed a moment ago
            cutouts.append(unpack(packed[each.candidate_id]))
            rows.append(each)
    if not rows:
        return _Kept.nothing()
    tables = compared_by(of_sources(cutouts, [each.source for each in rows]), classifier)
    return _Kept(
        np.array([each.candidate_id for each in rows], dtype=np.int64),
        np.array([each.stamp for each in rows], dtype=np.uint64),
        tuple(table.shape[1] for table in tables),
        np.hstack(tables),
    )


def _folder_name(store_url: str, classifier: Classifier) -> str:
    by = [store_url, code_sha256(), *(each.digest for each in networks(classifier))]
    return hashlib.sha256("\n".join(by).encode()).hexdigest()[:32]
