"""The ingest screen's list as lines: states, how the queue stands, where frames come from, the frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from core.text import counted, hourly
from core.vocabulary import ObservationState
from screens.ages import ago, length, short, work
from screens.lines import Line, Span, Tone, cells_of, drawn, padded, shortened, span, spread

if TYPE_CHECKING:
    from core.frames.frame_list import Counted, FrameRow
    from core.frames.intake import Folder, Intake

ALL = ""  # the state that stands for every one
STATES: tuple[str, ...] = (
    ALL,
    ObservationState.QUEUED,
    ObservationState.RUNNING,
    ObservationState.WAITING,
    ObservationState.DONE,
    ObservationState.REJECTED,
    ObservationState.QUARANTINED,
    ObservationState.DROPPED,
    ObservationState.CALIBRATION,
)
STATE_TONES: dict[str, Tone] = {
    ObservationState.DONE: Tone.GOOD,
    ObservationState.QUARANTINED: Tone.BAD,
    ObservationState.REJECTED: Tone.WARN,
    ObservationState.WAITING: Tone.WARN,
    ObservationState.RUNNING: Tone.STRONG,
}
MEANINGS: dict[str, str] = {
    ALL: "every frame, the newest first",
    ObservationState.QUEUED: "as workers take them",
    ObservationState.RUNNING: "in the hands of a worker",
    ObservationState.WAITING: "no reference covers them yet",
    ObservationState.DONE: "the newest first",
    ObservationState.REJECTED: "unusable: trying again would not help, unless the cause is gone",
    ObservationState.QUARANTINED: "dead letters: they failed where they should not have",
    ObservationState.DROPPED: "taken out by hand",
    ObservationState.CALIBRATION: "biases, darks and flats",
}
_MOST_FOLDERS = 3
_FALLING_BEHIND = 1.0
_OLD_S = 3600.0
_LEAST_ROWS_FOR_REASON = 6


@dataclass(frozen=True, slots=True)
class Marks:
    """The rows that an action takes: some by their ids, or every one of the list."""

    ids: frozenset[int] = frozenset()
    everything: bool = False

    def has(self, frame_id: int) -> bool:
        """Whether a row is marked."""
        return self.everything or frame_id in self.ids

    def toggled(self, frame_id: int) -> Marks:
        """With one row marked that was not, or the other way round."""
        return Marks(self.ids ^ {frame_id})

    def count(self, total: Counted) -> int:
        """How many frames are marked."""
        return total.frames if self.everything else len(self.ids)


@dataclass(frozen=True, slots=True)
class ListPage:
    """All that the list shows.

    Attributes
    ----------
    top, here : int
        Of the rows that were read: the first that is shown, and the one under the cursor.
    before : Counted
        Frames before the first row that was read.
    """

    now: float
    state: str
    chip: Line
    intake: Intake
    rows: Sequence[FrameRow]
    top: int
    here: int
    before: Counted
    total: Counted
    marks: Marks = Marks()


def list_lines(page: ListPage, width: int, rows: int) -> list[Line]:
    """The page, at most `rows` lines."""
    head = head_lines(page, width, rows)
    return [*head, *frame_lines(page, width, rows - len(head))]


def room_for_frames(page: ListPage, width: int, rows: int) -> int:
    """How many frames the page shows."""
    room = rows - len(head_lines(page, width, rows)) - 1
    return max(room - bool(_reason_rows(page, width, room)), 1)


def head_lines(page: ListPage, width: int, rows: int) -> list[Line]:
    """What stands above the frames; where rows are few, only what tells which frames they are."""
    lines = [state_line(page.intake, page.state, width)]
    if rows >= 12:
        lines += [shortened(standing_line(page.intake, page.now), width)]
        lines += folder_lines(page.intake.folders, page.now, width)
    lines.append(place_line(page, width))
    return lines


def state_line(intake: Intake, chosen: str, width: int) -> Line:
    """The states with how many frames are in each; those that fit about the chosen one."""
    shown = [state for state in STATES if state in (ALL, chosen) or intake.counts.get(state)]
    chips = [_state_chip(state, _in_state(intake, state), state == chosen) for state in shown]
    first, last = (shown.index(chosen),) * 2
    while True:  # grow about the chosen one as long as there is room
        lengths = [cells_of(chip) for chip in chips]
        grown = [(first - 1, last), (first, last + 1)]
        fits = [
            (a, b) for a, b in grown if a >= 0 and b < len(chips) and sum(lengths[a : b + 1]) + 2 <= width
        ]
        if not fits:
            break
        first, last = fits[-1]
    more: Line = (span("<" if first else " ", Tone.DIM),)
    line = tuple(piece for chip in chips[first : last + 1] for piece in chip)
    return (*more, *line, span(">" if last + 1 < len(chips) else " ", Tone.DIM))


def _in_state(intake: Intake, state: str) -> int:
    return intake.total if state == ALL else intake.counts.get(state, 0)


def _state_chip(state: str, frames: int, is_chosen: bool) -> Line:
    if is_chosen:
        return (span(f" {state or 'all'} {frames} ", Tone.CHIP),)
    tone = STATE_TONES.get(state, Tone.PLAIN)
    loud = tone in (Tone.BAD, Tone.WARN)
    return (span(f" {state or 'all'} ", Tone.DIM), span(f"{frames} ", tone if loud else Tone.PLAIN))


def standing_line(intake: Intake, now: float) -> Line:
    """How long frames wait, how fast they are processed, and whether that is fast enough."""
    pieces: list[Line] = []
    if intake.oldest_at is not None:
        age = now - intake.oldest_at
        pieces.append(
            (span("oldest ", Tone.DIM), span(length(age), Tone.WARN if age > _OLD_S else Tone.PLAIN))
        )
    if (factor := intake.keeps_up) is not None:
        behind = factor < _FALLING_BEHIND
        word = f"falls behind {factor:.2g}×" if behind else f"keeps up {factor:.2g}×"
        pieces.append((span(word, Tone.WARN if behind else Tone.GOOD),))
    if intake.pace.per_hour is not None:
        pieces.append((span(hourly(intake.pace.per_hour)),))
    if intake.cadence_s:
        pieces.append((span("camera ", Tone.DIM), span(f"one in {work(intake.cadence_s)}")))
    if intake.pace.work_s is not None:
        pieces.append((span(f"{work(intake.pace.work_s)} each"),))
    if intake.arrived:
        pieces.append((span(f"{intake.arrived} came in 1 h"),))
    if not pieces:
        pieces = [(span("no frame was processed yet", Tone.DIM),)]
    return (drawn(" "), *_joined(pieces))


def folder_lines(folders: Sequence[Folder], now: float, width: int) -> list[Line]:
    """The folders that are or were watched, those in trouble first."""
    if not folders:
        return [(span(" No folder is watched: `astrid watch DIR` takes frames as they come.", Tone.DIM),)]
    ordered = sorted(folders, key=lambda each: (not _is_troubled(each, now), not each.is_watched))
    shown = ordered if len(ordered) <= _MOST_FOLDERS else ordered[: _MOST_FOLDERS - 1]
    lines = [_folder_line(each, now, width) for each in shown]
    if len(shown) < len(ordered):
        left = counted(len(ordered) - len(shown), "more folder")
        lines.append((span(f" {left}: `astrid status` names them", Tone.DIM),))
    return lines


def _is_troubled(folder: Folder, now: float) -> bool:
    return folder.problem is not None or folder.is_silent(now)


def _folder_line(folder: Folder, now: float, width: int) -> Line:
    if folder.problem is not None:
        state: Line = (span(f" {folder.problem}", Tone.BAD),)
    elif folder.is_silent(now):
        state = (span(f" its watcher fell silent {ago(now - folder.heard_at)}", Tone.BAD),)
    elif not folder.is_watched:
        state = (span(" not watched now", Tone.DIM),)
    else:
        state = (span(" watched", Tone.GOOD),)
    newest = "no file yet" if folder.last_file_at is None else f"newest {ago(now - folder.last_file_at)}"
    facts = [newest, counted(folder.files, "file")]
    if folder.refused:  # before what may be cut
        facts.append(f"{folder.refused} of no use")
    if folder.unsettled:
        facts.append(f"{folder.unsettled} being written")
    if folder.cadence_s:
        facts.append(f"one in {work(folder.cadence_s)}")
    if folder.processes:
        facts.append("starts runs")
    tail = (*state, span(" · " + " · ".join(facts), Tone.DIM))
    room = max(width - cells_of(tail) - 1, width // 3)
    return shortened((span(" " + end_of(folder.path, room - 1)), *tail), width)


def end_of(path: str, room: int) -> str:
    """A path's end tells more than its beginning."""
    return path if cell_len(path) <= room else "…" + set_cell_size(path[::-1], max(room - 1, 1))[::-1]


