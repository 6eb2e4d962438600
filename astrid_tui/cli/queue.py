"""`astrid queue`: what waits, what failed and why, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    confirm,
    one_filter,
    person_of,
    print_item,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    storable,
    store_of,
)
from core.errors import AstridError
from core.text import counted
from core.vocabulary import ExitCode, ObservationState

if TYPE_CHECKING:
    from core.database.store import Store
    from core.frames.queue_history import Happening
    from core.settings import Settings

app = typer.Typer(
    help="See the queue of frames; retry, drop and move them.", rich_markup_mode=None, no_args_is_help=True
)

IdsArgument = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", callback=storable, help="Ids of frames, as `queue list` tells them."),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help='Such as "state:quarantined field:M31 -reason:*stars*", a minus for what does not pass a term, '
        '"or" and parentheses for one or the other; may be repeated, then all hold.',
    ),
]
MOST_READ = 100  # frames whose headers are read when they are queued again
UNFINISHED = "state:queued,running,waiting,rejected,quarantined,dropped"

YesOption = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


@app.command(name="list")
def list_(
    context: typer.Context,
    filters: FilterOption = None,
    order: Annotated[str, typer.Option(help="queue: as workers take them; newest: newest first.")] = "queue",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Frames on the page.")] = 50,
    after: Annotated[str | None, typer.Option(help="The cursor that the page before ended with.")] = None,
    with_history: Annotated[
        bool, typer.Option("--history", help="Also tell all that happened to each of them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List frames with their place in the queue; without a filter, those that are not done."""
    from core.frames.queue import counts_by_state
    from core.frames.queue_history import histories
    from core.frames.queue_page import oldest_s, page

    store = store_of(context, read_only=True)
    wanted = one_filter(filters) if filters else UNFINISHED
    found = page(store, filters=wanted, order=order, limit=limit, after=after)
    told = histories(store, [row["id"] for row in found.rows]) if with_history else {}
    if as_json:
        rows = [
            row | ({"history": [line.record() for line in told[row["id"]]]} if with_history else {})
            for row in found.rows
        ]
        counts, oldest = counts_by_state(store), oldest_s(store)
        print_json({"counts": counts, "oldest_queued_s": oldest, "frames": rows, "next": found.next})
        return
    if not found.rows:
        print_text("No such frames." if filters else "No frame waits: all that were taken are done.")
        return
    _print_frames(found.rows, told)
    advise(row["state"] for row in found.rows)
    if found.next:
        print_text(f"more: --after {found.next}")


@app.command()
def show(
    context: typer.Context,
    frame: Annotated[int, typer.Argument(metavar="FRAME", callback=storable, help="The frame's id.")],
    as_json: JsonOption = False,
) -> None:
    """Show one frame and its whole history: failures, silent workers, what people did to it, stages."""
    from core.frames.queue_history import history
    from core.frames.queue_page import page

    store = store_of(context, read_only=True)
    rows = page(store, filters=f"id={frame}").rows
    if not rows:
        raise AstridError(f"there is no frame {frame}: `astrid status` tells their ids")
    lines = history(store, frame)
    if as_json:
        print_json(rows[0] | {"history": [line.record() for line in lines]})
        return
    told = {
        key: value
        for key, value in _plain(rows[0]).items()
        if value is not None and not isinstance(value, dict)
    }
    widest = max(map(len, told))
    for key, value in told.items():
        print_item(f"{key:{widest}}", value)
    _print_history(lines)
    advise([rows[0]["state"]])


