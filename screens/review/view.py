"""The review screen as lines: values in, lines out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.coordinates import degrees_of_ra
from core.text import SafeText, counted, safe_text
from core.vocabulary import LABELS, Label, ReviewState
from screens.lines import Line, Span, Tone, indented, padded, span, spread, wrapped
from screens.review import like_lines
from screens.review.curve import curve_lines
from screens.review.drawings import GRAPHICS
from screens.review.epochs import AUTO, curve_points
from screens.review.facts import PAST, fact_lines, in_references, sexagesimal
from screens.review.layout import Layout, arrange
from screens.review.queue import Queue
from screens.review.said import last_note
from screens.review.steering import MODEL_ORDERS

if TYPE_CHECKING:
    from core.operations.headline import Headline
    from core.review.cards import Card
    from screens.review.desk import Earlier, Undone
    from screens.review.viewing import Viewing
    from screens.tty.graphics import Placed

_UNDECIDED = (ReviewState.UNREVIEWED, ReviewState.ESCALATED, ReviewState.LINKED)
_TONES = {ReviewState.REAL: Tone.GOOD, ReviewState.BOGUS: Tone.BAD}
MOST_CURVE_ROWS = 16  # in the place of images: a taller curve tells no more
_CHANGED = span("changed meanwhile", Tone.WARN)


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows."""

    headline: "Headline | None"
    filter: str
    queue: Queue
    card: "Card | None"
    viewing: "Viewing | None"
    theme: str
    blinked: bool
    notice: Line
    is_visit: bool = False  # esc leads back to the screen that the filter came from
    order: str = "score"
    like: like_lines.Likeness = field(default_factory=like_lines.Likeness)
    others: tuple[str, ...] = ()  # who else has the card open
    nothing: tuple[str, ...] = ()  # why no card passes the filter
    is_owed: bool = False  # the store did not answer
    width: int = 80
    said: Mapping[str, str] = field(default_factory=dict)  # what others decided of it, by reviewer
    measuring: Line = ()  # how far earlier frames are
    past: str = PAST  # what measures earlier frames; empty where nothing may


def page_lines(page: Page, layout: Layout) -> list[Line]:
    """The lines between header and notice."""
    if page.card is not None:
        middle = _card_lines(page.card, page, layout)
    else:  # there is room to say all of it
        middle = [(), *empty_lines(page), (), *indented(page.notice, layout.width)]
    return [chips(page, layout.width), *middle]


def layout_of(page: Page, width: int, height: int) -> Layout:
    """How the lines of a terminal are shared out to a page."""
    full_size = page.viewing is not None and page.viewing.full_size
    return arrange(
        width, height, full_size=full_size, has_score=page.card is not None and has_score(page.card)
    )


def picture_lines(page: Page, layout: Layout) -> list[Line]:
    """The images alone, which take the time; they are kept for a while, so that to show them takes none."""
    found = _images(page.card, page, layout) if page.card is not None else None
    return found[0] if found is not None else []


def chips(page: Page, width: int) -> Line:
    """The filter, the place in the queue, and what was decided of this card here."""
    queue = page.queue
    left: Line = ()
    if page.filter:
        chip = span(f" {page.filter} ", Tone.CHIP, max(width - (60 if page.like.is_told else 36), 8))
        leads = (
            " " if page.like.is_told or page.measuring else f" esc {'back' if page.is_visit else 'clears'} "
        )
        left = (chip, span(leads, Tone.DIM))
    left = (*left, *like_lines.chip(page.like))
    if queue.current is not None:
        left = (
            *left,
            span(f" {queue.place + 1} of {queue.length}{'' if queue.is_counted else '+'}", Tone.STRONG),
        )
        if queue.cut is not None:
            left = (*left, span(f", {queue.below} below the cut", Tone.DIM))
        left = (*left, *like_lines.behind_place(page.like), *page.measuring)
        if page.order != "score" and not page.like.is_told:
            left = (*left, span(f" by {page.order}", Tone.DIM))
        if queue.without:
            left = (*left, span(f", {queue.without} without", Tone.DIM))
        if queue.current.object_id in queue.marks:
            left = (*left, span("  marked", Tone.KEY))
        if marked := len(queue.marks):
            left = (*left, span(f"  {marked} marked", Tone.DIM))
        if page.others:
            left = (*left, span(f"  open: {', '.join(page.others)}", Tone.WARN, 30))
        for who, label in page.said.items():
            left = (*left, span(f"  {who}: ", Tone.WARN, 24), _label_span(label))
        if queue.decided:
            left = (*left, span(f"  {queue.decided} decided", Tone.DIM))
        left = (*left, *_said_here(page))
    epochs = [epoch.candidate_id for epoch in page.card.epochs] if page.card else []
    right: Line = ()
    if page.card and len(epochs) > 1 and page.card.candidate_id in epochs:
        place = len(epochs) - epochs.index(page.card.candidate_id)
        right = (span("[ ] ", Tone.KEY), span(f"detection {place} of {len(epochs)} ", Tone.DIM))
    return spread(left, right, width)


