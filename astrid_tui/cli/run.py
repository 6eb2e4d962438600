"""`astrid run`: process what is queued."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from astrid_tui.cli.queue import advise
from astrid_tui.cli.reasons import print_reasons
from core.errors import AstridError
from core.text import counted
from core.vocabulary import ExitCode, ObservationState

if TYPE_CHECKING:
    from core.settings import Settings
    from pipeline.engines.dramatiq import Followed
    from pipeline.engines.local import RunSummary
    from pipeline.engines.worker import FrameEvent

SERVER_WAIT_S = 120.0


class Engine(StrEnum):
    """What drives the workers."""

    LOCAL = "local"
    PREFECT = "prefect"
    DRAMATIQ = "dramatiq"


def run(
    context: typer.Context,
    engine: Annotated[
        Engine,
        typer.Option(
            help="local: processes of this machine. prefect: the same, as a flow with a history. "
            "dramatiq: the workers that `astrid worker` started, on any machine."
        ),
    ] = Engine.LOCAL,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames at most.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, at most.")] = 1,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the run outlives this terminal.")
    ] = False,
    as_run: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Process queued frames: calibrate, align, subtract, detect, measure, commit.

    Ctrl-C finishes the frames in hand, a second one gives them back. Exit code 3: some frames failed,
    were rejected, or wait for a reference.
    """
    from core.operations.logs import log_to_file

    must_write(context)
    log_to_file(settings_of(context))  # where else what is logged of a server that is away were said twice
    _warn_of(workers)
    if engine is Engine.DRAMATIQ:
        if limit is not None or workers > 1:
            raise typer.BadParameter("with dramatiq each `astrid worker` has its own --workers, and no limit")
        _by_workers(context, detach=detach, as_json=as_json)
        return
    if detach:
        _start(context, engine, limit, workers, as_json)
        return
    summary = _process(context, engine, limit, workers, as_run, quiet=as_json)
    ids = [event.observation_id for event in summary.frames]
    _tell(context, engine, summary, ids, as_json, run_id=summary.run_id)
    code = _exit_code(summary)
    if engine is Engine.PREFECT:
        _leave_if_unheard(context, code)
    raise typer.Exit(code)


def _warn_of(workers: int) -> None:
    """Say that more processes than cores make nothing quicker, and take memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers > cores:
        remark(f"warning: {workers} workers share {cores} cores: more workers than cores are no quicker")


def _by_workers(context: typer.Context, *, detach: bool, as_json: bool) -> None:
    """Wake the workers; unless detached, wait for what they make of the frames that are due."""
    from pipeline.engines import dramatiq

    settings = settings_of(context)
    if detach:
        due = dramatiq.wake(settings)
        if as_json:
            print_json({"engine": Engine.DRAMATIQ.value, "due": due})
        else:
            print_text(f"Frames that are due: {due}." + (" The workers were told." if due else ""))
        return
    with progress_bar("Processing", quiet=as_json) as report:
        followed = dramatiq.run(
            settings, on_progress=lambda done, total: report(done, total, ""), on_trouble=remark
        )
    _tell(context, Engine.DRAMATIQ, followed, followed.observation_ids, as_json, run_id=None)
    if followed.state == "interrupted":
        remark("The workers go on with what is left: `astrid status`.")
    raise typer.Exit(_exit_code(followed))


def _start(context: typer.Context, engine: Engine, limit: int | None, workers: int, as_json: bool) -> None:
    from core.operations.launch import start_run

    started = start_run(
        store_of(context),
        settings_of(context),
        config=context.find_root().obj.config,
        engine="prefect" if engine is Engine.PREFECT else "local",
        workers=workers,
        limit=limit,
    )
    if as_json:
        record = {
            "run": started.run_id,
            "pid": started.pid,
            "engine": started.engine,
            "log": str(started.log),
        }
        print_json(record)
    else:
        print_text(f"run {started.run_id} is process {started.pid}; its log is {started.log}")


def _process(
    context: typer.Context,
    engine: Engine,
    limit: int | None,
    workers: int,
    as_run: int | None,
    *,
    quiet: bool,
) -> "RunSummary":
    """Drive the run; if it was started for a recorded one, what hinders it is recorded there."""
    from core.database.patience import patiently
    from core.operations import runs
    from core.operations.status import status as read_status

    settings = settings_of(context)
    store = patiently(
        lambda: store_of(context), wait_s=settings.queue.store_wait_s, on_trouble=remark
    )  # as where this machine and its server were switched on together
    queued = read_status(store, limit=1)["counts"].get(ObservationState.QUEUED, 0)
    total = min(queued, limit or queued)
    done = 0
    try:
        with progress_bar("Processing", quiet=quiet) as report:
            report(0, total, "")

            def on_event(event: "FrameEvent") -> None:
                nonlocal done
                done += 1
                if as_run is not None:  # its standard error is the run's log
                    remark(event.sentence)
                with suppress(OSError):  # the terminal may be gone, and the frames go on
                    report(done, max(total, done), f"{event.frame} {event.state}")

            if engine is Engine.PREFECT:
                return _as_flow(context, settings, limit, workers, as_run, on_event, quiet=quiet)
            from pipeline.engines.local import run as run_local

            return run_local(
                settings,
                limit=limit,
                workers=workers,
                on_event=on_event,
                on_trouble=remark,
                on_stop=_say_how_it_stops,
                run_id=as_run,
            )
    except AstridError as error:
        if as_run is not None:
            runs.finish(store, as_run, "failed", reason=str(error))
        raise


def _say_how_it_stops() -> None:
    """Say on a terminal what is waited for; by the system alone, since a signal's handler calls it."""
    if sys.stderr.isatty():
        said = "Finishing the frames in hand; Ctrl-C again gives them back to the queue."
        with suppress(OSError):
            os.write(sys.stderr.fileno(), f"\r{said:<79}\n".encode())


