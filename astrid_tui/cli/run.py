"""`astrid run`: process what is queued."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    progress_bar,
    settings_of,
    store_of,
)
from core.vocabulary import ExitCode, ObservationState

if TYPE_CHECKING:
    from pipeline.engine_local import RunSummary


class Engine(StrEnum):
    """What drives the workers."""

    LOCAL = "local"


def run(
    context: typer.Context,
    engine: Annotated[Engine, typer.Option(help="local: processes of this machine.")] = Engine.LOCAL,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames at most.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Process queued frames: calibrate, align, subtract, detect, measure, commit.

    Ctrl-C finishes the frames in hand, a second one gives them back. Exit code 3: some frames failed
    or were rejected.
    """
    from core.status import frames_status
    from core.status import status as read_status
    from pipeline.engine_local import run as run_local
    from pipeline.worker import FrameEvent

    settings, store = settings_of(context), store_of(context)
    queued = read_status(store, limit=1)["counts"].get(ObservationState.QUEUED, 0)
    total = min(queued, limit or queued)
    done = 0
    with progress_bar("Processing", quiet=as_json) as report:
        report(0, total, "")

        def on_event(event: FrameEvent) -> None:
            nonlocal done
            done += 1
            report(done, max(total, done), f"{event.frame} {event.state}")

        summary = run_local(settings, limit=limit, workers=workers, on_event=on_event)
    frames = frames_status(store, [event.observation_id for event in summary.frames])
    if as_json:
        print_json(
            {
                "engine": engine.value,
                "run": summary.run_id,
                "state": summary.state,
                "seconds": round(summary.seconds, 3),
                "counts": summary.counts,
                "frames": frames,
            }
        )
    else:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(summary.counts.items()))
        print_text(f"{counts or 'Nothing was due'} in {summary.seconds:.1f} s")
        troubled = [frame for frame in frames if frame["reason"]]
        if troubled:
            rows = [(frame["frame"], frame["state"], frame["reason"]) for frame in troubled]
            print_table(("frame", "state", "reason"), rows)
    _exit(summary)


def _exit(summary: "RunSummary") -> None:
    """Leave with the code that says whether all frames were done."""
    if summary.state == "interrupted":
        raise typer.Exit(ExitCode.INTERRUPTED)
    if any(state != ObservationState.DONE for state in summary.counts):
        raise typer.Exit(ExitCode.PARTIAL)
