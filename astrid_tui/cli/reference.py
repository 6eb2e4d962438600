"""`astrid reference`: the images to subtract from."""

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    store_of,
)
from astrid_tui.cli.reference_add import add
from astrid_tui.cli.reference_build import build
from astrid_tui.cli.reference_show import ReferenceArgument, show
from astrid_tui.cli.reference_words import record_of, use_told
from core.errors import AstridError

app = typer.Typer(help="The images to subtract from.", rich_markup_mode=None, no_args_is_help=True)


app.command()(add)
app.command()(build)
app.command()(show)


@app.command()
def retire(
    context: typer.Context,
    reference: ReferenceArgument,
    as_json: JsonOption = False,
) -> None:
    """Subtract a reference no more; differences that it made stay. Adding its file again brings it back."""
    from core.frames import references

    if not references.retire(store_of(context), reference):
        raise AstridError(f"there is no reference {reference}: `astrid reference list` shows them")
    if as_json:
        print_json({"id": reference, "is_current": False})
    else:
        print_text(f"reference {reference} is retired: new frames are not subtracted from it")


@app.command(name="list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the references, the newest first, and whether frames that lie where one does get it."""
    from core.frames import references

    rows = references.newest_first(store_of(context, read_only=True))
    served_by = references.served_by(rows)
    if as_json:
        print_json([record_of(row) | {"served_by": served_by[row.id or 0]} for row in rows])
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
                use_told(row, served_by[row.id or 0]),
                row.chosen,
            )
            for row in rows
        ],
        least=(("size",), ("seeing px",), ("field",)),
    )
