"""`astrid runs`: what is at work, what was, and how to stop it."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    storable,
    store_of,
)
from core.text import counted

if TYPE_CHECKING:
    from core.database.tables import Run
    from core.settings import Settings

FOLLOW_S = 0.5
LOG_LINE = 4000  # characters: what is logged of a frame holds its name and all that there is to say of it

app = typer.Typer(
    help="Runs: which are at work, and how to stop them.", rich_markup_mode=None, no_args_is_help=True
)
RunArgument = Annotated[
    int, typer.Argument(metavar="RUN", callback=storable, help="Its number: astrid runs list.")
]


@app.command(name="list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, callback=storable, help="Runs to list, newest first.")] = 20,
    before: Annotated[
        int | None, typer.Option(callback=storable, help="List runs older than this one.")
    ] = None,
    running: Annotated[bool, typer.Option("--running", help="Only those at work.")] = False,
    no_idle: Annotated[bool, typer.Option("--no-idle", help="Not those that found no frame due.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    from core.operations import runs

    settings, store = settings_of(context), store_of(context, read_only=True)
    listed = partial(runs.newest, store, running=running, idle=not no_idle)
    records = [_record(row, settings) for row in listed(limit=limit, before=before)]
    last = records[-1]["run"] if len(records) == limit else None
    more = last is not None and listed(limit=1, before=last)
    if as_json:
        if more:
            remark(f"more: --before {last}")
        print_json(records)
        return
    if not records:
        print_text("No run is at work." if running else "No runs yet: `astrid run` processes what is queued.")
        return
    rows = [
        (
            each["run"],
            each["state"],
            each["host"],
            each["engine"],
            each["workers"],
            _utc(each["started_at"]),
            _seconds(each),
            _counts(each),
            each["reason"],
        )
        for each in records
    ]
    print_table(
        ("run", "state", "host", "engine", "workers", "started (UTC)", "seconds", "frames", "reason"),
        rows,
        least=(("workers",), ("engine",), ("seconds",), ("host",), ("frames",)),
    )
    if more:
        print_text(f"more: --before {last}")


@app.command()
def show(context: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Show one run: how it stands, its workers, and the times of its stages."""
    from core.operations import runs
    from core.operations.standing import of_run

    store = store_of(context, read_only=True)
    row = runs.read(store, run)
    record, work = _record(row, settings_of(context)), of_run(store, row)
    if as_json:
        print_json({**record, **work})
        return
    told = {**record, "counts": _counts(record), "seconds": _seconds(record)}
    for name in ("started_at", "heartbeat_at", "ended_at"):
        told[name] = f"{_utc(record[name])} UTC" if record[name] else None
    for name, value in told.items():
        if value is not None:
            print_text(f"{name:12} {value}")
    _print_work(work)


def _print_work(work: dict[str, Any]) -> None:
    """How long what is queued will take, who has what in hand, and what each stage took."""
    if work["left"]:
        known = "" if work["left_s"] is None else f", about {work['left_s'] / 60:.0f} min"
        print_text(f"{'left':12} {counted(work['left'], 'frame')}{known}")
    for each in work["crew"]:
        print_text(f"{each['name']:12} {each['frame'] or 'between two frames'}")
    if work["stages"]:
        numbers = ("p50_s", "p95_s", "last_s")
        print_table(
            ("stage", "times", "p50 s", "p95 s", "last s", "share %", "refused", "failed"),
            [
                (
                    each["stage"],
                    each["times"],
                    *(f"{each[name]:.3f}" for name in numbers),
                    f"{100 * each['share']:.0f}",
                    each["refused"] or None,
                    each["failed"] or None,
                )
                for each in work["stages"]
            ],
        )


@app.command()
def cancel(
    context: typer.Context,
    run: RunArgument,
    now: Annotated[
        bool, typer.Option("--now", help="Give the frames in hand back instead of finishing them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a run of this host to stop, once the frames in hand are finished."""
    from core.operations import runs

    row = runs.cancel(store_of(context), run, now=now)
    if as_json:
        print_json(_record(row, settings_of(context)))
    elif row.state == "running":
        print_text(f"run {run} was asked to stop")
    else:
        print_text(f"run {run} is {row.state}: {row.reason}")


@app.command()
def log(
    context: typer.Context,
    run: RunArgument,
    lines: Annotated[int, typer.Option(min=1, help="The last so many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a run said: what a detached one told, else what AstrID's log has of it."""
    from core.operations import runs
    from core.operations.launch import log_path
    from core.operations.logs import lines_of_run, tail

    if follow and as_json:
        raise typer.BadParameter("--follow goes without --json")
    settings, store = settings_of(context), store_of(context, read_only=True)
    path = log_path(settings, run)
    row = runs.read(store, run)
    if not path.exists():
        if follow:
            raise typer.BadParameter(f"run {run} was not detached: --follow goes without")
        said = lines_of_run(settings.home, run, most_lines=lines)
        if not said:
            raise runs.RunRefused(f"nothing is logged here of run {run}, which ran on {row.host}")
        _print_lines(said, as_json=as_json)
        return
    position = path.stat().st_size
    _print_lines(tail(path, most_lines=lines, end=position), as_json=as_json)
    if as_json:
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(position)
        while follow:
            over = runs.read(store, run).state != "running"
            for line in file:
                _print_line(line.rstrip("\n"))
            if over:
                return
            time.sleep(FOLLOW_S)


def _print_lines(lines: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(list(lines))
        return
    for line in lines:
        _print_line(line)


def _print_line(line: str) -> None:
    from core.text import safe_text

    typer.echo(safe_text(line, LOG_LINE))


def _record(row: "Run", settings: "Settings") -> dict[str, Any]:
    from core.operations.launch import log_path

    path = log_path(settings, row.id or 0)
    seconds = (row.ended_at or time.time()) - row.started_at
    return {
        "run": row.id,
        "state": row.state,
        "reason": row.reason,
        "engine": row.engine,
        "workers": row.workers,
        "host": row.host,
        "pid": row.pid,
        "started_at": row.started_at,
        "heartbeat_at": row.heartbeat_at,
        "ended_at": row.ended_at,
        "seconds": seconds if seconds >= 0 else None,  # the clock was set back meanwhile
        "counts": row.counts,
        "energy_j": row.energy_j,
        "config_hash": row.config_hash,
        "flow_run_id": row.flow_run_id,
        "log": str(path) if path.exists() else None,
    }


def _counts(record: dict[str, Any]) -> str:
    told = ", ".join(f"{count} {state}" for state, count in sorted(record["counts"].items()))
    if told or record["state"] == "running":
        return told
    return "no frame was due" if record["state"] == "done" else "none"


def _seconds(record: dict[str, Any]) -> float | None:
    return None if record["seconds"] is None else round(record["seconds"], 1)


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
