"""`astrid serve`: the console in a browser."""

import asyncio
import sys
from typing import Annotated

import typer

from astrid_tui.cli.invocation import remark, settings_of
from core.errors import AstridError
from core.extras import lacking
from core.vocabulary import ExitCode


class NoServer(AstridError):
    """What serves pages is not installed."""

    exit_code = ExitCode.UNAVAILABLE


def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's own are unencrypted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")] = 8000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Consoles that show everything and change nothing.")
    ] = False,
) -> None:
    """Open the console in a browser, at the URL that is printed, until Ctrl-C or SIGTERM.

    Each tab has a console of its own, which ends with it and loses nothing. Who has the URL, with its token,
    is the reviewer who started this. From another machine: `ssh -L 8000:localhost:8000 HOST`.
    """
    invocation = context.find_root().obj
    settings_of(context)  # what is wrong with them is told now, not in every tab
    try:
        from astrid_tui.browser.admission import is_asked_for, stays_here
        from astrid_tui.browser.server import BrowserServer
    except ModuleNotFoundError as error:
        raise NoServer(f"the console in a browser needs textual-serve: {lacking('web')}") from error
    if not is_asked_for(host):
        raise typer.BadParameter("give an address in full, such as 127.0.0.1, or a name", param_hint="--host")
    words = [sys.executable, "-P", "-m", "astrid_tui"]
    if invocation.config is not None:
        words += ["--config", str(invocation.config.absolute())]
    if read_only or invocation.read_only:
        words.append("--read-only")
    if not stays_here(host):
        remark(f"What goes to and from {host} is not encrypted: who listens there can read the token too.")

    def tell(urls: list[str]) -> None:
        typer.echo("\n".join(urls))  # in one piece, however narrow the terminal
        sys.stdout.flush()
        which = "this URL" if len(urls) == 1 else "one of these URLs, the last on this machine alone,"
        remark(f"Open {which} in a browser. Ctrl-C ends it.")

    asyncio.run(BrowserServer(words, host, port, remark).run(tell))
    remark("Ended, and every console with it.")
