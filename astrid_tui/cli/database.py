"""`astrid init` and `astrid db`: the store itself."""

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    print_text,
    settings_of,
    store_of,
    writing_to,
)
from core.vocabulary import ExitCode

app = typer.Typer(help="Look after the store.", rich_markup_mode=None, no_args_is_help=True)


def init(context: typer.Context, as_json: JsonOption = False) -> None:
    """Make AstrID's home and its store; harmless where they exist."""
    from core.database.store import open_store, shown_url

    must_write(context)
    settings = settings_of(context)
    with writing_to(settings.home):
        settings.home.mkdir(parents=True, exist_ok=True)
    open_store(settings.store_url, create=True)
    if as_json:
        print_json({"home": str(settings.home), "store": shown_url(settings.store_url)})
        return
    print_text(f"AstrID is ready in {settings.home}; its store is {shown_url(settings.store_url)}")
    print_text("Next: astrid reference add FILE, astrid ingest FOLDER, astrid run, astrid")


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the store to this program's version; nothing is lost."""
    from core.database.migrations import upgrade as run_upgrade

    must_write(context)
    before, after = run_upgrade(settings_of(context).store_url)
    if before == after:
        print_text("The store is up to date.")
    elif before is None:
        print_text(f"The store was made, of version {after}.")
    else:
        print_text(f"The store went from {before} to {after}.")


@app.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compare the store with what this program expects."""
    from core.database.migrations import check as run_check

    store_of(context, read_only=True).close()  # none there, or of another version: that says it all
    problems = run_check(settings_of(context).store_url)
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems:
            print_text(problem)
        if not problems:
            print_text("The store is as it should be.")
    if problems:
        raise typer.Exit(ExitCode.FAILED)
