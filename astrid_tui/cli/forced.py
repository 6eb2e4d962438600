"""`astrid forced`: the flux at any place, known or not, in every frame that covers it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import place_words
from astrid_tui.cli.curves import FORMS, flux_cells, mag_cells, number
from astrid_tui.cli.dates import mjd_from, moment_of
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
from astrid_tui.cli.output_files import ForceOption, check_output, output_stream
from astrid_tui.cli.places import place_given
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.database.store import Store
    from core.places.place_facts import Place
    from core.places.place_flux import PlaceFlux

SETTINGS = {"ignore_unknown_options": True}  # a southern declination begins like an option


def forced(
    context: typer.Context,
    ra: Annotated[
        str | None,
        typer.Argument(
            metavar="RA",
            autocompletion=place_words,
            help="Degrees, or hours as in 10:12:33.1; RA and DEC in one; a name.",
        ),
    ] = None,
    dec: Annotated[
        str | None, typer.Argument(metavar="DEC", help="Degrees, or sexagesimal such as -04:10:11.")
    ] = None,
    pixel: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="X Y", help="Instead of RA DEC: a pixel of --reference, from 0."),
    ] = None,
    reference: Annotated[
        int | None, typer.Option(callback=storable, help="The id of the reference whose pixel it is.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Frames from this MJD or UTC date on.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Frames before this MJD or UTC time; of a date, through that day.")
    ] = None,
    band: Annotated[str | None, typer.Option("--filter", help="Frames of this filter alone.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Frames to subtract at most, the newest first.")
    ] = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file: .csv, .json, .ecsv or .vot.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Measure the flux at any place in every frame that covers it: forced photometry.

    A place is RA DEC, an object's name, or --pixel X Y with --reference. Each frame is subtracted again, with
    the settings in force; nothing is stored (`astrid objects forced` does that for known objects). A frame
    without a flux says why. Fluxes are of the difference, magnitudes without its sign; below 5 sigma the
    magnitude is the limit. Interrupted, it tells what was measured. Exit code 3: some frames could not be
    measured.
    """
    from core.places.why import Page
    from core.review.real_rows import real_place
    from pipeline.engines.place import measure_place

    page = Page(since=mjd_from(since, "--since"), until=mjd_from(until, "--until", through=True), filter=band)
    if page.since is not None and page.until is not None and page.since >= page.until:
        raise typer.BadParameter("no time lies between: --until comes after --since", param_hint="--until")
    check_output(output, force=force, endings=tuple(FORMS), text=True)
    settings, store = settings_of(context), store_of(context, read_only=True)
    place = _place(store, ra, dec, pixel, reference)
    real = real_place(store, place)
    with progress_bar("Measuring", quiet=as_json) as report:
        measured = measure_place(store, settings, real, page, limit=limit, progress=report)
    found = measured.frames
    told = {
        "place": asdict(place),
        "objects": list(real.objects),
        "alerts": _alerts(store, place),
        "left": measured.left,
        "interrupted": measured.interrupted,
        "frames": [each.row() | {"other_settings": each.other_settings} for each in found],
    }
    if output is not None:
        with output_stream(output) as stream:
            _write(told, FORMS.get(output.suffix.lower(), "csv"), stream)
    if as_json:
        print_json(told)
    else:
        _print(told, found, output)
    if output is not None:
        remark(f"{counted(len(found), 'row')} in {output}")
    if measured.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if any(each.status == "failed" for each in found):
        raise typer.Exit(ExitCode.PARTIAL)


def _place(
    store: Store, ra: str | None, dec: str | None, pixel: tuple[float, float] | None, reference: int | None
) -> Place:
    from core.places.why import place_on_grid

    if pixel is not None and ra is not None:
        raise typer.BadParameter("give RA DEC or --pixel X Y, not both")
    if (pixel is None) != (reference is None):
        raise typer.BadParameter("--pixel X Y and --reference go together: whose pixel it is")
    if pixel is not None and reference is not None:
        if not all(math.isfinite(value) for value in pixel):
            raise typer.BadParameter("a pixel is two numbers", param_hint="--pixel")
        return place_on_grid(store, reference, *pixel)
    if ra is None:
        raise typer.BadParameter("give a position, RA DEC, or --pixel X Y with --reference")
    return place_given(store, ra, dec)


