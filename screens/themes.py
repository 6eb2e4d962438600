"""Three themes: dark, light, and dome (red on black, for eyes that are adapted to the night)."""

from collections.abc import Sequence
from functools import lru_cache

from rich.color import Color, ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Shade
from textual.filter import LineFilter
from textual.theme import Theme

from screens.lines import Tone

DARK = Theme(
    name="dark",
    primary="#6cb6ff",
    foreground="#d0d0d0",
    background="#101214",
    surface="#181b1f",
    panel="#22262b",
    accent="#ffb000",
    success="#7ccf7c",
    warning="#ffb000",
    error="#ff7b72",
    dark=True,
    variables={"dim": "#8b949e"},
)
LIGHT = Theme(
    name="light",
    primary="#0550ae",
    foreground="#1f2328",
    background="#f6f6f2",
    surface="#ebebe6",
    panel="#dcdcd6",
    accent="#8a5a00",
    success="#116329",
    warning="#8a5a00",
    error="#a40e26",
    dark=False,
    variables={"dim": "#57606a"},
)
DOME = Theme(
    name="dome",
    primary="#d00000",
    secondary="#900000",
    foreground="#d80000",
    background="#000000",
    surface="#140000",
    panel="#1e0000",
    accent="#ff0000",
    success="#e00000",
    warning="#ff0000",
    error="#ff0000",
    dark=True,
    # What is dim has a contrast of 3, below which words cannot be read; the rest is a third brighter.
    variables={"dim": "#be0000"}
    # What is chosen is a little brighter than the rest: a bar as bright as its text could not be read.
    | {
        f"block-cursor-{part}": shade
        for part, shade in {
            "foreground": "#ff0000",
            "background": "#300000",
            "blurred-foreground": "#ff0000",
            "blurred-background": "#300000",
        }.items()
    },
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, DOME)}

# Each tone as (colour or none, attributes). Good and bad always differ by word too, never by colour alone.
_DARK_TONES = {
    Tone.PLAIN: "",
    Tone.DIM: DARK.variables["dim"],
    Tone.STRONG: "bold #ffffff",
    Tone.KEY: "bold #ffb000",
    Tone.BAR: "#d0d0d0 on #22262b",
    Tone.HERE: "bold #ffffff on #22262b",
    Tone.BAR_ALERT: "bold #ffb000 on #22262b",
    Tone.CHIP: "#d0d0d0 on #2d4a6b",
    Tone.GOOD: "bold #7ccf7c",
    Tone.BAD: "bold #ff7b72",
    Tone.WARN: "bold #ffb000",
}
_LIGHT_TONES = {
    Tone.PLAIN: "",
    Tone.DIM: LIGHT.variables["dim"],
    Tone.STRONG: "bold #000000",
    Tone.KEY: "bold #8a5a00",
    Tone.BAR: "#1f2328 on #dcdcd6",
    Tone.HERE: "bold #000000 on #dcdcd6",
    Tone.BAR_ALERT: "bold #a40e26 on #dcdcd6",
    Tone.CHIP: "#1f2328 on #c5d9f0",
    Tone.GOOD: "bold #116329",
    Tone.BAD: "bold #a40e26",
    Tone.WARN: "bold #8a5a00",
}
_DOME_TONES = {
    Tone.PLAIN: "",
    Tone.DIM: DOME.variables["dim"],
    Tone.STRONG: "bold #ff0000",
    Tone.KEY: "bold #ff0000",
    Tone.BAR: "#d80000 on #1e0000",
    Tone.HERE: "bold #ff0000 on #1e0000",
    Tone.BAR_ALERT: "bold #ff0000 on #1e0000",
    Tone.CHIP: "#ff0000 on #300000",
    Tone.GOOD: "bold #ff0000",
    Tone.BAD: "bold #ff0000",
    Tone.WARN: "bold #ff0000",
}
# Without colours the attributes alone must tell tones apart.
_PLAIN_TONES = {
    Tone.PLAIN: "",
    Tone.DIM: "dim",
    Tone.STRONG: "bold",
    Tone.KEY: "bold",
    Tone.BAR: "reverse",
    Tone.HERE: "bold reverse",
    Tone.BAR_ALERT: "bold reverse",
    Tone.CHIP: "reverse",
    Tone.GOOD: "bold",
    Tone.BAD: "bold",
    Tone.WARN: "bold",
}
_TONES = {"dark": _DARK_TONES, "light": _LIGHT_TONES, "dome": _DOME_TONES}


@lru_cache(maxsize=64)
def tone_style(theme: str, tone: Tone, colourless: bool) -> Style:
    """How a tone looks in a theme; attributes alone where no colours are wanted."""
    tones = _PLAIN_TONES if colourless else _TONES.get(theme, _DARK_TONES)
    return Style.parse(tones[tone])


class RedOnly(LineFilter):
    """Turns every colour into a red of the same brightness: whatever a widget or an image comes with."""

    def apply(self, segments: list[Segment], background: Shade) -> list[Segment]:  # noqa: ARG002 Textual's
        """The same text, red on black."""
        return [Segment(text, _reddened(style or Style.null()), control) for text, style, control in segments]


def filters(theme: str, before: Sequence[LineFilter], colourless: bool) -> Sequence[LineFilter]:
    """What every line passes on its way to the terminal; without colours there are none to turn red."""
    return before if theme != DOME.name or colourless else (*before, _RED_ONLY)


_RED_ONLY = RedOnly()


@lru_cache(maxsize=8192)
def _reddened(style: Style) -> Style:
    return style + Style(color=_red(style.color, 0xD8), bgcolor=_red(style.bgcolor, 0))


def _red(colour: Color | None, unset: int) -> Color:
    """A red as bright as the brightest part of a colour; the terminal's own colours might be white."""
    if colour is None or colour.type is ColorType.DEFAULT:
        return Color.from_rgb(unset, 0, 0)
    return Color.from_rgb(max(colour.get_truecolor()), 0, 0)