def _said_here(page: Page) -> Line:
    """What was decided of this card here, or before."""
    if (entry := page.queue.current) is not None and entry.label:
        return (span("  judged: ", Tone.DIM), _label_span(entry.label))
    if page.card is None or page.card.review_state in _UNDECIDED:
        return ()
    said = page.card.review_label
    return (span("  decided: ", Tone.WARN), _label_span(said) if said else span(page.card.review_state))


def empty_lines(page: Page) -> list[Line]:
    """What to do where there is no card."""
    queue, counts = page.queue, page.headline
    if counts is None:
        return []
    if queue.current is not None or not queue.is_read:
        return [_reading_line(page)]
    if queue.entries:
        return _end_lines(page)
    if page.order in MODEL_ORDERS and queue.without != 0:
        return [
            (span(f" No model has given any {page.order} yet: this order is empty.", Tone.STRONG),),
            *_without_lines(page),
        ]
    if page.filter:
        reasons = [line for each in page.nothing for line in indented((span(each),), page.width)]
        return [
            (span(" No card passes the filter.", Tone.STRONG),),
            *reasons,
            (
                span(" esc", Tone.KEY),
                span(" leads back, " if page.is_visit else " clears it, "),
                span("/", Tone.KEY),
                span(" changes it."),
            ),
        ]
    lines: list[Line] = [(span(" Nothing awaits a verdict.", Tone.STRONG),)]
    if counts.queued:
        lines.append(
            (span(f" Queued: {counted(counts.queued, 'frame')}. `astrid run` processes what is queued."),)
        )
    else:
        lines.append((span(" No frame is queued: `astrid ingest PATH` registers frames."),))
    stuck = (
        ("Waiting", counts.waiting, "for what"),
        ("Rejected", counts.rejected, "why"),
        ("Quarantined", counts.failed, "why"),
    )
    for state, count, asked in stuck:
        if count:
            told = f" {state}: {counted(count, 'frame')}. `astrid status` says {asked}."
            lines.append((span(told, Tone.WARN),))
    return lines


def _reading_line(page: Page) -> Line:
    what = "card" if page.queue.current is not None else "queue"
    if page.is_owed:
        return (span(f" The {what} is read as soon as the store answers.", Tone.WARN),)
    return (span(f" reading the {what} …", Tone.DIM),)


def _end_lines(page: Page) -> list[Line]:
    """What was done at the end, and what there is beyond it."""
    queue = page.queue
    if page.like.name:
        return like_lines.end_lines(queue, page.like)
    # A reader decides nothing, and is offered no way back from it.
    undo = (span(", "), span("u", Tone.KEY), span(" takes back the last verdict")) if queue.decided else ()
    lines: list[Line] = [
        (span(" The end of the queue.", Tone.STRONG),),
        (span(f" {queue.decided} decided, {queue.undecided} passed over."),),
        (span(" g", Tone.KEY), span(" goes to the first, "), span("k", Tone.KEY), span(" one back"), *undo,
         span(".")),
    ]  # fmt: skip
    if queue.cut is not None:
        lines[0] = (span(" The end of what the given time reaches.", Tone.STRONG),)
        lines.append(
            (
                span(f" Below the cut: {queue.below} more. "),
                span(":minutes off", Tone.KEY),
                span(" reads on."),
            )
        )
    if page.order in MODEL_ORDERS:
        lines += _without_lines(page)
    if queue.came_in:
        lines.append(
            (span(f" Came in since: {queue.came_in} more. "), span("j", Tone.KEY), span(" begins anew."))
        )
    return lines


