"""`astrid reference`: the images to subtract from."""

from typing import Annotated

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
from astrid_tui.cli.reference_build import build
from astrid_tui.cli.reference_words import light_in_it, record_of, summary_of
from core.errors import AstridError

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
    notes += light_in_it(row, seen_meanwhile(store, row), blind=settings.review.blind)
    for note in notes:
        remark("warning:", note)
    if as_json:
        print_json(record_of(row))
    else:
        print_text(f"reference {row.id}: {row.chosen}; {summary_of(row)}")


app.command()(build)


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
        print_json([record_of(row) for row in rows])
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
