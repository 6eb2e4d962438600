"""Pictures of every screen, made by the real program on a night that was really processed.

python docs/make_pictures.py [SCREEN ...]
"""

import argparse
import asyncio
import html
import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from astrid_tui.app import Console
from astrid_tui.demo import demo_settings, run_demo
from screens.terminal import Terminal

PICTURES = Path(__file__).parent / "pictures"
SIZES = ((80, 24), (140, 40))
SCREENS = {"1": "ingest", "2": "pipeline", "3": "review", "4": "models", "5": "power", "6": "health"}
TEXT = re.compile(r'<text( [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>([^<]*)</text>')
WORD = re.compile("[^\N{NO-BREAK SPACE}]{1,16}")  # a longer one would drift too
FONT_PX = 20.3  # of which a cell of 12.2 px is as wide as most monospaced fonts are
SETTLE_S = 2.0  # the store is read in the background, and nothing says when a screen has all it wants


def aligned(svg: str) -> str:
    """Each word of a screen at its own place, so that columns stand in viewers of any kind.

    A run of text is as wide as its cells by ``textLength`` alone, which some viewers do not heed, and the
    font at hand may be narrower than a cell: what comes late in a line then stands too far left.
    """
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_PX}px")
    return TEXT.sub(_words, svg)


def _words(found: re.Match[str]) -> str:
    before, x, between, width, after, text = found.groups()
    cells = html.unescape(text)
    cell = float(width) / max(len(cells), 1)
    return "".join(
        f'<text xml:space="preserve"{before}x="{float(x) + cell * word.start():.6g}"{between}'
        f'textLength="{cell * len(word[0]):.6g}"{after}>{html.escape(word[0])}</text>'
        for word in WORD.finditer(cells)
    )


async def draw(size: tuple[int, int], names: Collection[str]) -> None:
    """Step through some screens at one size, and keep each as an SVG."""
    app = Console(terminal=Terminal(colours=256))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(2 * SETTLE_S)
        for key, name in SCREENS.items():
            if name not in names:
                continue
            await pilot.press(key)
            await pilot.pause(SETTLE_S)
            svg = app.export_screenshot(title=f"astrid: {name}", simplify=True)
            svg = aligned(svg)
            (PICTURES / f"{name}-{size[0]}x{size[1]}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Process a small night and draw it."""
    parser = argparse.ArgumentParser(prog="docs/make_pictures.py", description=main.__doc__)
    parser.add_argument("screen", nargs="*", help=f"of {', '.join(SCREENS.values())}; default: all")
    names = parser.parse_args().screen or list(SCREENS.values())
    if unknown := set(names) - set(SCREENS.values()):
        parser.error(f"there is no screen {min(unknown)}")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_demo(folder, frames=6, size=512, seed=3)
        os.environ["ASTRID_HOME"] = str(demo_settings(folder).home)
        for size in SIZES:
            asyncio.run(draw(size, names))


if __name__ == "__main__":
    main()