def _as_flow(
    context: typer.Context,
    settings: "Settings",
    limit: int | None,
    workers: int,
    as_run: int | None,
    on_event: Callable[["FrameEvent"], None],
    *,
    quiet: bool,
) -> "RunSummary":
    from core.operations import prefect_server
    from core.settings import find_file
    from pipeline.engines.prefect import run as run_flow

    with progress_bar("Waiting for Prefect", quiet=quiet) as report:
        url = prefect_server.ensure(
            settings,
            wait_s=SERVER_WAIT_S,
            report=lambda waited: report(int(waited), int(SERVER_WAIT_S), "its server is warming up"),
        )
    config = find_file(context.find_root().obj.config)
    return run_flow(
        settings, url, config=config, limit=limit, workers=workers, on_event=on_event, run_id=as_run
    )


def _tell(
    context: typer.Context,
    engine: Engine,
    summary: "RunSummary | Followed",
    ids: Sequence[int],
    as_json: bool,
    *,
    run_id: int | None,
) -> None:
    from core.frames.unmeasured import of_new_objects
    from core.operations.status import frames_status

    store = store_of(context)
    frames, lacked = frames_status(store, ids), of_new_objects(store, ids)
    if as_json:
        print_json(
            {
                "engine": engine.value,
                "run": run_id,
                "state": summary.state,
                "seconds": round(summary.seconds, 3),
                "counts": summary.counts,
                "frames": frames,
                "not_measured": {"objects": lacked.objects, "frames": lacked.frames},
            }
        )
        return
    counts = ", ".join(f"{count} {state}" for state, count in sorted(summary.counts.items()))
    if summary.state == "interrupted":
        print_text(f"Interrupted: {counts or 'no frame done'} in {summary.seconds:.1f} s{_left(context)}")
    else:
        print_text(f"{counts or 'Nothing was due'} in {summary.seconds:.1f} s")
    print_reasons([(frame["frame"], frame["state"], frame["reason"]) for frame in frames])
    advise(frame["state"] for frame in frames)
    if lacked.frames:
        objects = f"{counted(lacked.objects, 'new object')} {'lacks' if lacked.objects == 1 else 'lack'}"
        remark(
            f"{objects} fluxes or limits in {counted(lacked.frames, 'earlier frame')}: "
            "`astrid objects forced` measures them"
        )


def _left(context: typer.Context) -> str:
    """What an interrupted run left, and how to go on."""
    from core.frames.queue import counts_by_state

    queued = counts_by_state(store_of(context)).get(ObservationState.QUEUED, 0)
    return f"; {queued} still queued: `astrid run` goes on" if queued else "; nothing is left in the queue"


def _exit_code(summary: "RunSummary | Followed") -> int:
    """Whether all frames were done; with those that were dropped there was nothing to do."""
    if summary.state == "interrupted":
        return ExitCode.INTERRUPTED
    if summary.counts.keys() - {ObservationState.DONE, ObservationState.DROPPED}:
        return ExitCode.PARTIAL
    return ExitCode.DONE


def _leave_if_unheard(context: typer.Context, code: int) -> None:
    """End at once where the Prefect server is gone: at exit Prefect would try for minutes to tell it."""
    from core.operations.prefect_server import look

    found = look(settings_of(context))
    if found.state == "ready":
        return
    remark(f"Prefect was not told of all: {found.message}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
