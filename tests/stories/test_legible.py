"""What is chosen, typed or offered can be read in every theme, whatever colours the terminal has."""

import pytest
from rich.style import Style

from screens.lines import Tone
from screens.themes import THEMES, tone_style
from tests.builders import add_night, make_store
from tests.stories.desk import console

# Red alone, on black, has a contrast of 5.25 at most, and what is as bright as that blinds adapted eyes.
LEAST = {"dark": 4.5, "light": 4.5, "dome": 3.0}
PALETTE, PROMPT = ("CommandList", "CommandPalette Input"), ("#prompt",)
CHOSEN = (
    Tone.STRONG,
    Tone.KEY,
    Tone.BAR,
    Tone.HERE,
    Tone.BAR_ALERT,
    Tone.CHIP,
    Tone.GOOD,
    Tone.BAD,
    Tone.WARN,
)


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The ratio of two colours' luminances, as WCAG 2.1 defines it."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: tuple[int, int, int]) -> float:
    parts = [each / 255 for each in colour]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_black_on_white_has_the_contrast_that_the_guideline_names():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("tone", CHOSEN)
def test_what_is_set_apart_can_be_read(theme, tone):
    page = Style.parse(f"{THEMES[theme].foreground} on {THEMES[theme].background}")
    style = page + tone_style(theme, tone, False)
    assert contrast(style.color.get_truecolor(), style.bgcolor.get_truecolor()) >= LEAST[theme]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["background", "surface", "panel"])
def test_what_is_dim_can_be_read_and_is_dimmer_than_the_rest(theme, ground):
    page = Style.parse(f"{THEMES[theme].foreground} on {getattr(THEMES[theme], ground)}")
    dim, rest = (
        contrast((page + tone_style(theme, tone, False)).color.get_truecolor(), page.bgcolor.get_truecolor())
        for tone in (Tone.DIM, Tone.PLAIN)
    )
    assert LEAST[theme] <= dim < rest / 1.2


def test_the_dome_shows_adapted_eyes_red_alone_and_its_words_no_brighter_than_needed():
    """The brightest red, of what is set apart, has .21 of white's luminance; pages of words have less."""
    tones = [tone_style("dome", tone, False) for tone in Tone]
    colours = [colour.get_truecolor() for style in tones for colour in (style.color, style.bgcolor) if colour]
    assert all(green == blue == 0 for _, green, blue in colours)
    page = Style.parse(f"{THEMES['dome'].foreground} on {THEMES['dome'].background}")
    assert luminance(page.color.get_truecolor()) < 0.15
    assert luminance(page.bgcolor.get_truecolor()) == 0


@pytest.mark.parametrize("theme", THEMES)
async def test_the_palette_and_what_is_typed_can_be_read(tmp_path, theme):
    store, url = make_store(tmp_path)
    add_night(store, objects=1)
    more = f'theme = "{theme}"\n'
    async with console(url, tmp_path, colours=1 << 24, more=more) as vera:
        for opening, places, typed in (("ctrl+p", PALETTE, "r"), ("colon", PROMPT, "run")):
            await vera.press(opening)
            for keys in ("", typed):
                await vera.pilot.press(*keys)
                if places == PALETTE:
                    options = vera.app.screen.query_one("CommandList")
                    await vera.until(lambda options=options: options.highlighted is not None)
                words = [word for place in places for word in written(vera.app, place)]
                assert words
                for text, style in words:
                    assert not style.color.is_default, (keys, text)
                    ratio = contrast(seen(style), style.bgcolor.get_truecolor())
                    assert ratio >= LEAST[theme], (keys, text, style)
            await vera.pilot.press("escape")
    store.close()


def seen(style):
    """The colour of a word; what is dim is half as far from its ground, as most terminals have it."""
    colour, ground = style.color.get_truecolor(), style.bgcolor.get_truecolor()
    return (
        tuple((one + other) / 2 for one, other in zip(colour, ground, strict=True)) if style.dim else colour
    )


def written(app, place):
    """Each word of a widget as it goes to the terminal."""
    area = app.screen.query_one(place).region
    for strip in app.screen._compositor.render_strips()[area.y : area.bottom]:
        for text, style, _ in strip.crop(area.x, area.right):
            if any(character.isalnum() for character in text):
                yield text, style