def _without_lines(page: Page) -> list[Line]:
    """What an order leaves out."""
    others = f" Without any {page.order}, and so not in this order: {page.queue.without}."
    next_order: Line = (span(" O", Tone.KEY), span(" takes the next order."))
    return [(span(others),), next_order] if page.queue.without else [next_order]


def last_line(notice: Line, card: "Card | None", last_decision: Line) -> Line:
    """What happened last; else the newest note on this object; else the last decision."""
    line = notice or (last_note(card) if card else ()) or last_decision
    return (span(" "), *line) if line else ()


def says_more(before: "Card", now: "Card") -> bool:
    """Whether a card that was read again says anything else; what is hidden of it does not count."""
    told, tells = (
        (
            each.epochs,
            each.history,
            each.candidate,
            each.objects,
            each.expert,
            each.seen_again,
            each.in_references,
        )
        for each in (before, now)
    )
    return told != tells


def changed_meanwhile(notice: Line, card: "Card", last_decision: Line) -> Line:
    """That a card changed while it was looked at, before what is said anyway."""
    if notice and notice[0] == _CHANGED:
        notice = ()
    said = notice or last_note(card) or last_decision
    return (_CHANGED, *((span("  "), *said) if said else ()))


def decided(label: Label, name: str, objects: int = 1, revealed: str = "") -> Line:
    """The notice after a verdict, which may fall on several objects of one body; a bogus one on one alone.

    Where the verdict reveals that a source was injected, the notice says that instead.
    """
    is_bogus = LABELS[label].review_state == ReviewState.BOGUS
    also = "" if objects < 2 else " alone" if is_bogus else f" and {objects - 1} more of its tracklet"
    told: Line = (span(f"  {name}", limit=40), span(also))
    if label == Label.ASK_EXPERT:
        told = (*told, span("  k", Tone.KEY), span(", "), span(":assign NAME", Tone.KEY), span(" asks one"))
    return (
        _label_span(label),
        *((span(f"  {revealed}", Tone.WARN),) if revealed else told),
        span("  u", Tone.KEY),
        span(" takes it back", Tone.DIM),
    )


def others_said(label: Label, votes: Mapping[str, str], confirmed: str | None, *, is_disputed: bool) -> Line:
    """What others said of what was just decided, and what follows; those who differ first."""
    side = LABELS[label].review_state
    differ = [who for who, said in votes.items() if LABELS[Label(said)].review_state != side]
    line: Line = ()
    for who in differ or [*votes]:
        line = (*line, span(f"{', ' if line else ''}{who} said ", Tone.WARN, 40), _label_span(votes[who]))
    end = ": disputed" if is_disputed else f": {confirmed} is confirmed" if confirmed else ""
    return (*line, span("" if differ else " too", Tone.WARN), span(end, Tone.WARN))


def light_lost(references: Sequence[int], objects: int = 1, *, is_one_back: bool) -> Line:
    """That references may hold the light of what was just judged real, and the keys to read more of it."""
    more: Line = (span(": k, o", Tone.KEY), span(" tell more", Tone.DIM)) if is_one_back else ()
    return (span(in_references(references, objects), Tone.WARN), *more)


def changed_back(done: str, row: "Undone", count: int = 1) -> Line:
    """The notice after an undo or a redo: which verdict of what, and the way back."""
    what = f" for {count} verdicts" if count > 1 else f" of {row.name}"
    key, back = ("u", " takes it back") if row.label else ("ctrl+r", " gives it again")
    return (
        span(f"{done}: ", Tone.STRONG),
        _label_span(row.label or row.taken or ""),
        span(what, limit=44),
        span(f"; {row.revealed}" if row.revealed else "", Tone.WARN),
        span(f"  {key}", Tone.KEY),
        span(back, Tone.DIM),
    )


def ask_earlier(earlier: "Earlier", key: str) -> Line:
    """What an undo would reach that was decided at another sitting."""
    when = datetime.fromtimestamp(earlier.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        span("nothing of this sitting is left: ", Tone.WARN),
        span(key, Tone.KEY),
        span(" again takes back "),
        _label_span(earlier.label),
        span(f" of {earlier.name}", limit=44),
        span(f", given {when} at another", Tone.DIM),
    )


