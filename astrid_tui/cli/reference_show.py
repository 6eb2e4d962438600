"""`astrid reference show`: all that is known of one reference."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import reference_numbers
from astrid_tui.cli.dates import moment_of
from astrid_tui.cli.invocation import (
    JsonOption,
    print_item,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    storable,
    store_of,
)
from astrid_tui.cli.reference_words import record_of, summary_of, use_told
from core.errors import AstridError
from core.text import counted

if TYPE_CHECKING:
    from core.frames.reference_shown import ReferenceShown
    from core.settings import Settings

ReferenceArgument = Annotated[
    int,
    typer.Argument(
        metavar="REFERENCE",
        callback=storable,
        autocompletion=reference_numbers,
        help="The reference's id, as `reference list` tells it.",
    ),
]


def show(
    context: typer.Context,
    reference: ReferenceArgument,
    limit: Annotated[
        int, typer.Option(min=1, callback=storable, help="Frames subtracted from it to list, newest first.")
    ] = 20,
    after: Annotated[
        int | None, typer.Option(callback=storable, help="The number that the page before ended with.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one reference: the frames in it, its epochs, its depth, and what was subtracted from it."""
    from core.frames.reference_shown import shown

    found = shown(store_of(context, read_only=True), reference, limit=limit, after=after)
    if found is None:
        raise AstridError(f"there is no reference {reference}: `astrid reference list` shows them")
    depth = _depth(found, settings_of(context))
    if as_json:
        told = {"served_by": found.served_by, "frames": found.frames, "n_subtracted": found.n_subtracted}
        more = {"subtracted": found.subtracted, "next": found.next}
        print_json(record_of(found.row) | depth | told | more)
        return
    _tell(found, depth)
    print_text()
    print_table(
        ("in it", "id", "state", "UTC"),
        [(each["name"], each["id"], each["state"], moment_of(each["mjd"])) for each in found.frames],
    )
    print_text()
    if not found.n_subtracted:
        print_text("Nothing was subtracted from it.")
        return
    print_text(f"{counted(found.n_subtracted, 'difference')} with it, the newest first:")
    headings = ("id", "frame", "UTC", "method", "current", "noise", "limit mag", "m50", "candidates")
    print_table(headings, [_row(each) for each in found.subtracted], least=LEAST)
    if found.next is not None:
        print_text(f"more: astrid reference show {reference} --after {found.next}")


LEAST = (("noise",), ("method",), ("limit mag",), ("m50",), ("frame",))


def _depth(found: "ReferenceShown", settings: "Settings") -> dict[str, Any]:
    """What a point source of 5 sigma has in it; where that cannot be told, that is said."""
    from core.frames.reference_files import file_of
    from pipeline.frame import FrameRefused
    from pipeline.reference.limits import limits

    try:
        told = limits(file_of(found.row.path, settings.home), found.row)
    except FrameRefused as refused:
        remark(f"its depth is not known: {refused}")
        return {"limit_flux": None, "limit_mag": None}
    return {"limit_flux": told.flux, "limit_mag": told.mag}


def _tell(found: "ReferenceShown", depth: dict[str, Any]) -> None:
    row = found.row
    first, last = moment_of(row.mjd_first), moment_of(row.mjd_last)
    system = f" {row.mag_system}" if row.mag_system else ""
    limit = depth["limit_flux"]
    items = {
        "reference": f"{row.id}: {row.chosen}",
        "image": summary_of(row),
        "current": use_told(row, found.served_by),
        "epochs": first if first == last else f"{first} to {last}",
        "zeropoint": None
        if row.zeropoint is None
        else f"{row.zeropoint:.3f} mag{system}, of 1 {row.flux_unit}",
        "5 sigma": None if limit is None else f"{limit:.4g} {row.flux_unit}",
        "file": row.path,
    }
    if depth["limit_mag"] is not None:
        items["5 sigma"] = f"{depth['limit_mag']:.2f} mag{system}"
    for name, value in items.items():
        print_item(f"{name:9}", "not known" if value is None else value)


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    return (
        each["id"],
        each["frame"],
        moment_of(each["mjd"]),
        each["method"],
        "yes" if each["is_current"] else "no",
        round(each["score_std"], 2),
        None if each["limit_mag"] is None else round(each["limit_mag"], 2),
        None if each["m50"] is None else round(each["m50"], 2),
        each["n_candidates"],
    )
