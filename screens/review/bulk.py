"""Many cards at once: marks, and one verdict for all that are marked or all that pass the filter."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.vocabulary import Label
from screens.review import view
from screens.review.steering import FEW, label_of, label_words

_NAMED = 3  # marked objects out of view that are named

if TYPE_CHECKING:
    from screens.review.screen import ReviewScreen


def mark(screen: "ReviewScreen") -> None:
    """Mark the card and go on, or take its mark away."""
    entry = screen.queue.current
    if entry is None:
        screen.refuse("there is no card to mark")
        return
    marks, card = screen.queue.marks, screen.card
    if entry.object_id in marks:
        del marks[entry.object_id]
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
    """Count what would be decided, and let many be confirmed by a word."""
    desk, marked = screen.desk, sorted(shown)
    if desk is None or not text:
        screen.prompt.close()
        return
    try:
        label = label_of(text)
    except AstridError as error:
        screen.refuse(error)
        return
    screen.prompt.close()

    away = _out_of_view(screen, marked)

    def find() -> tuple[dict[int, int], list[str]]:
        if not marked:
            return dict(desk.passing(filters, order)), []
        return desk.candidates_shown(shown), desk.names(away[:_NAMED])

    def found(result: tuple[dict[int, int], list[str]]) -> None:
        chosen, names = result
        why = {"by": "bulk", "filter": filters, "chosen": "marks" if marked else "filter"}

        def decide() -> None:
            screen.deciding.write(_decide_all, screen, chosen, label, why)

        if not chosen:
            screen.refuse("bulk: no card passes the filter")
        elif len(chosen) <= FEW and marked and not away:
            decide()
        else:
            question = f"{label.value} for {len(chosen)} objects, not looked at one by one"
            if away:  # they were marked under another filter
                more = ", …" if len(away) > _NAMED else ""
                question += f"; {len(away)} out of view: {', '.join(names)}{more}"
            screen.host.confirm(question, label.value, decide)

    screen.in_background(find, found, "nothing was decided")


async def _decide_all(
    screen: "ReviewScreen", chosen: dict[int, int], label: Label, shown: dict[str, Any]
) -> None:
    desk, reading = screen.desk, screen.reading
    if desk is None or reading is None:
        return
    revealed = await asyncio.to_thread(desk.decide_together, list(chosen.values()), label, shown)
    reading.queue.decide(chosen, label)
    for each in chosen:
        reading.forget(each)
        reading.queue.marks.pop(each, None)
    while (entry_here := reading.queue.current) is not None and entry_here.label is not None:
        reading.queue.move(1)
    screen.deciding.told(view.decided(label, f"{len(chosen)} objects", revealed=revealed))
    screen.show_place()
