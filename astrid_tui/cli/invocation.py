"""What every command shares: the settings in force, the store, and how results are told.

JSON goes to standard output alone; progress and remarks go to standard error. Nothing heavy is
imported until a command asks for it: `astrid --help` stays quick.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from core.database.keys import MOST_KEY
from core.errors import AstridError
from core.login import refusal
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.database.store import Store
    from core.review.cards import Card
    from core.settings import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]

Progress = Callable[[int, int, str], None]  # done, of how many, what


class ReadOnlyRefused(AstridError):
    """A command would write, and was told not to."""

    exit_code = ExitCode.USAGE


class NobodyAsked(AstridError):
    """A command would ask somebody at a terminal first, and there is none."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that come before the command."""

    config: Path | None = None
    read_only: bool = False


def settings_of(context: typer.Context) -> Settings:
    """Read the settings that are in force for this command."""
    from core.settings import load

    return load(context.find_root().obj.config)


def is_read_only(context: typer.Context) -> bool:
    """Whether ``--read-only`` came before the command."""
    read_only: bool = context.find_root().obj.read_only
    return read_only


def must_write(context: typer.Context) -> None:
    """Refuse a command that changes something of AstrID's where nothing shall be changed.

    Raises
    ------
    ReadOnlyRefused
    """
    if is_read_only(context):
        words = context.command_path.split(maxsplit=1)
        raise ReadOnlyRefused(f"--read-only: `astrid {words[-1]}` writes, so nothing was done")


def store_of(context: typer.Context, *, create: bool = False, read_only: bool = False) -> Store:
    """Open the store of the settings in force; the error says what to do where there is none.

    Raises
    ------
    ReadOnlyRefused
        It is to be opened for writing, and ``--read-only`` came before the command.
    """
    from core.database.store import open_store

    if not read_only:
        must_write(context)
    return open_store(settings_of(context).store_url, create=create, read_only=read_only)


def storable(value: Any) -> Any:
    """Refuse, as wrong usage, whole numbers that no column of the store can hold."""
    for each in value if isinstance(value, list) else [value]:
        if each is not None and abs(each) > MOST_KEY:
            raise typer.BadParameter(f"{each} is out of range")
    return value


def person_of(context: typer.Context, given: str | None = None) -> str:
    """Who gives this command: as told, else by the settings, else by the login name."""
    from core.database.storable import storable as as_kept
    from core.login import login_name

    named = str(as_kept(given or settings_of(context).review.reviewer or login_name()))
    if (why := refusal(named)) is not None:
        raise typer.BadParameter(why)
    return named


def session_of(reviewer: str) -> str:
    """The sitting of verdicts from the command line: one chain a reviewer a day."""
    from datetime import UTC, datetime

    return f"cli-{reviewer}-{datetime.now(UTC):%Y%m%d}"


def one_filter(given: Sequence[str] | None) -> str:
    """One filter of all that were given: what passes, passes each."""
    filters = [each for each in given or () if each.strip()]
    return " ".join(filters if len(filters) < 2 else (f"({each})" for each in filters))


def expanded_filter(context: typer.Context, store: Store, given: Sequence[str] | None) -> str:
    """A filter of candidates with what was saved in place of each @NAME, and with who asks."""
    from core.review.saved_filters import expanded

    filters = one_filter(given)
    return expanded(store, filters, reviewer=person_of(context), experts=settings_of(context).review.experts)


def blind_to(context: typer.Context) -> str | None:
    """The reviewer who must not hear what others say of what is undecided; none where all is told."""
    return person_of(context) if settings_of(context).review.blind else None


def card_for(context: typer.Context, store: Store, candidate: int) -> Card:
    """The card of a candidate; where this reviewer works blind, without what others said of it."""
    from core.review.candidates import card_of

    return card_of(store, candidate, blind_to=blind_to(context))


def confirm(question: str, word: str, *, yes: bool) -> None:
    """Go on only when the person at the terminal types a word, or the script said ``--yes``.

    Raises
    ------
    NobodyAsked
        Standard input is no terminal.
    typer.Exit
        Something else was typed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NobodyAsked(
            f"{question} Standard input is no terminal, so nobody was asked and nothing was changed: --yes"
            " goes on without asking"
        )
    remark(question)
    typed = typer.prompt(f"Type {word} to go on", default="", show_default=False, err=True)
    if typed.strip() != word:
        remark("Nothing was changed.")
        raise typer.Exit(ExitCode.FAILED)


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line, at once: for what is told while it happens."""
    typer.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """Print one JSON document; characters that a terminal would act upon are escaped."""
    typer.echo(json.dumps(value, ensure_ascii=True, allow_nan=False, indent=2))


