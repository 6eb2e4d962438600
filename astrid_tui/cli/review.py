"""`astrid review`: the review queue; with --linear as questions and answers, line by line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import card_orders
from astrid_tui.cli.invocation import one_filter, person_of, print_text, remark, settings_of, store_of
from core.text import counted
from core.vocabulary import LABELS, ExitCode, ReviewState

if TYPE_CHECKING:
    from core.review.cards import Card
    from core.review.waiting import CardPage
    from screens.review.desk import Desk, Earlier, Undone

HELP = (
    "Answer with a verdict, by its word or its letter:",
    *(f"  {facts.key}, {label.value}: {facts.meaning}" for label, facts in LABELS.items()),
    "or with one of these:",
    "  skip: the next card, without a verdict",
    "  w, note WORDS: a note on this candidate, #words are its tags",
    "  o, details: everything that is known of it",
    "  repeat: this card once more",
    "  u, undo: take the last verdict back, and judge that card again; redo: give it again",
    "  q, quit: the end",
)
LETTERS = {"u": "undo", "w": "note", "o": "details", "q": "quit"}  # as in the console; no verdict has them


def review(
    context: typer.Context,
    linear: Annotated[
        bool, typer.Option("--linear", help="Questions and answers line by line, for screen readers.")
    ] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help='With --linear: such as "score>0.8 mag<20", or @NAME.'),
    ] = None,
    order: Annotated[
        str,
        typer.Option(
            autocompletion=card_orders,
            help="With --linear: score, brightness, age, uncertainty or anomaly.",
        ),
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

        raise typer.Exit(run_console(invocation.config, invocation.read_only, at_review=True))
    from screens.review.desk import Desk, Habits

    settings = settings_of(context).review
    store = store_of(context, read_only=invocation.read_only)
    desk = Desk(store, person_of(context), Habits.of(settings, read_only=invocation.read_only))
    Sitting(desk, desk.expanded(one_filter(filters)), order, read_only=invocation.read_only).run()


@dataclass(frozen=True, slots=True)
class Entry:
    """A card of this sitting; ``place`` is none where it was decided in an earlier one."""

    object_id: int
    place: int | None
    is_again: bool = False  # decided before by the same reviewer, and shown blind once more
    candidate_id: int | None = None  # the detection that the filter asks for, where it is not the best one


class Sitting:
    """Cards one after the other, each a few lines and one question."""

    def __init__(self, desk: "Desk", filters: str, order: str, *, read_only: bool) -> None:
        self._desk, self._filters, self._order = desk, filters, order
        self._read_only = read_only
        self._decided: list[int] = []  # objects, in order
        self._repeats = 0
        self._shown: dict[int, Entry] = {}
        self._asked: Earlier | None = None  # what of another sitting was named, to be taken back
        self._next: list[Entry] = []  # cards that come before the rest of the queue, the last one first

    def run(self) -> None:
        """Ask until the queue or the answers end."""
        from core.review.card_terms import holds_decided

        total = self._desk.total(self._filters, self._order)
        what = (
            "passing the filter, decided ones too" if holds_decided(self._filters) else "awaiting a verdict"
        )
        print_text(f"{counted(total, 'object')} {what}. Images are not described: facts and numbers are.")
        queue = self._entries()
        try:
            while (entry := self._next.pop() if self._next else next(queue, None)) is not None:
                self._shown[entry.object_id] = entry
                if not self._card(entry, total):
                    break
            else:
                print_text("The end of the queue." if self._shown else "Nothing awaits a verdict here.")
        finally:
            if not self._read_only:
                self._desk.put_away(for_good=True)
        print_text(f"{len(self._decided)} decided.")

    def _entries(self) -> Iterator[Entry]:
        after: str | None = None
        place = 0
        while True:
            page = self._desk.page(after=after, filters=self._filters, order=self._order)
            chosen = {row.object_id: row.candidate_id for row in page.rows if row.is_chosen}
            for object_id, is_again in self._with_repeats(page):
                place += 1
                yield Entry(object_id, place, is_again, chosen.get(object_id))
            after = page.next
            if after is None:
                return

    def _with_repeats(self, page: "CardPage") -> list[tuple[int, bool]]:
        """The objects of a page, and among them some that were decided before, each near its own rank."""
        cards = [(row.object_id, False) for row in page.rows]
        if self._filters or self._read_only or not self._desk.habits.again_share:
            return cards
        repeats = self._desk.again([key for key, _ in cards], self._order)
        for object_id, place in reversed(repeats):  # the last first: places before it stay
            cards.insert(place, (object_id, True))
        self._repeats += len(repeats)
        return cards

    def _card(self, entry: Entry, total: int) -> bool:
        """Ask about one object until it is decided, passed over or another comes first; whether to go on."""
        card = self._read(entry)
        known = entry.place is not None
        print_text(f"Card {entry.place} of {total + self._repeats}." if known else "A card once more.")
        self._tell(card)
        with self._marked_open(entry.object_id):
            while True:
                typer.echo("Verdict?")
                line = sys.stdin.readline()
                if not line:
                    return False
                word, _, rest = line.strip().partition(" ")
                word = LETTERS.get(word, word)
                if word.lower() == "quit":
                    return False
                if word.lower() == "skip":
                    return True
                if word.lower() in {"undo", "redo"} and not self._read_only:
                    if self._changed(entry, word.lower()):
                        return True
                elif word.lower() == "note" and not self._read_only:
                    self._note(card, rest)
                    card = self._read(entry)
                elif self._answered(card, entry, word, rest):
                    return True

    def _answered(self, card: "Card", entry: Entry, word: str, rest: str) -> bool:
        """Answer what asks for words or gives a verdict; whether the card is decided."""
        match word.lower():
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
            case _ if not rest:
                return self._decide(card, entry, word)
            case _:
                print_text("That is not understood. help lists the answers.")
        return False

    def _read(self, entry: Entry) -> "Card":
        return self._desk.card(entry.object_id, entry.candidate_id, again=entry.is_again)

    @contextmanager
    def _marked_open(self, object_id: int) -> Iterator[None]:
        """Tell others that this card is open here, for as long as it is."""
        from core.errors import AstridError

        if self._read_only:
            yield
            return
        answered = Event()

        def tell() -> None:
            while True:
                with suppress(AstridError):  # a verdict will say that the store does not answer
                    self._desk.keep_open(object_id)
                if answered.wait(self._desk.habits.open_card_s / 3):
                    return

        teller = Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            answered.set()
            teller.join()

    def _tell(self, card: "Card") -> None:
        from astrid_tui.cli.spoken import card_lines, spoken

        for line in card_lines(card):
            print_text(spoken(line))
        if others := self._desk.others(card.object_id):
            print_text(f"Open by {', '.join(others)} too.")

    def _details(self, card: "Card") -> None:
        from astrid_tui.cli.spoken import curve_lines, past, spoken
        from screens.lines import plain
        from screens.review.facts import detail_lines

        for line in detail_lines(card, 400, past=past(card)):
            if text := spoken(plain(line)):
                print_text(text)
        for told in curve_lines(card.light_curve):
            print_text(told)

    def _decide(self, card: "Card", entry: Entry, word: str) -> bool:
        from core.errors import AstridError
        from core.review.pace import AGAIN
        from screens.frame.commands import CommandRefused
        from screens.review.steering import label_of

        try:
            label = label_of(word)
        except CommandRefused:
            print_text(f"{word} is no verdict. help lists the answers.")
            return False
        shown: dict[str, Any] = card.shown(by="linear")
        if entry.is_again:
            shown[AGAIN] = True
        try:
            revealed = self._desk.decide(card.candidate_id, label, shown)
        except AstridError as error:
            remark(f"NOT written: {error}")
            raise typer.Exit(ExitCode.FAILED) from error
        self._decided.append(card.object_id)
        print_text(f"{card.name} is {label.value}: {LABELS[label].meaning}.")
        if card.tracklet is not None and (more := len(card.objects) - 1) > 0:
            others = f"{more} more object{'s' if more > 1 else ''} of tracklet {card.tracklet.id}"
            is_bogus = LABELS[label].review_state == ReviewState.BOGUS
            print_text(f"{others}: {'not judged by this' if is_bogus else 'the same'}.")
        if revealed:
            print_text(f"{revealed[0].upper()}{revealed[1:]}.")
        if LABELS[label].review_state == ReviewState.REAL:
            self._tell_of_light(card)
        return True

    def _tell_of_light(self, card: "Card") -> None:
        """Say which references hold the light of what was just judged real, if any does."""
        from core.errors import AstridError
        from core.objects.reference_light import told

        with suppress(AstridError):  # the verdict is written: that is what counts
            if light := told(self._desk.in_references(card.objects)):
                print_text(f"{light[0].upper()}{light[1:]}.")

    def _note(self, card: "Card", text: str) -> None:
        from screens.review.steering import Remark

        said = Remark.read(text)
        if not said.note and not said.tags:
            print_text("A note needs words.")
            return
        self._desk.annotate(card.candidate_id, said.note, said.tags)
        print_text("The note is kept.")

    def _undo(self) -> "Undone | None":
        """Take back what was decided at this sitting; what was at another one only once it was named."""
        asked, self._asked = self._asked, None
        if (row := self._desk.undo()) is not None:
            return row
        earlier = self._desk.earlier()
        if earlier is not None and earlier != asked:
            self._asked = earlier
            print_text(
                "Nothing of this sitting is left to take back. "
                f"undo again takes back {earlier.label} of {earlier.name}, given at another sitting."
            )
            return None
        return self._desk.undo_earlier(earlier) if earlier is not None else None

    def _changed(self, entry: Entry, word: str) -> bool:
        """Take a verdict back, whose card comes back then, or give it again; whether another card is next."""
        if word == "redo":
            self._asked = None
        row = self._undo() if word == "undo" else self._desk.redo()
        if self._asked is not None:
            return False
        if row is None:
            print_text(
                f"There is {'no verdict to take back' if word == 'undo' else 'nothing to give again'}."
            )
            return False
        objects = row.objects or (row.object_id,)
        done = "taken back" if word == "undo" else f"given again, {row.label}"
        name = self._desk.card(row.object_id, row.candidate_id).name
        print_text(f"{name}: {done}." if len(objects) == 1 else f"{len(objects)} verdicts {done}.")
        if row.revealed:
            print_text(f"{row.revealed[0].upper()}{row.revealed[1:]}.")
        for key in objects:
            if word == "redo":
                self._decided.append(key)
            elif key in self._decided:
                self._decided.remove(key)
        if word == "redo":
            self._next = [each for each in self._next if each.object_id not in objects]
            return entry.object_id in objects
        if row.revealed:
            return False  # an injected source: nobody need judge it again
        back = [self._shown.get(key) or Entry(key, None) for key in objects if key != entry.object_id]
        self._next += [entry, *back[::-1]]
        return True
