"""What was said of an object, in one line each: verdicts, notes and tags."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from screens.lines import Line, Tone, span

if TYPE_CHECKING:
    from core.review.cards import Card, PastVerdict

WHOLE = 1_000_000  # characters of a note: more than anybody reads


def last_note(card: "Card", limit: int = 120) -> Line:
    """The newest note or tags on the object, if there are any, no longer than ``limit``."""
    past = next((past for past in card.history if past.note or past.tags), None)
    if past is None:
        return ()
    return (
        span("note ", Tone.DIM),
        span(remark(past.note, past.tags), limit=limit),
        span(f" ({past.reviewer})", Tone.DIM, 20),
    )


def remark(note: str | None, tags: Iterable[str]) -> str:
    """A note as it was typed, and behind it the tags that are not in it already."""
    said = {word.lower() for word in (note or "").split()}
    return " ".join([note or "", *(f"#{tag}" for tag in tags if f"#{tag}" not in said)]).strip()


def past_line(past: "PastVerdict") -> Line:
    """One row of the history of an object, its note whole."""
    when = datetime.fromtimestamp(past.at, UTC).strftime("%Y-%m-%d %H:%M")
    what = past.label or ("taken back" if past.retracts_id is not None else "note")
    tone = Tone.STRONG if past.stands else Tone.DIM
    words = remark(past.note, past.tags)
    return (
        span(f"  {when}  ", Tone.DIM),
        span(what, tone),
        span(f"  {past.reviewer}", limit=22),
        span(f"  {words}" if words else "", limit=WHOLE),
    )
