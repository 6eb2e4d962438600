"""`astrid reference`: the images to subtract from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    storable,
    store_of,
)
from core.errors import AstridError
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.database.tables import Reference
    from pipeline.reference.references import Named

LISTED = 5  # names of transients that one warning tells

app = typer.Typer(help="The images to subtract from.", rich_markup_mode=None, no_args_is_help=True)


def _word(given: str | None) -> str | None:
    """A name as headers give them: without blanks around it, and some text."""
    if given is None:
        return None
    if not given.strip():
        raise typer.BadParameter("it is empty: leave the option out to take what the header says")
    return given.strip()


@app.command()
def add(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="FILE, FILE[NUMBER] or FILE[NAME]; calibrated or raw.")
    ],
    band: Annotated[
        str | None,
        typer.Option(
            "--filter", callback=_word, help="Its filter, as the frames name theirs; default: by its header."
        ),
    ] = None,
    field: Annotated[
        str | None, typer.Option(callback=_word, help="Its field, likewise; it counts where a WCS lacks.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add one image as the reference of its field and filter; frames that waited for it are queued."""
    from core.frames import references
    from core.objects.reference_light import seen_meanwhile
    from pipeline.calibration.calibrators import masters_of
    from pipeline.diff import split_extension
    from pipeline.frame import FrameRefused
    from pipeline.reference.references import from_file

    settings, store = settings_of(context), store_of(context)
    path, extension = split_extension(file)
    notes: list[str] = []
    masters = masters_of(store, settings)
    try:
        facts = from_file(
            path, settings, extension=extension, band=band, field=field, masters_for=masters, said=notes
        )
    except FrameRefused as refused:
        raise AstridError(f"{path}: {refused}") from refused
    row = references.add(store, facts)
    notes += _light_in_it(row, seen_meanwhile(store, row), blind=settings.review.blind)
    for note in notes:
        remark("warning:", note)
    if as_json:
        print_json(_record(row))
    else:
        print_text(f"reference {row.id}: {row.chosen}; {_summary(row)}")


@app.command()
def build(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Frames of one field and filter, FILE, FILE[NUMBER] or FILE[NAME], and folders of them.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Build a reference as the weighted mean of several frames, on the grid of the sharpest.

    Of a file with several exposures the first is taken where none is named, and a warning says so.
    """
    from core.frames import references
    from core.objects.reference_light import seen_meanwhile
    from pipeline.calibration.calibrators import masters_of
    from pipeline.reference.references import from_frames

    settings, store = settings_of(context), store_of(context)
    notes: list[str] = []
    with progress_bar("Building", quiet=as_json) as report:
        facts, skipped, partly = from_frames(
            _named(files),
            settings,
            masters_for=masters_of(store, settings),
            progress=report,
            said=notes,
        )
    row = references.add(store, facts)
    notes += _light_in_it(row, seen_meanwhile(store, row), blind=settings.review.blind)
    for note in notes:
        remark("warning:", note)
    if as_json:
        print_json(_record(row) | {"skipped": skipped, "partly": partly})
    else:
        for name, reason in skipped.items():
            remark(f"left out {name}: {reason}")
        for name, part in partly.items():
            remark(f"{name}: {part}")
        print_text(f"reference {row.id}: {row.chosen}; {_summary(row)}")
    if skipped or partly:
        raise typer.Exit(ExitCode.PARTIAL)


@app.command()
def retire(
    context: typer.Context,
    reference: Annotated[
        int, typer.Argument(metavar="REFERENCE", callback=storable, help="The reference's id.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Subtract a reference no more; differences that it made stay. Adding its file again brings it back."""
    from core.errors import AstridError
    from core.frames import references

    if not references.retire(store_of(context), reference):
        raise AstridError(f"there is no reference {reference}: `astrid reference list` shows them")
    if as_json:
        print_json({"id": reference, "is_current": False})
    else:
        print_text(f"reference {reference} is retired: new frames are not subtracted from it")


@app.command(name="list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the references, the newest first."""
    from core.frames import references

    rows = references.newest_first(store_of(context, read_only=True))
    if as_json:
        print_json([_record(row) for row in rows])
        return
    if not rows:
        print_text("No references yet: `astrid reference add FILE` or `build FILES...` makes one.")
        return
    headings = ("id", "field", "filter", "size", "frames", "seeing px", "current", "chosen")
    print_table(
        headings,
        [
            (
                row.id,
                row.field,
                row.filter,
                f"{row.width}x{row.height}",
                row.n_frames,
                row.seeing_px and round(row.seeing_px, 2),
                "yes" if row.is_current else "no",
                row.chosen,
            )
            for row in rows
        ],
        least=(("size",), ("seeing px",), ("field",)),
    )


def _light_in_it(row: "Reference", names: list[str], *, blind: bool) -> list[str]:
    """What is to be said of transients that a reference holds; who works blind is told no names."""
    if not names:
        return []
    count = "1 transient" if len(names) == 1 else f"{len(names)} transients"
    told = "" if blind else f" ({', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''})"
    return [
        f"{count} that reviewers judged real{told} shone while its frames were taken, or may have: what is"
        f" subtracted from it lacks that light. `astrid reference retire {row.id}` goes back to the one"
        " before"
    ]


def _named(names: list[str]) -> "list[Named]":
    """The frames that are meant: a file, an image of a file, all files of a folder; each once."""
    from pipeline.diff import split_extension
    from pipeline.intake.ingest import find_files

    found: dict[Named, None] = {}
    for name in names:
        path, extension = split_extension(name)
        files = [path] if extension is not None else find_files([path])
        found.update(((file, extension), None) for file in files)
    return list(found)


def _summary(row: "Reference") -> str:
    """What kind of image it is, in a few words."""
    where = f"{row.ra:.5f} {row.dec:+.5f}" if row.ra is not None and row.dec is not None else "no WCS"
    seeing = f", FWHM {row.seeing_px:.2f} px" if row.seeing_px else ""
    return f"field {row.field or '-'}, filter {row.filter or '-'}, {row.width}x{row.height}, {where}{seeing}"


def _record(row: "Reference") -> dict[str, Any]:
    return row.model_dump(exclude={"content"})
