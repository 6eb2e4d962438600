"""`astrid init` and `astrid db`: the store itself."""

import time
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    confirm,
    must_write,
    print_json,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from astrid_tui.cli.output_files import ForceOption, check_output, writing_to
from core.errors import AstridError
from core.text import counted, size_told
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.operations.kept import Kept
    from core.operations.prune import Pruned

app = typer.Typer(help="Look after the store.", rich_markup_mode=None, no_args_is_help=True)


def init(context: typer.Context, as_json: JsonOption = False) -> None:
    """Make AstrID's home and its store; harmless where they exist."""
    from core.database.engine import shown_url
    from core.database.store import open_store

    must_write(context)
    settings = settings_of(context)
    with writing_to(settings.home):
        if settings.home.is_file():
            raise AstridError(
                f"cannot write to {settings.home}: it is a file; name a folder by ASTRID_HOME, "
                "or as home in the settings"
            )
        settings.home.mkdir(parents=True, exist_ok=True)
    open_store(settings.store_url, create=True)
    if as_json:
        print_json({"home": str(settings.home), "store": shown_url(settings.store_url)})
        return
    print_text(f"AstrID is ready in {settings.home}; its store is {shown_url(settings.store_url)}")
    print_text(
        "Next: astrid ingest CALIBRATION (if frames are raw), astrid reference build FOLDER "
        "(or astrid reference add FILE), astrid ingest FOLDER, astrid run, astrid"
    )