def place_line(page: ListPage, width: int) -> Line:
    """The filter, the place in the list, the marks."""
    left: Line = page.chip or (span(f" {MEANINGS.get(page.state, '')}", Tone.DIM),)
    marked = page.marks.count(page.total)
    right: Line = ()
    if marked:
        more = " or more" if page.marks.everything and page.total.more else ""
        right = (span(f"{marked}{more} marked  ", Tone.KEY),)
    if page.rows:
        place = "" if page.before.more else f"{page.before.frames + page.here + 1} of "
        total = f"{page.total.frames}{' or more' if page.total.more else ''}"
        right = (*right, span(f"{place}{total} ", Tone.STRONG))
    return spread(shortened(left, max(width - cells_of(right) - 1, 8)), right, width)


def frame_lines(page: ListPage, width: int, rows: int) -> list[Line]:
    """A heading and the frames that there is room for, or what to do where there are none."""
    if not page.rows:
        return empty_lines(page)
    columns = _Columns.of(page, width)
    reason = _reason_rows(page, width, rows - 1)
    room = max(rows - 1 - bool(reason), 1)
    shown = list(enumerate(page.rows))[page.top : page.top + room]
    lines = [columns.heading(), *(columns.line(place, row, page) for place, row in shown)]
    return [*lines, *[()] * (room - len(shown)), *reason]


