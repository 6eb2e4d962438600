"""`astrid deploy`: process what is queued again and again, on a schedule of Prefect's."""

import sys
from typing import Annotated

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, progress_bar, remark, settings_of, store_of


def deploy(
    context: typer.Context,
    every: Annotated[
        float | None, typer.Option(min=1, help="Seconds from one run to the next, instead of --cron.")
    ] = None,
    cron: Annotated[
        str | None, typer.Option(help='When to run, instead of --every: "*/5 18-23 * * *" (UTC).')
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of a run.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames of a run at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Register a schedule with Prefect and start its runs, one at a time, until SIGTERM or Ctrl-C.

    Prefect can also start a run between two of them. A server that goes away is waited for. The schedule is
    paused at the end. Exit code 130: ended while the server was away, or asked twice, where the schedule may
    stay as it was.
    """
    from core.operations.prefect_server import ensure
    from core.settings import find_file
    from pipeline.engines.prefect import serve

    if (every is None) == (cron is None):
        raise typer.BadParameter("say either --every or --cron")
    settings = settings_of(context)
    store_of(context).close()  # where there is none, say so now and not at every run
    with progress_bar("Waiting for Prefect") as report:
        url = ensure(settings, wait_s=120, report=lambda waited: report(int(waited), 120, ""))

    def on_ready() -> None:
        when = f"every {every:g} s" if every else f"at {cron}"
        remark("Runs start", when, "until Ctrl-C; see: astrid runs list")
        if as_json:
            print_json({"server": url, "every_s": every, "cron": cron, "workers": workers, "limit": limit})
            sys.stdout.flush()  # whoever reads it in a pipe shall not wait for the end

    serve(
        settings,
        url,
        config=find_file(context.find_root().obj.config),
        every_s=every,
        cron=cron,
        workers=workers,
        limit=limit,
        on_ready=on_ready,
        on_trouble=remark,
    )
