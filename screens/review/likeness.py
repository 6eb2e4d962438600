"""A search for more like some cards: what is looked for, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.text import counted, safe_text

if TYPE_CHECKING:
    from core.operations.command_process import Report
    from core.operations.search_process import SearchProcess
    from screens.review.desk import Desk

LOOKS = 100  # of a rare kind most are found within so many
ANSWERS = 10  # after so many the order is made anew: of twice as many less is found


@dataclass(frozen=True, slots=True)
class Wish:
    """What more of is looked for.

    Attributes
    ----------
    name : str
        As it is told.
    marked : tuple of (int, int or None)
        Objects that are examples, each with the detection that was shown, none for the best one.
    word : str or None
        A tag or a verdict whose bearers are examples.
    since : int or None
        What is written after this row of the store teaches; none: not known yet.
    """

    name: str
    marked: tuple[tuple[int, int | None], ...] = ()
    word: str | None = None
    since: int | None = None

    @classmethod
    def of_cards(cls, name: str, marked: Sequence[tuple[int, int | None]]) -> "Wish":
        """More like some cards; of one its name is told."""
        told = safe_text(name, 30) if len(marked) == 1 else f"{counted(len(marked), 'marked card')}"
        return cls(told, tuple(marked))

    @classmethod
    def of_word(cls, word: str) -> "Wish":
        """More of what reviewers tagged or judged so."""
        bare = word.removeprefix("#")
        return cls(safe_text(bare, 30), word=bare)


@dataclass(frozen=True, slots=True)
class Found:
    """Cards that await a verdict, the likeliest first, and how many taught it.

    Each is an object and the detection to show, none for the best one.
    """

    cards: tuple[tuple[int, int | None], ...]
    examples: int
    others: int


def search(
    desk: "Desk", wish: Wish, filters: str, limit: int, process: "SearchProcess", report: "Report"
) -> tuple[Wish, Found]:
    """Ask for it, and say since when it is learnt; blocks.

    Raises
    ------
    AstridError
    """
    from core.operations.search_process import SearchFailed

    if wish.word is not None and not desk.is_given(wish.word):  # else all would be measured for nothing
        raise SearchFailed(f"nothing is tagged or was judged {wish.name}")
    if wish.since is None:
        wish = replace(wish, since=desk.newest_row())
    shown = desk.candidates_shown(dict(wish.marked)) if wish.marked else {}
    taught = desk.taught([*shown.values()], wish.since or 0, wish.word)
    if not taught.like and wish.word is None:
        raise SearchFailed("no example has images that count any longer")
    words = ["--queue", f"--limit={limit}"]
    words += [f"--filter={filters}"] if filters else []
    words += [f"--tag={wish.word}"] if wish.word is not None else []
    words += [f"--like={each}" for each in taught.like]
    words += [f"--unlike={each}" for each in taught.unlike]
    try:
        told = process.run(words, report)
    except OSError as error:
        raise SearchFailed(f"the search cannot be started: {error.strerror or error}") from error
    found = {int(each["object_id"]): int(each["id"]) for each in told["candidates"]}
    best = desk.candidates_shown(dict.fromkeys(found))  # what counts no longer is left out
    cards = tuple((key, None if one == best[key] else one) for key, one in found.items() if key in best)
    if not told["examples"]:
        raise SearchFailed("no example has images that can be compared")
    return wish, Found(cards, told["examples"], told["others"])
