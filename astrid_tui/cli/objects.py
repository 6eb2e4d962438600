"""`astrid objects`: what is known of one place on the sky, and its light curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import object_words
from astrid_tui.cli.curves import FORMS, flux_cells, mag_cells, number
from astrid_tui.cli.invocation import (
    FilterOption,
    JsonOption,
    blind_to,
    expanded_filter,
    print_json,
    print_table,
    print_text,
    remark,
    store_of,
)
from astrid_tui.cli.output_files import ForceOption, check_output, output_stream
from astrid_tui.cli.past import past_words
from core.text import counted

if TYPE_CHECKING:
    from core.objects.detail import ObjectDetail

app = typer.Typer(
    help="List sky objects, show them and their light curves.", rich_markup_mode=None, no_args_is_help=True
)

# What gives way in a narrow terminal, the first one first.
LEAST = (
    ("first mjd",), ("tracklet",), ("source",), ("ra", "dec"), ("label",), ("filter",), ("last mjd",),
    ("mag",), ("state",), ("id",),
)  # fmt: skip
ObjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="OBJECT", autocompletion=object_words, help="Its number, its name, or what a survey calls it."
    ),
]


@app.command(name="list")
def list_(
    context: typer.Context,
    filters: FilterOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Objects on the page.")] = 50,
    after: Annotated[str | None, typer.Option(help="The cursor that the page before ended with.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List sky objects that have candidates, the newest first.

    A filter is about the candidate that stands for each object, as in the review queue.
    """
    from core.objects.object_list import object_page

    store = store_of(context, read_only=True)
    terms = expanded_filter(context, store, filters)
    found = object_page(store, filters=terms, limit=limit, after=after, blind_to=blind_to(context))
    if as_json:
        print_json({"objects": list(found.rows), "next": found.next})
        return
    if not found.rows:
        print_text("No objects.")
        return
    rows = [
        (each["id"], each["name"], number(each["ra"], 5), number(each["dec"], 5), each["source"],
         each["n_candidates"], number(each["first_mjd"], 3), number(each["last_mjd"], 3), each["filter"],
         number(each["snr"], 1), number(each["mag"], 2), number(each["score"], 3), each["state"],
         each["label"], each["tracklet"])
        for each in found.rows
    ]  # fmt: skip
    headings = (
        "id", "object", "ra", "dec", "source", "n", "first mjd", "last mjd", "filter", "snr", "mag", "score",
        "state", "label", "tracklet",
    )  # fmt: skip
    print_table(headings, rows, least=LEAST)
    if found.next:
        print_text(f"more: --after {found.next}")