@app.command()
def upgrade(context: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the store to this program's version; nothing is lost. `astrid db backup` copies it before.

    Its tables are compared afterwards with what this program expects, and what differs is told.
    """
    from core.database.migrations import check as run_check
    from core.database.migrations import upgrade as run_upgrade

    must_write(context)
    url = settings_of(context).store_url
    before, after = run_upgrade(url)
    problems = run_check(url)
    if as_json:
        print_json({"before": before, "after": after, "problems": problems})
    elif before == after:
        print_text(f"The store is of version {after} already." if problems else "The store is up to date.")
    elif before is None:
        print_text(f"The store was made, of version {after}.")
    else:
        print_text(f"The store went from {before} to {after}.")
    for problem in problems:
        remark(problem)


@app.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compare the store with what this program expects, and tell what is kept and how large it is.

    Its file is read through (SQLite), and each verdict compared with the hash that its chain has of it.
    """
    from core.database.migrations import check as run_check
    from core.database.store_file import why_unwritable
    from core.operations.backup import damage
    from core.operations.kept import kept
    from core.review.chain import verify

    store = store_of(context, read_only=True)  # none there, or of another version: that says it all
    settings = settings_of(context)
    problems = [*damage(settings.store_url), *run_check(settings.store_url)]
    problems += [link.sentence for link in verify(store)]
    found = kept(settings, store)
    store.close()
    if as_json:
        print_json({"problems": problems, "kept": [each.record() for each in found]})
    else:
        for problem in problems:
            print_text(problem)
        if not problems:
            print_text("The store is as it should be.")
        for file in _files_of(settings.store_url):
            if (why := why_unwritable(file)) is not None:
                remark(f"the store {file} {why}")
        _print_kept(found)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def prune(
    context: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; with --json nothing is removed without.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove images of what was superseded when its frame was processed again, and that nobody judged.

    Those are cutouts of candidates and maps of significance. Facts and verdicts stay, and so do all images of
    an object of which anybody said anything. Ended at any time, it goes on when it is called again; meanwhile
    frames are processed and verdicts given.
    """
    from core.operations.prune import prunable
    from core.operations.prune import prune as remove

    must_write(context)
    store = store_of(context)
    with progress_bar("Look", quiet=as_json):
        found = prunable(store)
    if as_json and not yes:
        print_json(found.record() | {"removed": False})
        return
    if found.count:
        told = _images_told(found)
        question = f"This removes, of what was superseded and nobody judged: {told}."
        confirm(question, "remove", yes=yes)
        with progress_bar("Remove", quiet=as_json) as report:
            found = remove(store, found.count, report)
    if as_json:
        print_json(found.record() | {"removed": True})
        return
    print_text(f"Removed: {_images_told(found)}." if found.count else "There is nothing to remove.")
    if found.free:
        print_text(
            f"In the store's file {size_told(found.free)} are free: AstrID fills them before the file grows. "
            f"While no astrid runs, `sqlite3 {quote(store.url)} VACUUM` makes it smaller."
        )
    elif found.free is None and found.count:
        print_text(
            "PostgreSQL fills that room anew; `VACUUM FULL` while no astrid runs makes the tables smaller."
        )


@app.command()
def backup(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="Where to; in a folder it is named by the time, UTC.")
    ],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the store to a file while it is in use, and check the copy.

    A copy of SQLite's is a store itself (`astrid db restore`); of PostgreSQL's it is what pg_restore reads,
    made by pg_dump, which must be installed. What one moment held is in it; the rows of every table are
    counted in both, and every chain of verdicts is walked. The file appears whole or not at all.

    Exit code 3: the copy was made, but a chain of verdicts is broken in the store.
    """
    from core.database.store_errors import StoreOutdated
    from core.operations.backup import back_up, file_name
    from core.operations.kept import in_home

    settings = settings_of(context)
    with suppress(StoreOutdated):  # before an upgrade is a good time
        store_of(context, read_only=True).close()
    if not target.suffix and not target.exists():  # else a folder that was forgotten becomes a file
        raise AstridError(f"there is no folder {target}: make it, or name a file with an ending such as .db")
    path = target / file_name(settings.store_url, time.time()) if target.is_dir() else target
    check_output(path, force=force, inputs=_files_of(settings.store_url), hint="DIR|FILE")
    with progress_bar("Backup", quiet=as_json) as report:
        made = back_up(settings.store_url, path, report)
    beside = in_home(settings)
    if as_json:
        print_json(made.record() | {"not_in_it": [each.record() for each in beside]})
    else:
        rows, chains = made.contents.rows, made.contents.heads
        print_text(
            f"The store is copied to {made.path}: "
            f"{size_told(made.size)}, {sum(rows.values()):,} rows, checked"
        )
        print_text(
            f"Verdicts, retractions and notes: {rows['verdict']:,}, in {counted(len(chains), 'chain')}"
        )
        for link in made.contents.broken:
            print_text(link.sentence)
        if beside:
            print_text(f"Not in it, but in {settings.home}: {', '.join(map(_words, beside))}")
    if made.contents.broken:
        raise typer.Exit(ExitCode.PARTIAL)


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A copy that `astrid db backup` made of a store of SQLite's."),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Put aside the store that is there; it keeps its rows.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a checked copy of a backup the store.

    A store that is there is never deleted: with --force it is renamed, and only when nobody has it open.
    A store on PostgreSQL has to be empty, and takes the rows of a copy of SQLite's: the way from the one to
    the other. A copy of PostgreSQL's own is restored by pg_restore.
    """
    from core.database.store import HEAD
    from core.operations.backup import restore as put_back

    must_write(context)
    settings = settings_of(context)
    with progress_bar("Restore", quiet=as_json) as report:
        restored = put_back(file, settings.store_url, force=force, now=time.time(), report=report)
    if as_json:
        print_json(restored.record())
        return
    print_text(f"{restored.store} is what {file} was, counted and checked.")
    if restored.backup.contents.version != HEAD:
        print_text("It is of an older program: run `astrid db upgrade`.")
    if restored.aside:
        print_text(f"The store that was there is {restored.aside} now.")


def _files_of(url: str) -> list[Path]:
    from core.database.engine import parse_url

    place = parse_url(url)
    return [Path(str(place.database))] if place.get_backend_name() == "sqlite" else []


def _print_kept(found: "list[Kept]") -> None:
    for title, in_store in (("In the store", True), ("Beside it", False)):
        some = [each for each in found if each.in_store == in_store]
        if some:
            print_text(f"{title}: {size_told(sum(each.size for each in some))}")
        for each in some:
            count = f"{each.count:,}" if each.count else ""
            print_text(f"  {each.what:32} {size_told(each.size):>10}  {count}".rstrip())


def _images_told(found: "Pruned") -> str:
    from core.operations.kept import ONE_OF

    return ", ".join(
        f"{each.count:,} {each.what if each.count > 1 else ONE_OF.get(each.what, each.what)} of"
        f" {size_told(each.size)}"
        for each in found.images
    )


def _words(each: "Kept") -> str:
    return f"{each.what} {size_told(each.size)}"