def has_score(card: "Card") -> bool:
    """Whether the significance of each pixel was kept with the card's images."""
    return card.cutouts is not None and card.cutouts.score is not None


def heading(card: "Card") -> SafeText:
    """The title of the page of details."""
    return safe_text(card.name, 40)


def copied_text(card: "Card") -> SafeText:
    """What goes to the clipboard: the name and, where there is one, the position."""
    if card.ra is None or card.dec is None:
        return safe_text(card.name)
    return safe_text(
        f"{card.name} {sexagesimal(card.ra, card.dec)} ({degrees_of_ra(card.ra, 6)}, {card.dec:+.6f})"
    )


def shown_record(card: "Card", viewing: "Viewing", theme: str, size: tuple[int, int]) -> dict[str, Any]:
    """What a verdict keeps of what was on the screen."""
    viewing = viewing.on_card(has_score=has_score(card))
    return card.shown(**viewing.record(theme), theme=theme, terminal=f"{size[0]}x{size[1]}")


def _card_lines(card: "Card", page: Page, layout: Layout) -> list[Line]:
    found = _images(card, page, layout)
    if found is None:
        return _without_images(card, page, layout)
    images, caption = found
    if layout.beside:  # at full size
        strip = fact_lines(card, layout.beside, len(images), columns=1, past=page.past)
        start = layout.width - layout.beside
        images = [(*padded(line, start), *fact) for line, fact in zip(images, strip, strict=True)]
    facts = fact_lines(card, layout.width, layout.fact_rows, past=page.past)
    return [*images, caption, *facts, *_curve_lines(card, page, layout.width, layout.curve_rows)]


def _images(card: "Card", page: Page, layout: Layout) -> tuple[list[Line], Line] | None:
    """The images and what stands below them; none where there are none."""
    if card.cutouts is None or page.viewing is None:
        return None
    from screens.review.draw import image_lines  # numpy comes with it: not before the first paint

    return image_lines(
        card.cutouts, layout, page.viewing.dressed(page.theme), **_chosen(card, page.viewing, page.blinked)
    )


def _without_images(card: "Card", page: Page, layout: Layout) -> list[Line]:
    """One sentence, and in the place of images more facts and a larger light curve: they must do."""
    problem = card.cutouts_problem or "No cutouts were kept of this candidate: judge by facts and curve."
    rows = layout.panel_rows + 1 + layout.fact_rows + layout.curve_rows
    said = wrapped((span(f" {problem}", Tone.WARN),), layout.width, max(layout.panel_rows - 1, 1))
    fact_rows = max(rows - len(said) - 2 - layout.curve_rows, layout.fact_rows)
    facts = fact_lines(card, layout.width, fact_rows, past=page.past)
    while facts and not facts[-1]:
        facts.pop()
    lines = [(), *said, (), *facts, ()][:rows]
    curve = _curve_lines(card, page, layout.width, min(rows - len(lines), MOST_CURVE_ROWS))
    return [*lines, *curve, *[()] * (rows - len(lines) - len(curve))]


def _curve_lines(card: "Card", page: Page, width: int, rows: int) -> list[Line]:
    points, magnitudes, unit = curve_points(card, page.viewing.curve if page.viewing else AUTO)
    plain_signs = page.viewing is not None and page.viewing.look.drawing == "ascii"
    return curve_lines(points, magnitudes=magnitudes, unit=unit, width=width, rows=rows, plain=plain_signs)


def pictures(page: Page, layout: Layout, cell: tuple[int, int] | None) -> "tuple[Placed, ...]":
    """What lies on the page's cells; ``cell`` as `Placed` has it."""
    if page.card is None or page.card.cutouts is None or page.viewing is None:
        return ()
    if page.viewing.look.drawing not in GRAPHICS:
        return ()
    from screens.review.draw import pictures as placed

    look = page.viewing.dressed(page.theme)
    return placed(page.card.cutouts, layout, look, cell, **_chosen(page.card, page.viewing, page.blinked))


def _chosen(card: "Card", viewing: "Viewing", blinked: bool) -> dict[str, Any]:
    viewing = viewing.on_card(has_score=has_score(card))
    return {"plane": viewing.plane, "blinked": blinked, "score": viewing.score}


def _label_span(label: str) -> Span:
    known = Label(label)
    return span(known.value, _TONES.get(LABELS[known].review_state, Tone.WARN))