@app.command()
def retry(
    context: typer.Context,
    ids: IdsArgument = None,
    filters: FilterOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Queue frames again as if they were new; done ones too, if they are named.

    A header that is read otherwise now than when its frame was ingested is told: `astrid ingest` comes first.
    """
    from core.frames.queue import requeue

    store, by = store_of(context), person_of(context)
    chosen = _chosen(store, ids, filters, "retry", yes=yes)
    changed = requeue(store, chosen, by)
    others = _read_otherwise(store, settings_of(context), chosen)
    for key, said in others.items():
        remark(f"frame {key}: {said}")
    if others:
        remark("`astrid ingest` the files of these frames before `astrid run`: they go by what was read then")
    more = {"read_otherwise": others} if others else {}
    _tell("queued again", chosen, changed, _missing(store, ids), as_json=as_json, more=more)


@app.command()
def drop(
    context: typer.Context,
    ids: IdsArgument = None,
    filters: FilterOption = None,
    reason: Annotated[str, typer.Option(help="Why; kept with each frame.")] = "dropped by hand",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take frames out of the queue; their files stay, and `retry` brings them back."""
    from core.frames.queue import drop as take_out

    store, by = store_of(context), person_of(context)
    chosen = _chosen(store, ids, filters, "drop", yes=yes)
    _tell("dropped", chosen, take_out(store, chosen, reason, by), _missing(store, ids), as_json=as_json)


@app.command()
def priority(
    context: typer.Context,
    to: Annotated[int, typer.Option(callback=storable, help="Lower runs first; new frames have 0.")],
    ids: IdsArgument = None,
    filters: FilterOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move frames that wait ahead in the queue, or back."""
    from core.frames.queue import prioritise

    store, by = store_of(context), person_of(context)
    chosen = _chosen(store, ids, filters, "priority", yes=yes)
    _tell("moved", chosen, prioritise(store, chosen, to, by), _missing(store, ids), as_json=as_json)


def _chosen(
    store: Store, ids: list[int] | None, filters: list[str] | None, word: str, *, yes: bool
) -> list[int]:
    """The frames that a command is about; many at once are asked about."""
    from core.frames.frame_filters import conditions, matching, parse
    from core.frames.queue import counts_by_state

    terms = one_filter(filters)
    if bool(ids) == bool(terms.strip()):
        raise typer.BadParameter("name frames by their ids, or choose them by --filter")
    if ids:
        return list(dict.fromkeys(ids))
    found = matching(store, terms)
    if found:
        counts = counts_by_state(store, conditions(parse(terms)))
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        confirm(f"{word} {counted(len(found), 'frame')} ({states})?", word, yes=yes)
    return found


def _missing(store: Store, ids: list[int] | None) -> set[int] | None:
    """The frames that were named and are not there; none where they were chosen by a filter."""
    from core.frames.queue import states

    return set(ids) - states(store, ids).keys() if ids else None


def _read_otherwise(store: Store, settings: Settings, chosen: list[int]) -> dict[int, str]:
    """Of the first of some frames those that wait to be processed, and what is read otherwise of them."""
    from core.frames.queue import rows_queued
    from pipeline.intake.read_otherwise import read_otherwise

    rows = rows_queued(store, chosen[:MOST_READ])
    told = ((row.id or 0, read_otherwise(row, settings)) for row in rows if row.width is not None)
    return {key: said for key, said in told if said is not None}


def _tell(
    done: str,
    chosen: list[int],
    changed: int,
    missing: set[int] | None,
    *,
    as_json: bool,
    more: dict[str, Any] | None = None,
) -> None:
    """Tell what was done; that frames which were named stay as they are is a failure, all or in part."""
    there, trouble = len(chosen) - len(missing or ()), []
    if missing:
        trouble.append(f"There is no frame {', '.join(map(str, sorted(missing)))}.")
    if missing is not None and changed < there:
        others = "the others" if changed or missing else "these frames"
        which = others if there > 1 else f"frame {next(key for key in chosen if key not in missing)}"
        trouble.append(f"The state of {which} does not allow it: see `astrid queue show ID`.")
    code = ExitCode.DONE if not trouble else ExitCode.PARTIAL if changed else ExitCode.FAILED
    if as_json:
        failure = {"error": " ".join(trouble), "exit_code": int(code)} if trouble else {}
        print_json({"matched": there, "changed": changed} | (more or {}) | failure)
    else:
        print_text(f"{changed} of {counted(len(chosen), 'frame')} {done}.")
    for said in trouble:
        remark(said)
    if trouble:
        raise typer.Exit(code)


def _print_frames(rows: tuple[dict[str, Any], ...], told: Any) -> None:
    if told:
        for row in rows:
            print_text(f"{row['id']} {row['frame']}: {row['state']}, {row['reason'] or 'no reason'}")
            _print_history(told[row["id"]])
        return
    headings = ("id", "frame", "state", "priority", "attempts", "due", "worker", "reason")
    print_table(
        headings,
        [
            (r["id"], r["frame"], r["state"], r["priority"], r["attempts"], _due(r), r["worker"], r["reason"])
            for r in rows
        ],
        least=(("worker",), ("attempts",), ("priority",), ("due",), ("frame",)),
    )


def advise(states: Iterable[str]) -> None:
    """Say how frames that nobody tries again by itself are tried again, if there are any."""
    if {ObservationState.REJECTED.value, ObservationState.QUARANTINED.value} & set(states):
        print_text(
            "Rejected and quarantined frames: once what hindered them is mended, as in the settings,"
            " `astrid queue retry ID` and `astrid run` try them again."
        )


def _print_history(lines: tuple[Happening, ...]) -> None:
    for line in lines:
        what = f"attempt {line.attempt}" if line.attempt else ""
        took = "" if line.seconds is None else f"{line.seconds:.2f} s"
        parts = (what, line.what, line.outcome, took, line.by or "", line.reason or "")
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(line.at))
        print_item(f"  {when}", " ".join(part for part in parts if part))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """What is known of a frame, as people read it."""
    told = dict(row)
    for key, value in row.items():
        if not isinstance(value, float):
            continue
        if key.endswith("_at") or key in {"not_before", "lease_until"}:
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value))
            told[key] = f"{moment} UTC" if value else None
        else:
            told[key] = f"{value:.5f}" if key == "mjd" else f"{value:.6g}"
    return told


def _due(row: dict[str, Any]) -> str | None:
    wait = (row["not_before"] or 0.0) - time.time()
    return f"in {wait:.0f} s" if wait > 0 else None