def print_text(*fields: object) -> None:
    """Print one line, made safe for the terminal; there it goes on in the next where it is too long."""
    typer.echo(_told(fields, sys.stdout))


def print_item(head: str, text: object) -> None:
    """Print a text behind a head, made safe; on a terminal it goes on below itself where it is too long."""
    from astrid_tui.cli.wrapping import columns_of, in_words
    from core.text import SENTENCES, safe_text

    told: list[str] = [safe_text(text, limit=SENTENCES)]
    columns = columns_of(sys.stdout)
    if columns is not None and (room := columns - len(head) - 1) > len(head):
        told = in_words(told[0], room)
    for number, line in enumerate(told):
        typer.echo(f"{' ' * len(head) if number else head} {line}".rstrip())


def remark(*fields: object) -> None:
    """Say something beside the result, on standard error, if that can be written to."""
    with said_if_possible():
        typer.echo(_told(fields, sys.stderr), err=True)


def _told(fields: Sequence[object], stream: TextIO) -> str:
    from astrid_tui.cli.wrapping import on_screen
    from core.text import SENTENCES, safe_text

    return on_screen(" ".join(safe_text(field, limit=SENTENCES) for field in fields), stream)


@contextmanager
def said_if_possible() -> Iterator[None]:
    """Within, what a full disk refuses, or a terminal that is gone, goes unsaid: no work ends by that.

    Raises
    ------
    BrokenPipeError
        Whoever read it has ended.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, least: Sequence[tuple[str, ...]] = ()
) -> None:
    """Print columns, as wide as they need; numbers to the right. Plain text, fit for pipes.

    On a terminal that is too narrow the columns that are worth `least` give way, the first one first, names
    are shortened, and sentences in the last column go on in the next line. What still does not fit follows
    below, its first column again before it.
    """
    from rich.cells import cell_len, set_cell_size

    from astrid_tui.cli.figures import aligned, is_of_numbers
    from astrid_tui.cli.wrapping import columns_of
    from core.text import SENTENCES, safe_text

    columns = [[row[i] for row in rows] for i in range(len(headings))]
    numeric = [is_of_numbers(column) for column in columns]
    told = zip(*map(aligned, columns), strict=True)
    limits = [200] * (len(headings) - 1) + [SENTENCES]
    cells: list[list[str]] = [
        [safe_text("" if value is None else value, limit) for value, limit in zip(row, limits, strict=True)]
        for row in told
    ]
    shown: Sequence[int] = range(len(headings))
    screen = columns_of(sys.stdout)
    if screen is not None:
        from astrid_tui.cli.fitting import fitted, in_lines, parts

        found = fitted(headings, cells, screen, least)
        shown, cells = found.shown, found.cells if found.prose is None else in_lines(found.cells, found.prose)
    widths = [max([len(name), *(cell_len(row[i]) for row in cells)]) for i, name in enumerate(headings)]
    for part in [shown] if screen is None else parts(widths, shown, screen):
        for line in [list(headings), *cells]:
            padded = [
                line[i].rjust(widths[i]) if numeric[i] else set_cell_size(line[i], widths[i]) for i in part
            ]
            typer.echo("  ".join(padded).rstrip())
    if len(shown) < len(headings):
        hidden = ", ".join(name for i, name in enumerate(headings) if i not in shown)
        remark(f"not shown in {screen} columns: {hidden}")


FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help='Such as "snr>7 mag<20 verdict:none near:10.68,41.27,30arcsec"; a minus negates a term: '
        '"-tag:host", also "-@NAME"; "snr>20 mag<20 or (tag:host -known:star)" is one or the other; may be '
        "repeated, then all hold.",
    ),
]


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Show how far long work is, on a terminal; nothing in a pipe.

    Yields
    ------
    callable
        ``report(done, total, what)``.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total, _what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    from core.text import safe_text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, what=Text(""))

        def report(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total or None, what=safe_text(what, limit=40))

        yield report