def _reason_rows(page: ListPage, width: int, rows: int) -> list[Line]:
    """One line below the list for the reason of the frame under the cursor, where reasons are cut."""
    if rows < _LEAST_ROWS_FOR_REASON or not page.rows:
        return []
    room = _Columns.of(page, width).room
    if all(cell_len(row.reason or "") <= room for row in page.rows):
        return []
    return [shortened((span(" "), span(page.rows[page.here].reason or "", Tone.PLAIN, width)), width)]


def empty_lines(page: ListPage) -> list[Line]:
    """What to do where no frame is shown."""
    if page.chip:
        return [(), (span(" No frame passes the filter.", Tone.STRONG),)]
    if page.state:
        return [(), (span(f" No frame is {page.state}.", Tone.STRONG),)]
    return [
        (),
        (span(" There are no frames yet.", Tone.STRONG),),
        (span(" `astrid ingest PATH` registers frames, `astrid watch DIR` as they come."),),
    ]


@dataclass(frozen=True, slots=True)
class _Columns:
    """The widths of a row's parts, in cells; what is left is the reason's."""

    width: int
    name: int
    state: int
    number: str  # the heading of a number that matters in this state; empty where no frame has one
    has_band: bool

    @classmethod
    def of(cls, page: ListPage, width: int) -> _Columns:
        longest = max(cell_len(row.frame) for row in page.rows)
        name = min(max(longest, 12), max(width // 3, 16))
        state = 0 if page.state else 12
        by_priority = page.state in ("queued", "waiting")
        has_number = any(row.priority if by_priority else row.attempts for row in page.rows)
        number = "" if not has_number else "prio" if by_priority else "try"
        return cls(width, name, state, number, any(row.filter for row in page.rows))

    @property
    def room(self) -> int:
        """What is left for the reason."""
        return self.width - (self.name + self.state + 11 + 5 * self.has_band + 6 * bool(self.number))

    def heading(self) -> Line:
        state = f"{'state':<{self.state}}" if self.state else ""
        band = f"{'band':<5}" if self.has_band else ""
        number = f"{self.number:>4}  " if self.number else ""
        text = f"  {'frame':<{self.name}}  {state}{band}{'age':<7}{number}what"
        return shortened((span(text, Tone.DIM),), self.width)

    def line(self, place: int, row: FrameRow, page: ListPage) -> Line:
        at_cursor = place == page.here
        sign = ("*" if page.marks.has(row.id) else " ") + (">" if at_cursor else " ")
        name = shortened((span(row.frame, Tone.KEY if at_cursor else Tone.STRONG),), self.name)
        number = row.priority if self.number == "prio" else row.attempts
        start: Line = (
            span(sign, Tone.KEY),
            *padded(name, self.name + 2),
            *(padded((_state(row),), self.state) if self.state else ()),
            *(padded((span(row.filter or "–", Tone.DIM, 4),), 5) if self.has_band else ()),
            *padded((span(short(page.now - (row.finished_at or row.registered_at)), Tone.DIM),), 7),
            *((span(f"{number or '':>4}  ", Tone.DIM),) if self.number else ()),
        )
        room = self.width - cells_of(start)
        return shortened((*start, _what(row, page.now, max(room, 1))), self.width)


def _state(row: FrameRow) -> Span:
    return span(row.state, STATE_TONES.get(row.state, Tone.PLAIN), 12)


def _what(row: FrameRow, now: float, room: int) -> Span:
    """The one thing to know of a frame in its state."""
    if row.state == ObservationState.RUNNING:
        late = row.lease_until is not None and row.lease_until < now
        return span(f"{row.worker}{', lease ran out' if late else ''}", Tone.WARN if late else Tone.DIM, room)
    if row.state == ObservationState.QUEUED and row.not_before and row.not_before > now:
        again = f"again in {length(row.not_before - now)}"
        return span(f"{again}: {row.reason}" if row.reason else again, Tone.WARN, room)
    if row.reason:
        return span(row.reason, Tone.PLAIN, room)
    if row.candidates is not None:
        return span(counted(row.candidates, "candidate"), Tone.PLAIN if row.candidates else Tone.DIM, room)
    return span(row.field or "", Tone.DIM, room)


def _joined(pieces: Sequence[Line]) -> Line:
    line: Line = ()
    for piece in pieces:
        line = (*line, *((span(" · ", Tone.DIM),) if line else ()), *piece)
    return line
