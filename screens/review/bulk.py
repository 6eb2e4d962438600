"""Many cards at once: marks, and one verdict for all that are marked or all that pass the filter."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import counted
from core.vocabulary import Label
from screens.frame.on_top import is_on_top
from screens.review import view
from screens.review.steering import FEW, label_of, label_words

if TYPE_CHECKING:
    from screens.review.desk import Desk
    from screens.review.screen import ReviewScreen

_NAMED = 3  # marked objects out of view that are named
_NO_CARD = "bulk: no card passes the filter"
_NO_MARKED = "bulk: none of the marked cards counts any longer"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a verdict is wanted on: the marked objects with what was shown of each, else all of a filter."""

    shown: dict[int, int | None]
    away: list[int]  # of those marked, out of view
    filters: str
    order: str

    @property
    def is_light(self) -> bool:
        """A few cards that were marked one by one and are in view."""
        return 0 < len(self.shown) <= FEW and not self.away


def mark(screen: "ReviewScreen") -> None:
    """Mark the card and go on, or take its mark away; a verdict on what is marked is one on what was seen."""
    entry = screen.queue.current
    if entry is None:
        screen.refuse_key("there is no card to mark")
        return
    marks, card = screen.queue.marks, screen.card
    if entry.object_id in marks:
        del marks[entry.object_id]
    elif not screen.is_seen:
        screen.refuse_key("mark: the card is not drawn yet")
        return
    else:
        marks[entry.object_id] = card.candidate_id if card else entry.candidate_id
        screen.move_by(1)
    screen.paint()


def ask_bulk(screen: "ReviewScreen") -> None:
    """Ask for the one verdict that all marked cards get, or all that pass the filter."""
    shown = dict(screen.queue.marks)
    marked = sorted(shown)
    if screen.reading is None or not (marked or screen.filter):
        screen.refuse("bulk: mark cards with space first, or choose them by a filter")
        return
    what = f"{len(marked)} marked" if marked else "all that pass the filter"
    if away := len(_out_of_view(screen, marked)):
        what += f", {away} of them out of view"
    # Another queue may come while the verdict is typed: it is on what was there when it was asked for.
    then = partial(_prepare, screen, shown, screen.filter, screen.reading.order)
    screen.ask_line(f"one verdict on {what}, such as: artefact", "", then, label_words)


def _out_of_view(screen: "ReviewScreen", marked: list[int]) -> list[int]:
    """The marked objects that are not among the cards of this filter."""
    here = {entry.object_id for entry in screen.queue.entries}
    return [each for each in marked if each not in here]


def _prepare(
    screen: "ReviewScreen", shown: dict[int, int | None], filters: str, order: str, text: str
) -> None:
    """Count what would be decided, and let it be confirmed: a few marked by ``enter``, many by a word."""
    desk = screen.desk
    if desk is None or not text:
        screen.prompt.close()
        return
    try:
        label = label_of(text)
    except AstridError as error:
        screen.refuse(error)
        return
    screen.prompt.close()
    why = {"by": "bulk", "filter": filters, "chosen": "marks" if shown else "filter"}
    away = _out_of_view(screen, sorted(shown))
    _confirm(screen, desk, _Wish(shown, away, filters, order), label, why)


def _confirm(screen: "ReviewScreen", desk: "Desk", wish: _Wish, label: Label, shown: dict[str, Any]) -> None:
    """Ask; the question is open while cards are counted: no key falls on the one behind it.

    Of a few cards too, though nobody need type the word for them: who does so from habit would judge other
    cards by its letters.
    """
    chosen: dict[int, int] = {}

    def find() -> tuple[dict[int, int], list[str]]:
        if not wish.shown:
            return dict(desk.passing(wish.filters, wish.order)), []
        return desk.candidates_shown(wish.shown), desk.names(wish.away[:_NAMED])

    def found(result: tuple[dict[int, int], list[str]]) -> None:
        chosen.update(result[0])
        why = _why_not(wish, len(chosen))
        if not why:
            asked.tell(_question(wish, label, len(chosen), result[1]))
        elif is_on_top(asked):  # else it was answered already
            asked.drop(why)
            screen.refuse(why)

    asked = screen.host.confirm(
        None,
        label.value,
        lambda: screen.deciding.write(_decide_all, screen, chosen, label, shown),
        is_light=wish.is_light,
    )
    screen.in_background(find, found, "nothing was decided", asked.drop)


def _why_not(wish: _Wish, count: int) -> str:
    """Why so many cannot be decided at once; empty if they can."""
    from core.review.verdicts import MOST_AT_ONCE  # SQLAlchemy comes with it: not before the first paint

    if not count:
        return _NO_MARKED if wish.shown else _NO_CARD
    if count <= MOST_AT_ONCE:
        return ""
    if wish.shown:
        return f"bulk: {count} are marked, and one verdict falls on {MOST_AT_ONCE} at most"
    return f"bulk: more than {MOST_AT_ONCE} pass, and one verdict falls on no more: narrow the filter"


def _question(wish: _Wish, label: Label, count: int, names: list[str]) -> str:
    question = f"{label.value} for {counted(count, 'object')}"
    if not wish.is_light:
        question += ", not looked at one by one"
    if away := len(wish.away):  # they were marked under another filter
        more = ", …" if away > _NAMED else ""
        question += f"; {away} out of view: {', '.join(names)}{more}"
    return question


async def _decide_all(
    screen: "ReviewScreen", chosen: dict[int, int], label: Label, shown: dict[str, Any]
) -> None:
    desk, reading = screen.desk, screen.reading
    if desk is None or reading is None:
        return
    revealed = await asyncio.to_thread(desk.decide_together, list(chosen.values()), label, shown)
    reading.decide(chosen, label)
    for each in chosen:
        reading.forget(each)
        reading.queue.marks.pop(each, None)
    while (entry_here := reading.queue.current) is not None and entry_here.label is not None:
        reading.queue.move(1)
    screen.deciding.told(view.decided(label, counted(len(chosen), "object"), revealed=revealed))
    screen.show_place()
    screen.liking.answered(chosen)
    with suppress(AstridError):  # the verdicts are written: that is what counts
        await screen.deciding.tell_of_light(desk, list(chosen), label, is_one_back=False)
