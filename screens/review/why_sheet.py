"""What became of a place in every frame, as a page to scroll through: `astrid why` in the console."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from core.coordinates import CoordinateError, degrees_of_ra, parse_position
from core.text import counted
from screens.frame.commands import Command, CommandRefused, Words
from screens.lines import Line, Tone, cells_of, indented, span, wrapped
from screens.review.facts import sexagesimal, utc
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.places.story_parts import FrameStory
    from core.places.why import Story
    from screens.frame.base import FrameScreen
    from screens.review.screen import ReviewScreen

_TONES = {
    "candidate": Tone.GOOD,
    "dropped": Tone.WARN,
    "blended": Tone.WARN,
    "masked": Tone.WARN,
    "rejected": Tone.BAD,
    "unprocessed": Tone.BAD,
}
_FATE_COLUMNS = 16


def why_command(screen: "ReviewScreen") -> Command:
    """The command that asks for the place of the card, or for any."""
    return Command(
        "why",
        "what became of this card's place, or of a position, in every frame: found, dropped, too faint",
        partial(_ask_of_card, screen),
        "[RA DEC]",
        takes_text=True,
    )


def why_anywhere(screen: "FrameScreen[Any]") -> Command:
    """The same where no card is: of a position."""
    return Command(
        "why",
        "what became of a position in every frame: found, dropped, too faint",
        partial(_ask, screen),
        "RA DEC",
        takes_text=True,
    )


def _ask_of_card(screen: "ReviewScreen", words: Words) -> None:
    card, desk = screen.card, screen.desk
    if card is None or desk is None or " ".join(words).strip():
        _ask(screen, words)
    elif card.ra is not None and card.dec is not None:
        _show(screen, partial(desk.why, card.ra, card.dec))
    else:
        _show(screen, partial(desk.why_of_candidate, card.candidate_id))


def _ask(screen: "FrameScreen[Any]", words: Words) -> None:
    if (opened := screen.host.opened) is None:
        raise CommandRefused("the store is not open")
    text = " ".join(words).strip()
    if not text:
        raise CommandRefused("why takes a position, RA DEC, where no card is open")
    try:
        ra, dec = parse_position(text)
    except CoordinateError as error:
        raise CommandRefused(str(error)) from None

    def work() -> "Story":
        from core.places.why import WHOLE, why

        return why(opened.store, ra, dec, page=WHOLE)

    _show(screen, work)


def _show(screen: "FrameScreen[Any]", work: "Callable[[], Story]") -> None:
    def show(story: "Story") -> None:
        title = "why: each frame, and what became of the place in it"
        screen.show_page(Sheet(title, partial(story_lines, story)))

    screen.in_background(work, show, "why")


def story_lines(story: "Story", width: int) -> list[Line]:
    """The place, what surveys saw there, and each frame with how its story ends.

    What was decided of a candidate is not told: the card does that, where the reviewer may know.
    """
    place = story.place
    lines: list[Line] = []
    if place.ra is not None and place.dec is not None:
        lines.append((span(sexagesimal(place.ra, place.dec), Tone.STRONG),))
        lines.append((span(f"{degrees_of_ra(place.ra, 6)} {place.dec:+.6f}", Tone.DIM),))
    elif place.x is not None and place.y is not None:
        lines.append(
            (span(f"pixel {place.x:.1f}, {place.y:.1f} of reference {place.reference}", Tone.STRONG),)
        )
    lines += [(), (span("Frames, in order of time (UTC)", Tone.STRONG),)]
    if not story.frames:
        lines.append((span("  none shows the place, by its own header or by its reference", Tone.DIM),))
    for frame in story.frames:
        lines += _frame_lines(frame, width)
    if story.next is not None:
        there = counted(len(story.frames), "frame")
        lines.append(
            (span(f"  only {there} so far: `astrid why RA DEC --since` tells of later ones", Tone.WARN),)
        )
    if story.alerts:
        lines += [(), (span("Alerts of surveys there, nearest first", Tone.STRONG),)]
        for one in story.alerts:
            mag = "" if one["mag"] is None else f"  mag {one['mag']:.2f}"
            taken = f"{_minute(one['mjd'])}  {one['filter'] or '–'}"
            facts = f"  {taken}  {one['snr']:+.1f}σ{mag}  {one['arcsec']:.1f}″"
            lines.append((span("  "), span(one["object"], Tone.KEY, 24), span(facts, limit=80)))
            if one["body"] is not None:
                lines.append((span("    solar system ", Tone.DIM), span(one["body"], Tone.WARN, 200)))
    return [part for line in lines for part in wrapped(line, width, indent=4)]


def _frame_lines(frame: "FrameStory", width: int) -> list[Line]:
    fate = frame.fate.value
    head: Line = (
        span(f"  {_minute(frame.mjd)}  "),
        span(fate.ljust(_FATE_COLUMNS), _TONES.get(fate, Tone.PLAIN)),
        span(f"{frame.filter or '–'}  ", Tone.DIM, 12),
        span(frame.frame, Tone.DIM, 60),
    )
    text = _end(frame)
    beside = (*head, span(f"  {text}", limit=300))
    if cells_of(beside) <= width:
        return [beside]
    return [head, *((span("   "), *line) for line in indented((span(text, limit=1000),), width - 4))]


def _minute(mjd: float | None) -> str:
    return utc(mjd)[:16]


def _end(frame: "FrameStory") -> str:
    if not frame.candidates:
        return frame.end.text
    found = frame.candidates[0]
    return f"candidate {found.candidate} at {found.snr:+.1f} σ is {found.object}"
