"""`astrid worker`: process frames on this machine whenever somebody says that some are due."""

from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json_line,
    remark,
    said_if_possible,
    settings_of,
    store_of,
)

if TYPE_CHECKING:
    from pipeline.engines.worker import FrameEvent


def worker(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Process what is queued, on this machine, whenever there is something, until SIGTERM or Ctrl-C.

    It needs the store and the broker of [dramatiq], and the files of frames and references under the same
    paths as where they were registered and made: references are made in AstrID's home. `astrid run --engine
    dramatiq` wakes it. Ctrl-C finishes the frames in hand, a second one gives them back. With --json each
    frame is one line. Exit code 4: the broker does not answer.
    """
    from core.operations.logs import log_to_file
    from pipeline.engines import dramatiq

    store_of(context)  # one that is missing or old is told now, not every few seconds
    log_to_file(settings_of(context))

    def on_event(event: "FrameEvent") -> None:
        if as_json:
            with said_if_possible():
                print_json_line(
                    {
                        "frame": event.frame,
                        "state": event.state,
                        "reason": event.reason,
                        "seconds": round(event.seconds, 3),
                        "candidates": event.candidates,
                    }
                )
        else:
            remark(event.sentence)

    dramatiq.serve(
        settings_of(context),
        workers=workers,
        on_ready=lambda place: remark(f"listening at {place}"),
        on_event=on_event,
        on_trouble=remark,
    )
