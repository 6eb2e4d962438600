"""`astrid review`: the review queue; with --linear as questions and answers, line by line."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import person_of, print_text, remark, settings_of, store_of
from core.vocabulary import LABELS, ExitCode, ReviewState

if TYPE_CHECKING:
    from core.review.cards import Card
    from core.review.waiting import QueueRow
    from screens.review.desk import Desk, Undone

HELP = (
    "Answer with a verdict, by its word or its letter:",
    *(f"  {facts.key}, {label.value}: {facts.meaning}" for label, facts in LABELS.items()),
    "or with one of these:",
    "  skip: the next card, without a verdict",
    "  note WORDS: a note on this candidate, #words are its tags",
    "  details: everything that is known of it",
    "  repeat: this card once more",
    "  undo, redo: the last verdict",
    "  quit: the end",
)
_WIDTH, _FACTS = 79, 9  # one fact a line


def review(
    context: typer.Context,
    linear: Annotated[
        bool, typer.Option("--linear", help="Questions and answers line by line, for screen readers.")
    ] = False,
    filters: Annotated[
        str, typer.Option("--filter", help='With --linear: such as "score>0.8 mag<20", or @NAME.')
    ] = "",
    order: Annotated[
        str, typer.Option(help="With --linear: score, brightness, age, uncertainty or anomaly.")
    ] = "score",
) -> None:
    """Judge what awaits a verdict: in the console, or with --linear by plain text alone."""
    invocation = context.find_root().obj
    if not linear:
        if filters or order != "score":
            raise typer.BadParameter("filter and order are for --linear; the console remembers its own")
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise typer.BadParameter("the console needs a terminal; --linear does not", param_hint="--linear")
        from astrid_tui.app import run_console

        raise typer.Exit(run_console(invocation.config, invocation.read_only))
    from screens.review.desk import Desk, Habits

    settings = settings_of(context).review
    store = store_of(context, read_only=invocation.read_only)
    desk = Desk(store, person_of(context), Habits.of(settings, read_only=invocation.read_only))
    Sitting(desk, desk.expanded(filters), order, read_only=invocation.read_only).run()


class Sitting:
    """Cards one after the other, each a few lines and one question."""

    def __init__(self, desk: "Desk", filters: str, order: str, *, read_only: bool) -> None:
        self._desk, self._filters, self._order = desk, filters, order
        self._read_only = read_only
        self._decided = 0

    def run(self) -> None:
        """Ask until the queue or the answers end."""
        total = self._desk.total(self._filters, self._order)
        print_text(f"{total} objects await a verdict. Images are not described: facts and numbers are.")
        place = 0
        for place, row in enumerate(self._rows(), start=1):
            if not self._card(row, place, total):
                break
        else:
            print_text("The end of the queue." if place else "Nothing awaits a verdict here.")
        print_text(f"{self._decided} decided.")

    def _rows(self) -> Iterator["QueueRow"]:
        after: str | None = None
        while True:
            page = self._desk.page(after=after, filters=self._filters, order=self._order)
            yield from page.rows
            after = page.next
            if after is None:
                return

    def _card(self, row: "QueueRow", place: int, total: int) -> bool:  # noqa: PLR0912 one for each answer
        """Ask about one object until it is decided or passed over; whether to go on."""
        card = self._desk.card(row.object_id)
        print_text(f"Card {place} of {total}.")
        self._tell(card)
        while True:
            typer.echo("Verdict?")
            line = sys.stdin.readline()
            if not line:
                return False
            word, _, rest = line.strip().partition(" ")
            match word.lower():
                case "quit":
                    return False
                case "skip":
                    return True
                case "help" | "?":
                    for told in HELP:
                        print_text(told)
                case "repeat":
                    self._tell(card)
                case "details":
                    self._details(card)
                case "":
                    print_text("Nothing was answered. help lists the answers.")
                case _ if self._read_only:
                    print_text("Read-only: nothing is written. skip goes on, quit ends.")
                case "undo":
                    self._changed(self._desk.undo(), "taken back", "There is no verdict to take back.")
                case "redo":
                    self._changed(self._desk.redo(), "given again", "There is nothing to give again.")
                case "note":
                    self._note(card, rest)
                    card = self._desk.card(row.object_id)
                case _ if not rest and self._decide(card, word):
                    return True
                case _ if rest:
                    print_text("That is not understood. help lists the answers.")

    def _tell(self, card: "Card") -> None:
        from screens.lines import plain
        from screens.review.facts import fact_lines, last_note

        for line in (*fact_lines(card, _WIDTH, _FACTS), last_note(card)):
            if text := plain(line).strip():
                print_text(text)
        if others := self._desk.others(card.object_id):
            print_text(f"Open by {', '.join(others)} too.")

    def _details(self, card: "Card") -> None:
        from screens.lines import plain
        from screens.review.facts import detail_lines

        for line in detail_lines(card, 400):
            print_text(plain(line).rstrip())

    def _decide(self, card: "Card", word: str) -> bool:
        from core.errors import AstridError
        from screens.frame.commands import CommandRefused
        from screens.review.steering import label_of

        try:
            label = label_of(word)
        except CommandRefused:
            print_text(f"{word} is no verdict. help lists the answers.")
            return False
        shown: dict[str, Any] = card.shown(by="linear")
        try:
            revealed = self._desk.decide(card.candidate_id, label, shown)
        except AstridError as error:
            remark(f"NOT written: {error}")
            raise typer.Exit(ExitCode.FAILED) from error
        self._decided += 1
        print_text(f"{card.name} is {label.value}: {LABELS[label].meaning}.")
        if card.tracklet is not None and (more := len(card.objects) - 1) > 0:
            others = f"{more} more object{'s' if more > 1 else ''} of tracklet {card.tracklet.id}"
            is_bogus = LABELS[label].review_state == ReviewState.BOGUS
            print_text(f"{others}: {'not judged by this' if is_bogus else 'the same'}.")
        if revealed:
            print_text(f"{revealed[0].upper()}{revealed[1:]}.")
        return True

    def _note(self, card: "Card", text: str) -> None:
        from screens.review.steering import Remark

        said = Remark.read(text)
        if not said.note and not said.tags:
            print_text("A note needs words.")
            return
        self._desk.annotate(card.candidate_id, said.note, said.tags)
        print_text("The note is kept.")

    def _changed(self, row: "Undone | None", done: str, nothing: str) -> None:
        if row is None:
            print_text(nothing)
            return
        name = self._desk.card(row.object_id, row.candidate_id).name
        count = len(row.objects)
        print_text(f"{name}: {done}." if count == 1 else f"{count} verdicts {done}.")
