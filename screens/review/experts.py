"""Experts: asking one about the card, what awaits one, and what reviewers differ on."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from core.vocabulary import Label
from screens.frame.commands import Command, CommandRefused, Words
from screens.lines import Tone, span

if TYPE_CHECKING:
    from core.review.cards import Card
    from screens.review.queue import Entry
    from screens.review.screen import ReviewScreen


def expert_commands(screen: "ReviewScreen") -> list[Command]:
    """All of them; the one that writes is absent in read-only mode."""
    found = [
        Command(
            "experts",
            "what awaits an expert; of one expert by name, or your own: me",
            partial(_awaiting, screen),
            "[NAME|me]",
            lambda _: ("me", *_experts(screen)),
            chooses=True,
        ),
        Command(
            "disagreements",
            "what reviewers differ on and no expert has settled; a verdict of an expert settles it",
            partial(_disputed, screen),
            chooses=True,
        ),
    ]
    if screen.host.read_only:
        return found
    asking = Command(
        "assign",
        "ask one expert about this card, which then awaits that one",
        partial(_assign, screen),
        "NAME",
        lambda _: _experts(screen),
    )
    return [*found, asking]


def _experts(screen: "ReviewScreen") -> tuple[str, ...]:
    return screen.desk.habits.experts if screen.desk else ()


def _awaiting(screen: "ReviewScreen", words: Words) -> None:
    if len(words) > 1:
        raise CommandRefused("experts takes the name of one expert, me, or nothing: what awaits any")
    if not words:
        screen.choose("state:escalated")
    elif words[0] == "me":
        screen.choose("expert:me")
    else:
        from core.review.filter_words import quoted  # SQLAlchemy comes with it: not before the first paint

        screen.choose(f"expert:{quoted(words[0])}")


def _disputed(screen: "ReviewScreen", words: Words) -> None:
    if words:
        raise CommandRefused("disagreements takes no words")
    screen.choose("disputed:yes")


def _assign(screen: "ReviewScreen", words: Words) -> None:
    card, entry = screen.card, screen.queue.current
    if len(words) != 1:
        raise CommandRefused("assign takes the name of an expert, and asks about the card that is open")
    if card is None or entry is None:
        raise CommandRefused("nobody was asked: there was no card yet to ask about")
    if screen.is_busy:
        raise CommandRefused("the last change is still being written")
    screen.deciding.write(_ask, screen, card, entry, words[0])


async def _ask(screen: "ReviewScreen", card: "Card", entry: "Entry", expert: str) -> None:
    desk, reading = screen.desk, screen.reading
    if desk is None or reading is None:
        return
    name, doubt = await asyncio.to_thread(desk.assign, card.object_id, expert)
    reading.decide([entry.object_id], Label.ASK_EXPERT)
    reading.forget(entry.object_id)
    screen.show_place()
    told = (span(name, Tone.STRONG, 40), span(" awaits "), span(expert, Tone.GOOD, 40))
    screen.deciding.told((*told, span("  u", Tone.KEY), span(" takes it back", Tone.DIM)))
    if doubt:
        screen.say_line((*told, span(f"; {doubt}", Tone.WARN)))