@app.command()
def show(context: typer.Context, what: ObjectArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of one object."""
    from core.objects.detail import read_object

    detail = read_object(store_of(context, read_only=True), what)
    if as_json:
        print_json(detail.record())
        return
    for block in BLOCKS:
        block(detail)


@app.command()
def lightcurve(
    context: typer.Context,
    what: ObjectArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    as_votable: Annotated[bool, typer.Option("--votable", help="Write a VOTable.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file: .csv, .json, .ecsv or .vot; default: standard output."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write an object's light curve: sources and bands side by side, limits where nothing was seen.

    Fluxes are in nanojansky where an AB zeropoint is known, and marked instrumental where not. A file appears
    whole or not at all; its form is the one that is asked for, else the one of its name's end. Where
    sources were injected into the review queue, an object has none before its verdict.
    """
    from core.objects.curve_table import curve_rows
    from core.review.real_rows import real_object

    asked = [form for form, given in (("csv", as_csv), ("json", as_json), ("votable", as_votable)) if given]
    if len(asked) > 1:
        raise typer.BadParameter(f"ask for one of --{', --'.join(asked)}")
    form = asked[0] if asked else _form_of(output)
    check_output(output, force=force, text=True)
    rows = curve_rows(real_object(store_of(context, read_only=True), what))
    if form is None:
        _print_curve(rows)
        return
    with output_stream(output) as stream:
        _writer(form)(rows, stream)
    if output is not None:
        remark(f"{counted(len(rows), 'epoch')} in {output}")


def _form_of(output: Path | None) -> str | None:
    """What a file's name says of its form; a table for the reader where there is no file."""
    if output is None:
        return None
    form = FORMS.get(output.suffix.lower())
    if form is None:
        raise typer.BadParameter(
            "say --csv, --json or --votable, or end the file's name in .csv, .json, .ecsv or .vot",
            param_hint="-o",
        )
    return form


def _writer(form: str) -> Callable[[Sequence[dict[str, Any]], IO[str]], None]:
    from core.objects.curve_table import write_csv, write_ecsv, write_json, write_votable

    return {"csv": write_csv, "json": write_json, "votable": write_votable, "ecsv": write_ecsv}[form]


def _print_curve(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        print_text("Nothing was measured of it yet.")
        return
    told = [
        (f"{row['mjd']:.5f}", row["source"], row["filter"], row["kind"], *mag_cells(row),
         *flux_cells(row), row["calibration"], row["reference"])
        for row in rows
    ]  # fmt: skip
    headings = (
        "mjd", "source", "filter", "kind", "mag", "mag error", "system", "flux", "flux error", "unit",
        "calibration", "reference",
    )  # fmt: skip
    least = (
        ("calibration",),
        ("reference",),
        ("system",),
        ("flux", "flux error", "unit"),
        ("kind",),
        ("source",),
    )
    print_table(headings, told, least=least)


def _print_facts(detail: ObjectDetail) -> None:
    from core.coordinates import degrees_of_ra

    row = detail.object
    print_text(row.name)
    facts: dict[str, object] = {"number": row.id}
    if row.ra is not None and row.dec is not None:
        facts["position"] = f"{degrees_of_ra(row.ra, 6)} {row.dec:+.6f}"
    else:
        facts["pixel"] = f"{number(row.x, 1)} {number(row.y, 1)} of reference {row.reference_id}"
    if detail.names:
        facts["called"] = ", ".join(f"{name} ({source})" for source, name in detail.names)
    facts["state"] = row.review_state + (f", {row.review_label}" if row.review_label else "")
    if row.moving:
        facts["moving"] = "all that was seen of it belongs to tracklets"
    if len(detail.judged_with) > 1:
        others = " ".join(str(key) for key in detail.judged_with if key != row.id)
        carrier = detail.judged_with[0]
        card = "this object carries" if carrier == row.id else f"object {carrier} carries"
        facts["judged"] = f"as part of tracklet {row.tracklet_id}, whose card {card}; with {others}"
    for name, value in facts.items():
        print_text(f"  {name:9} {value}")


def _print_bands(detail: ObjectDetail) -> None:
    if not detail.bands:
        return
    print_text("Light curve, by source and band:")
    rows = [
        (each.source, each.filter, each.detections, each.limits, f"{each.first_mjd:.3f}",
         f"{each.last_mjd:.3f}", number(each.brightest, 2), each.mag_system)
        for each in detail.bands
    ]  # fmt: skip
    print_table(
        ("source", "filter", "seen", "limits", "first mjd", "last mjd", "brightest", "system"),
        rows,
        least=(("system",), ("limits",), ("source",)),
    )


def _print_known(detail: ObjectDetail) -> None:
    from core.objects.known import known_lines

    at = detail.told_at
    if at is None:
        if detail.candidates:
            print_text("Known sky: not looked up; `astrid catalog match` does it.")
        return
    several = f", at candidate {at}" if len(detail.candidates) > 1 else ""
    print_text(f"Known sky{several}:")
    for kind, sentence in known_lines(detail.known[at]):
        print_text(f"  {kind:12} {sentence}")


def _print_tracklets(detail: ObjectDetail) -> None:
    from core.objects.tracklets import sentence

    for each in detail.tracklets:
        numbers = " ".join(map(str, each["candidates"]))
        print_text(f"Tracklet {each['id']}: {sentence(each)}; candidates {numbers}")


def _print_candidates(detail: ObjectDetail) -> None:
    if not detail.candidates:
        return
    print_text("Candidates, newest first:")
    rows = [
        (each.id, each.source, f"{each.mjd:.5f}", each.filter, round(each.snr, 1), number(each.mag, 2),
         ", ".join(f"{name} {number(value, 2)}" for name, value in each.scores.items()))
        for each in detail.candidates
    ]  # fmt: skip
    print_table(("id", "source", "mjd", "filter", "snr", "mag", "scores"), rows)


def _print_verdicts(detail: ObjectDetail) -> None:
    if detail.verdicts:
        print_text("Verdicts and notes, newest first:")
    for past in detail.verdicts:
        print_text(f"  {past_words(asdict(past))}")


# What `astrid objects show` tells, in this order.
BLOCKS: tuple[Callable[[ObjectDetail], None], ...] = (
    _print_facts,
    _print_known,
    _print_tracklets,
    _print_bands,
    _print_candidates,
    _print_verdicts,
)
