"""What can be done on the ingest screen, beyond what works on all of them."""

from core.vocabulary import DROPPABLE, ORDERED, REQUEUED, ObservationState
from screens.action import Action, Excuse, Situation, Where, no_row, no_store, no_writing


def _only(states: tuple[ObservationState, ...], done: str) -> Excuse:
    """The row's state must allow it; of marked rows those that do not are passed over."""

    def excuse(now: Situation) -> str | None:
        if reason := no_writing(now) or (None if now.marked else no_row(now)):
            return reason
        if now.marked or now.state in states:
            return None
        return f"a frame that is {now.state} cannot be {done}"

    return excuse


def _no_candidates(now: Situation) -> str | None:
    if reason := no_row(now):
        return reason
    return None if now.state == ObservationState.DONE else "only frames that are done have candidates"


def _ingest(
    id_: str, key: str, label: str, text: str, excuse: Excuse, footer: int = 0, *, dangerous: bool = False
) -> Action:
    keys = (key,) if key else ()
    return Action(f"ingest:{id_}", keys, label, text, Where.INGEST, "Ingest queue", footer, dangerous, excuse)


ACTIONS: tuple[Action, ...] = (
    _ingest("state-next", "l", "state", "frames of the next state", no_store, 7),
    _ingest("state-before", "h", "state back", "frames of the state before", no_store),
    _ingest("candidates", "c", "candidates", "review the frame's candidates", _no_candidates, 5),
    _ingest("mark-all", "a", "mark all", "mark every frame that the list shows, or none", no_store, 4),
    _ingest(
        "priority", "p", "priority", "move within the queue: a lower number runs first",
        _only(ORDERED, "moved"), 4,
    ),
    _ingest(
        "retry", "R", "retry", "queue again, as if new: the marked frames, or the one under the cursor",
        _only(REQUEUED, "queued again"), 8, dangerous=True,
    ),
    _ingest(
        "drop", "D", "drop", "take out of the queue: the marked frames, or the one under the cursor",
        _only(DROPPABLE, "dropped"), 8, dangerous=True,
    ),
    _ingest("frame-before", "left_square_bracket", "frame before", "the list's frame before", no_row),
    _ingest("frame-after", "right_square_bracket", "next frame", "the list's next frame", no_row),
)  # fmt: skip
