"""Catalogues that are packed, broken or beyond measure are read or refused before they fill anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.catalogs.library import Library
from pipeline.known.add import Options, add
from pipeline.known.packed import opened
from pipeline.known.table_file import CatalogRefused
from tests.pipeline.catalogs import added


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\1\2", b"SIMPLE  =" + b" " * 100, b"PAR1 and nothing", b"<VOTABLE>", b"just words\n1\n"],
)
def test_broken_files_are_refused(library: Library, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.dat"
    path.write_bytes(content)
    with pytest.raises(CatalogRefused) as told:
        add(path, library, Options(kind="stars"))
    assert "\n" not in str(told.value)
    with pytest.raises(CatalogRefused, match="cannot read"):
        add(tmp_path / "gone.csv", library, Options())


def test_what_is_gzipped_need_not_be_called_so(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(gzip.compress(b"ra,dec,pmra,pmdec\n1,2,0,0\n3,4,0,0\n"))
    assert added(library, path).rows == 2


@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
@pytest.mark.parametrize("head", [b"ra,dec\n1,2\n", b"<VOTABLE>", b"SIMPLE  =", b"00001    3.4\n"])
def test_what_inflates_beyond_measure_is_refused_before_it_fills_anything(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packer: ModuleType, head: bytes
) -> None:
    monkeypatch.setattr("pipeline.files.fits_selection.GROWTH_SLACK", 1 << 16)
    path = tmp_path / "bomb"
    path.write_bytes(packer.compress(head + b" " * (8 << 20)))
    kind = "orbits" if head.startswith(b"0") else "stars"
    with pytest.raises(CatalogRefused, match="inflates to more than 100 times its size"):
        add(path, library, Options(kind=kind))
    assert list(library.folder.glob(".*")) == []


def test_an_archive_of_files_is_to_be_unpacked_first(library: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "stars.csv.zip", "w") as archive:
        archive.writestr("stars.csv", "ra,dec\n1,2\n")
    with pytest.raises(CatalogRefused, match="ZIP archive: unzip it"):
        add(tmp_path / "stars.csv.zip", library, Options(kind="stars"))


def test_a_parquet_file_is_to_be_unpacked_first(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "stars.parquet"
    parquet.write_table(pa.table({"ra": [1.0], "dec": [2.0]}), path)
    packed = tmp_path / "stars.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(CatalogRefused, match=r"stars\.parquet\.gz is a Parquet file within a compressed one"):
        add(packed, library, Options(kind="stars"))


def test_a_dictionary_that_takes_all_memory_is_refused(library: Library, tmp_path: Path) -> None:
    rows = b"ra,dec\n1,2\n3,4\n"
    small = lzma.compress(rows, preset=9)
    (tmp_path / "small.csv.xz").write_bytes(small)
    assert added(library, tmp_path / "small.csv.xz", kind="stars").rows == 2
    # The first block's header, whose last byte of flags is the dictionary's size: 39 is 3 GiB.
    large = bytearray(small)
    at = large.index(b"\x21\x01") + 2
    large[at] = 39
    begin, size = 12, (large[12] + 1) * 4
    large[begin + size - 4 : begin + size] = zlib.crc32(large[begin : begin + size - 4]).to_bytes(4, "little")
    (tmp_path / "large.csv.xz").write_bytes(bytes(large))
    with pytest.raises(CatalogRefused, match="its dictionary takes more than 256 MiB"):
        added(library, tmp_path / "large.csv.xz", kind="stars")


def test_streams_of_xz_are_read_one_after_the_other(library: Library, tmp_path: Path) -> None:
    rows = "".join(f"{ra % 360},{ra % 50}\n" for ra in range(30_000)).encode()
    first, second = lzma.compress(b"ra,dec\n" + rows[:100_001]), lzma.compress(rows[100_001:])
    path = tmp_path / "stars.csv.xz"
    path.write_bytes(first + bytes(8) + second)
    assert added(library, path, kind="stars").rows == 30_000
    with opened(path) as file:
        assert file.read() == b"ra,dec\n" + rows
        assert file.seek(5) == 5
        assert file.read(4) == b"c\n0,"
        assert file.seek(190_000) == 190_000
        assert file.read(9) == rows[189_993:190_002]


def damaged(packer: ModuleType) -> bytes:
    packed = bytearray(packer.compress(np.random.default_rng(1).bytes(3000).hex().encode()))
    packed[60:120] = bytes(60)
    return bytes(packed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("damaged.csv.gz", damaged(gzip)),
        ("damaged.csv.bz2", damaged(bz2)),
        ("damaged.csv.xz", damaged(lzma)),
        ("cut.csv.xz", lzma.compress(b"ra,dec\n1,2\n")[:-20]),
        ("one-long-line.csv", b"x" * 200_000),
        ("no-objects.json", b'[1, {"Principal_desig": "x"}]'),
        ("deep.json", b'[{"Principal_desig": "x"},' + b"[" * 100_000),
        ("long-number.json", b'[{"Principal_desig": "x", "H": ' + b"9" * 5000 + b"}]"),
        ("large-number.json", b'[{"Principal_desig": "x", "H": ' + b"9" * 500 + b"}]"),
    ],
)
def test_what_its_reader_chokes_on_is_refused_in_one_sentence(
    library: Library, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CatalogRefused) as refused:
        add(tmp_path / name, library, Options(kind="stars"))
    assert "\n" not in str(refused.value)
    assert library.catalogs() == []
