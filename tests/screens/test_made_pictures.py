"""The pictures of the manual: each word stands where its cells are, whatever draws it."""

import html
import importlib.util
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text


def test_words_stand_at_their_cells_without_the_help_of_stretched_text(tmp_path):
    source = Path(__file__).parents[2] / "docs" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = ["  │ a & b" + " " * 60 + "│", "  └" + "─" * 66 + "┘"]
    console = Console(width=72, record=True, file=(tmp_path / "null").open("w"))
    console.print(Text("\n".join(lines), style="bold"))
    svg = module.aligned(console.export_svg())
    cell = 12.2
    placed: dict[str, dict[int, str]] = {}
    for x, y, text in re.findall(
        r'<text [^>]*?x="([\d.]+)" y="([\d.]+)" textLength[^>]*>([^<]+)</text>', svg
    ):
        words = html.unescape(text).rstrip("\n")
        if words:
            assert len(words) <= 16
            row = placed.setdefault(y, {})
            row |= {round(float(x) / cell) + place: each for place, each in enumerate(words)}
    drawn = ["".join(row.get(place, " ") for place in range(max(row) + 1)) for row in placed.values()]
    assert drawn[-2:] == lines
