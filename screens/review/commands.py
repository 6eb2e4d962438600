"""The commands of the review screen besides its actions."""

from functools import partial
from typing import TYPE_CHECKING

from screens.frame.commands import Command, CommandRefused, Words
from screens.lines import Line, Tone
from screens.review.experts import expert_commands
from screens.review.export import export_command
from screens.review.liking import like_command
from screens.review.past import past_command
from screens.review.steering import NAMED_ORDERS, minutes_of, pace_lines
from screens.review.why_sheet import why_command
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.review.pace import Cut
    from screens.review.desk import Desk
    from screens.review.screen import ReviewScreen


def review_commands(screen: "ReviewScreen") -> list[Command]:
    """All of them; those that write are absent in read-only mode."""
    found = [
        export_command(screen),
        Command(
            "order",
            "order the queue: by score, brightness, age, or what models say of it",
            partial(_order, screen),
            "|".join(NAMED_ORDERS),
            lambda _: NAMED_ORDERS,
        ),
        like_command(screen),
        Command(
            "minutes",
            "cut the queue at what your own pace reaches in so many minutes; off: all of it",
            partial(_minutes, screen),
            "N|off",
            lambda _: ("off",),
        ),
        *expert_commands(screen),
        why_command(screen),
        Command("pace", "your pace, streaks and agreement with others", partial(_pace, screen)),
    ]
    if screen.host.read_only:
        return found
    return [
        *found,
        past_command(screen),
        Command(
            "save", "keep the filter by a name: @NAME stands for it", partial(_save, screen, False), "NAME"
        ),
        Command("forget", "forget a filter that was saved", partial(_save, screen, True), "NAME"),
    ]


def _desk(screen: "ReviewScreen") -> "Desk":
    if screen.desk is None:
        raise CommandRefused("the store is not open")
    return screen.desk


def _order(screen: "ReviewScreen", words: Words) -> None:
    if len(words) != 1 or words[0] not in NAMED_ORDERS:
        raise CommandRefused(f"the queue can be ordered by {', '.join(NAMED_ORDERS)}")
    screen.choosing.in_order(words[0])


def _minutes(screen: "ReviewScreen", words: Words) -> None:
    minutes, desk, choosing = minutes_of(words), _desk(screen), screen.choosing
    wish = choosing.wish = object()
    if screen.reading is not None and screen.reading.is_ranked:
        back = screen.host.registry.sign("back")
        screen.refuse(f"minutes cuts the queue in its own order: {back} leads back to that first")
        return
    if minutes is None:
        choosing.cut(None)
        return
    queue, filters, order, passed = screen.queue, screen.filter, choosing.order, screen.queue.passed

    def told(found: "Cut") -> None:
        if choosing.wish is not wish:  # another time was given since
            return
        if screen.queue is queue and not choosing.is_restarting:
            choosing.cut(found)
        else:
            choosing.once_here(partial(_minutes, screen, words))

    screen.in_background(lambda: desk.cut(minutes, filters, order, passed), told, "the queue was not cut")


def _pace(screen: "ReviewScreen", words: Words) -> None:
    if words:
        raise CommandRefused("pace takes no words")
    desk = _desk(screen)

    def told(lines: list[Line]) -> None:
        screen.show_page(Sheet("Pace and agreement", lambda _: lines))

    screen.in_background(lambda: pace_lines(*desk.measured()), told, "the pace was not measured")


def _save(screen: "ReviewScreen", forget: bool, words: Words) -> None:
    desk, filters = _desk(screen), screen.filter
    if len(words) != 1:
        raise CommandRefused(f"{'forget' if forget else 'save'} takes one name")
    name = words[0]

    def told(_: object) -> None:
        screen.filtering.forget_offered()
        said = f"the filter {name} is forgotten" if forget else f"kept: @{name} is {filters}"
        screen.say(said, Tone.GOOD)

    def work() -> None:
        if forget:
            desk.forget_filter(name)
        else:
            desk.save_filter(name, filters)

    screen.in_background(work, told, "nothing was changed")
