"""Files that break off, were hit, or are something else: whoever reads them says so, and breaks at none."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.calibration import kept_masters
from pipeline.classify import score_file
from pipeline.classify.score_file import TripletFileError
from pipeline.frame import FrameRefused
from pipeline.reference.reference_file import is_reference, read
from pipeline.training import examples, field_cache
from pipeline.training.examples import ExamplesError
from pipeline.training.field_cache import FieldDamaged

HITS = 150


def hit(content: bytes, random: np.random.Generator) -> bytes:
    """The same with a few bytes changed."""
    changed = bytearray(content)
    for place in random.integers(0, len(changed), random.integers(1, 6)):
        changed[place] = int(random.integers(256))
    return bytes(changed)


@pytest.fixture(scope="module")
def arrays() -> bytes:
    """A packed file of arrays; some names are those that its readers ask for."""
    random, file = np.random.default_rng(1), io.BytesIO()
    plane = random.normal(size=(2, 8, 8))
    np.savez_compressed(file, new=plane, ref=plane, diff=plane, name=np.array("x"), bias=plane[0])
    return file.getvalue()


@pytest.mark.parametrize(
    ("reader", "refusals"),
    [
        (examples.read, ExamplesError),
        (score_file.read, TripletFileError),
        (field_cache.read, FieldDamaged),
        (field_cache.name_of, FieldDamaged),
        (lambda path: kept_masters.load(path.parent, path.stem), ()),
    ],
)
def test_files_of_arrays_are_read_or_refused(
    tmp_path: Path, arrays: bytes, reader: Callable[[Path], object], refusals: type[Exception] | tuple[()]
) -> None:
    random, path, alone = np.random.default_rng(2), tmp_path / "arrays.npz", io.BytesIO()
    np.save(alone, np.zeros(3))
    refused = 0
    for content in (alone.getvalue(), b"PK\3\4", *(hit(arrays, random) for _ in range(HITS))):
        path.write_bytes(content)
        try:
            reader(path)
        except refusals:
            refused += 1
    assert refused > 0 or refusals == ()


def test_what_is_no_reference_is_told_from_one_whatever_it_is(tmp_path: Path) -> None:
    image = io.BytesIO()
    fits.PrimaryHDU(np.zeros((40, 40), np.float32)).writeto(image)
    whole, packed = image.getvalue(), bytearray(gzip.compress(image.getvalue()))
    packed[12:60] = bytes(48)
    lacking = whole[:80] + b"NAXIS   =                   zz".ljust(80) + whole[160:]
    for content in (b"", b"PK\3\4" + bytes(500), bytes(packed), lacking, whole[:3000]):
        path = tmp_path / "image.fits"
        path.write_bytes(content)
        assert not is_reference(path)
        with pytest.raises(FrameRefused):
            read(path)
