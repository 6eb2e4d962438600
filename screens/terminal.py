"""What this terminal can do, from its environment alone: nothing is asked, nothing blocks."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.charset import UTF_8

_SCREEN_BYTES = 512
_WEB_DRIVER = "textual.drivers.web_driver:WebDriver"
_FEW_COLOURS = ("linux", "vt100", "vt220", "ansi", "dumb", "unknown", "")


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is known of the terminal.

    Attributes
    ----------
    colours : int
        0 (none wanted, or none to be had), 16, 256 or 16,777,216.
    is_remote : bool
        Reached over SSH: the line may be thin.
    in_tmux, in_screen : bool
        Inside tmux or GNU screen, which keep the clipboard and notes to the desktop to themselves.
    shows_no_pictures : str
        Why it is not to be asked for pictures; empty: it may be.
    in_browser : bool
        A page of a browser, behind a server that passes on what is sent, as `astrid serve` does.
    charset : str
        As Python names it; UTF-8 has block elements and braille, others have not.
    """

    colours: int = 256
    is_remote: bool = False
    in_tmux: bool = False
    in_screen: bool = False
    shows_no_pictures: str = ""
    in_browser: bool = False
    charset: str = UTF_8

    @property
    def is_utf8(self) -> bool:
        """Whether it can show any character."""
        return self.charset == UTF_8

    @property
    def drawing(self) -> str:
        """The drawing that suits it: true colour only where it costs nothing, no colours without any."""
        if self.colours < 256 or not self.is_utf8:
            return "ascii"
        return "half" if self.colours > 256 and not self.is_remote else "grey"

    def wrapped(self, sequence: str) -> str:
        """A sequence for the terminal behind the multiplexer, if there is one."""
        if self.in_tmux:
            doubled = sequence.replace("\x1b", "\x1b\x1b")
            return f"\x1bPtmux;{doubled}\x1b\\"
        if (
            self.in_screen
        ):  # which takes no more than 768 bytes at once, and joins nothing but what it passed on
            pieces = [
                sequence[start : start + _SCREEN_BYTES] for start in range(0, len(sequence), _SCREEN_BYTES)
            ]
            return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
        return sequence


def is_in_browser(environment: Mapping[str, str]) -> bool:
    """Whether what is drawn goes to a browser, through the server that began this process."""
    return environment.get("TEXTUAL_DRIVER") == _WEB_DRIVER


def probe(environment: Mapping[str, str], *, charset: str = UTF_8) -> Terminal:
    """Read ``NO_COLOR``, ``COLORTERM``, ``TERM``, ``TERM_PROGRAM``, ``SSH_CONNECTION``, ``TMUX``, ``STY``.

    The charset of the locale is known to whoever opened the terminal. Where Textual is told to draw in a
    browser, all but ``NO_COLOR`` is about another terminal, that of the server.
    """
    if is_in_browser(environment):
        colours = 0 if environment.get("NO_COLOR") else 1 << 24
        return Terminal(colours, in_browser=True, shows_no_pictures="not in a browser")
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("dumb", "unknown", "", "vt100", "vt220"):
        colours = 0
    elif environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        colours = 1 << 24
    else:
        colours = 16 if term in _FEW_COLOURS else 256
    in_tmux, in_screen = bool(environment.get("TMUX")), bool(environment.get("STY"))
    # Over SSH a multiplexer at the other end is known by the name of its terminal alone.
    is_within = in_tmux or in_screen or term.startswith(("tmux", "screen"))
    shows_no_pictures = ""
    if is_within:
        shows_no_pictures = "inside tmux or screen"
    elif colours < 256:
        shows_no_pictures = "too few colours"
    elif charset != UTF_8:
        shows_no_pictures = "the locale is not UTF-8"
    elif environment.get("TERM_PROGRAM") == "Apple_Terminal":  # it would show the question as text
        shows_no_pictures = "not in this terminal"
    return Terminal(
        colours=colours,
        is_remote=bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY")),
        in_tmux=in_tmux,
        in_screen=in_screen and not in_tmux,
        shows_no_pictures=shows_no_pictures,
        charset=charset,
    )