def _alerts(store: Store, place: Place) -> list[dict[str, Any]]:
    from core.places.why import alerts_at
    from core.review.real_rows import PLACE_ARCSEC

    if place.ra is None or place.dec is None:
        return []
    return list(alerts_at(store, place.ra, place.dec, PLACE_ARCSEC / 3600.0))


def _write(told: dict[str, Any], form: str, stream: IO[str]) -> None:
    import json

    from core.objects.curve_table import write_csv, write_ecsv, write_votable
    from core.places.place_flux import COLUMNS, UCDS

    if form == "json":
        stream.write(json.dumps(told, allow_nan=False, indent=2) + "\n")
    elif form == "csv":
        write_csv(told["frames"], stream, COLUMNS)
    elif form == "votable":
        write_votable(told["frames"], stream, COLUMNS, UCDS)
    else:
        place = {name: value for name, value in told["place"].items() if value is not None}
        write_ecsv(told["frames"], stream, COLUMNS, {"place": place})


def _print(told: dict[str, Any], found: Sequence[PlaceFlux], output: Path | None) -> None:
    place = told["place"]
    where = [] if place["ra"] is None else [f"{place['ra']:.6f} {place['dec']:+.6f}"]
    if place["x"] is not None:
        where.append(f"pixel {place['x']:.1f} {place['y']:.1f} of reference {place['reference']}")
    print_text(", ".join(where))
    for each in told["objects"]:
        print_text(_object(each))
    for each in told["alerts"]:
        mag = "" if each["mag"] is None else f", {each['mag']:.2f} mag"
        print_text(
            f'  {each["arcsec"]:.1f}" alert {each["id"]} of {each["source"]}, {each["object"]}:'
            f" {moment_of(each['mjd'])}, {each['filter'] or 'no filter'}, {each['snr']:.1f} sigma{mag}"
        )
    if not found:
        print_text("No frame that was asked for shows the place, by its own header or by its reference.")
        return
    if output is None:
        _print_rows(told["frames"])
    measured = [row for row in told["frames"] if row["status"] == "measured"]
    seen = sum(not row["is_limit"] for row in measured)
    why = "interrupted" if told["interrupted"] else "by --limit"
    more = f"; {told['left']} more left, {why}" if told["left"] else ""
    frames = counted(len(found), "frame")
    print_text(f"measured in {len(measured)} of {frames}, in {seen} at 5 sigma or more{more}")
    others = sum(row["other_settings"] for row in told["frames"])
    if others:
        remark(f"{others} of these frames were processed with other settings than those in force")


def _object(each: dict[str, Any]) -> str:
    away = f'{each["arcsec"]:.1f}"' if "arcsec" in each else f"{each['px']:.1f} px"
    state = each["label"] or each["state"]
    return (
        f"  {away} object {each['id']}, {each['name']}: {state}, {counted(each['n_candidates'], 'candidate')}"
    )


def _print_rows(rows: Sequence[dict[str, Any]]) -> None:
    measured = [
        (f"{row['mjd']:.5f}" if row["mjd"] is not None else None, row["frame"], row["filter"],
         number(row["snr"], 1), *flux_cells(row), *mag_cells(row))
        for row in rows if row["status"] == "measured"
    ]  # fmt: skip
    if measured:
        headings = (
            "mjd", "frame", "filter", "snr", "flux", "flux error", "unit", "mag", "mag error", "system",
        )  # fmt: skip
        least = (("system",), ("flux error",), ("flux", "unit"), ("mag error",), ("frame",))
        print_table(headings, measured, least=least)
    without = [
        (f"{row['mjd']:.5f}" if row["mjd"] is not None else None, row["frame"], row["filter"], row["status"],
         row["reason"])
        for row in rows if row["status"] != "measured"
    ]  # fmt: skip
    if without:
        print_text("Without a flux:")
        print_table(("mjd", "frame", "filter", "status", "reason"), without, least=(("mjd",), ("frame",)))
