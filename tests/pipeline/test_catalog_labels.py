"""Names of sources are kept in whole characters, and whoever adds a catalogue hears of what is not kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.catalogs.build import NAME_BYTES
from core.catalogs.library import Library
from core.catalogs.near import names
from pipeline.known.add import Options, add
from pipeline.known.labels import shortened
from tests.pipeline.catalogs import write_csv


@pytest.mark.parametrize("sign", ["a", "é", "星", "🜨"])
@pytest.mark.parametrize("before", range(5))
def test_no_character_is_cut_in_two(sign: str, before: int) -> None:
    text = "x" * before + sign * 60
    kept = shortened(text.encode(), NAME_BYTES).decode()
    assert text.startswith(kept)
    assert NAME_BYTES - len(sign.encode()) < len(kept.encode()) <= NAME_BYTES


def test_what_fits_and_what_is_no_utf8_is_kept() -> None:
    assert shortened("星".encode() * 16, NAME_BYTES) == "星".encode() * 16
    assert shortened(b"", NAME_BYTES) == b""
    assert len(shortened(b"\x80" * 100, NAME_BYTES)) >= NAME_BYTES - 4
    assert shortened(b"\xc3\xa9", 1) == b""


def test_how_many_names_are_not_whole_is_told(tmp_path: Path) -> None:
    given = ["short", "x" + "星" * 20, "y" + "é" * 40, "gone" * 20]
    columns = {"ra": [1.0, 2.0, 3.0, None], "dec": [1.0] * 4, "vartype": ["M", "M" * 49, "M" * 48, "M" * 99]}
    added = add(write_csv(tmp_path / "names.csv", name=given, **columns), Library(tmp_path), Options())
    (part,) = added.catalog.parts
    assert names(part.table.column("name"), np.arange(3)) == ["short", "x" + "星" * 15, "y" + "é" * 23]
    assert f"2 names longer than {NAME_BYTES} bytes: the rest is not kept" in added.remarks
    assert f"1 type longer than {NAME_BYTES} bytes: the rest is not kept" in added.remarks
    whole = add(write_csv(tmp_path / "whole.csv", name=given[:1], ra=[1.0], dec=[1.0], vartype=["M"]),
                Library(tmp_path), Options())  # fmt: skip
    assert not any("longer" in each for each in whole.remarks)
