"""What the review page says of an order of likeness: lines of values."""

from dataclasses import dataclass

from core.text import counted
from screens.lines import Line, Tone, span
from screens.review.queue import Queue


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is known of it.

    Attributes
    ----------
    name : str
        What the queue is most like; empty where it is in another order.
    examples, others : int
        What was learnt from.
    sought : str
        What more of is looked for now; empty for nothing, and where the order is made anew.
    done, total : int
        Of those that must be measured; 0 where there is nothing to measure, or nobody knows yet.
    back : str
        The key that leads back.
    more : str
        The key that looks for more.
    """

    name: str = ""
    examples: int = 0
    others: int = 0
    sought: str = ""
    done: int = 0
    total: int = 0
    back: str = "esc"
    more: str = "L"

    @property
    def is_told(self) -> bool:
        """Whether there is anything that the way back leads out of first."""
        return bool(self.name or self.sought)


def chip(like: Likeness) -> Line:
    """What order the queue is in, and the way back."""
    if not like.name:
        return ()
    back = "" if like.sought else f" {like.back} back "
    name = span(f" like {like.name} ", Tone.CHIP, 18 if like.sought else 40)
    return (name, span(back, Tone.DIM))


def behind_place(like: Likeness) -> Line:
    """What was learnt from, or what is still looked for."""
    if like.sought:
        measured = f": {like.done} of {like.total}" if like.total else " …"
        return (
            span("  more like ", Tone.KEY),
            span(like.sought, Tone.KEY, 23),
            span(measured, Tone.KEY),
            span(f"  {like.back} gives up", Tone.DIM),
        )
    if not like.name:
        return ()
    others = f", {counted(like.others, 'other')}" if like.others else ""
    return (span(f"  from {counted(like.examples, 'example')}{others}", Tone.DIM),)


def end_lines(queue: Queue, like: Likeness) -> list[Line]:
    """What was done at the end of what was found, and how to go on."""
    hint = (
        span(f" {like.more}", Tone.KEY),
        span(" looks for more, "),
        span(like.back, Tone.KEY),
        span(" goes back to the queue as it was, "),
        span("k", Tone.KEY),
        span(" one back."),
    )
    return [
        (span(f" The end of the {queue.total} that are most like {like.name}.", Tone.STRONG),),
        (span(f" {queue.decided} decided, {queue.undecided} passed over."),),
        behind_place(like) if like.sought else hint,
    ]
