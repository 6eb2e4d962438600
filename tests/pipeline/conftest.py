"""What tests of several modules of the pipeline begin with."""

from pathlib import Path

import pytest

from core.catalogs.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "home")
