"""`astrid catalog`: what is already known in the sky, kept on this machine."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    confirm,
    must_write,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.catalogs.coverage import Coverage
    from core.catalogs.library import Catalog

app = typer.Typer(
    help="The known sky: catalogues and orbits, kept on this machine.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


class Kind(StrEnum):
    """What a catalogue holds."""

    STARS = "stars"
    VARIABLES = "variables"
    GALAXIES = "galaxies"
    TRANSIENTS = "transients"
    ORBITS = "orbits"


class Unit(StrEnum):
    """Of right ascension."""

    HOURS = "hours"
    DEGREES = "degrees"


@app.command()
def add(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, ECSV, FITS, VOTable or Parquet with positions, or MPCORB.DAT or CometEls.txt; also "
            ".gz, .bz2, .xz.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="How to call it; default: the file's name.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it holds, where its columns do not tell.")] = None,
    epoch: Annotated[
        float | None, typer.Option(min=1800, max=2200, help="Of its positions, such as 2016.0.")
    ] = None,
    ra_unit: Annotated[
        Unit | None, typer.Option(help="Of right ascension, against what the file says.")
    ] = None,
    band: Annotated[
        str | None, typer.Option(help="Of its magnitude, where the column does not say, such as r.")
    ] = None,
    mag_system: Annotated[str | None, typer.Option(help="Of its magnitudes, such as ab or vega.")] = None,
    area: Annotated[
        str | None,
        typer.Option(help='What it covers: all-sky, or "RA DEC RADIUS"; default: where its rows are.'),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of the one of this name.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a catalogue, whole or not at all; the same file is added once."""
    from core.catalogs.library import Library
    from pipeline.known.add import Options
    from pipeline.known.add import add as add_file

    must_write(context)
    options = Options(
        name=name,
        kind=kind.value if kind else None,
        epoch=epoch,
        ra_unit=ra_unit.value if ra_unit else None,
        band=band,
        mag_system=mag_system.lower() if mag_system else None,
        coverage=_coverage(area),
        replace=replace,
    )
    library = Library(settings_of(context).home)
    with progress_bar("Adding", quiet=as_json) as report:
        added = add_file(file, library, options, report)
    record = added.catalog.record()
    for text in added.remarks:
        remark(f"{added.catalog.name}: {text}")
    if as_json:
        print_json(record | {"added": added.is_new, "remarks": list(added.remarks)})
    elif added.is_new:
        print_text(f"{added.catalog.name}: {_summary(record)}")
        remark("`astrid catalog match` compares the candidates that are there already")
        if lacking := _lacking(context, added.catalog):
            frames = "1 frame was" if lacking == 1 else f"{lacking} frames were"
            remark(
                f"{frames} processed without a zeropoint there: `astrid catalog zeropoints` finds it by this"
            )
    else:
        print_text(f"{added.catalog.name} is there already: {_summary(record)}")


@app.command(name="list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the catalogues."""
    from core.catalogs.library import Library

    records = [each.record() for each in Library(settings_of(context).home).catalogs()]
    if as_json:
        print_json(records)
        return
    if not records:
        print_text("No catalogues yet: `astrid catalog add FILE` adds one.")
        return
    headings = ("name", "kind", "rows", "epoch", "bands", "covers", "MB", "file")
    print_table(
        headings,
        [
            (
                each["name"],
                each["kind"],
                each["rows"],
                each["epoch"],
                ",".join(each["bands"]),
                each["coverage"]["how"],
                round(each["bytes"] / 1e6, 1),
                Path(each["file"]).name,
            )
            for each in records
        ],
        least=(("MB",), ("epoch",), ("covers",), ("bands",), ("file",)),
    )


@app.command()
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The catalogue's name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a catalogue; what was matched with it stays with the candidates until they are matched again."""
    from core.catalogs.library import Library

    must_write(context)
    library = Library(settings_of(context).home)
    found = library.named(name)
    confirm(f"This removes {found.name} with {counted(found.rows, 'row')}.", "remove", yes=yes)
    library.remove(name)
    if as_json:
        print_json({"removed": found.name, "rows": found.rows})
    else:
        print_text(f"{found.name} is removed")


@app.command(context_settings={"ignore_unknown_options": True})
def near(
    context: typer.Context,
    ra: Annotated[str, typer.Argument(metavar="RA", help="Degrees, or hours as 10:12:33.1.")],
    dec: Annotated[str, typer.Argument(metavar="DEC", help="Degrees, or -04:10:11.")],
    radius: Annotated[str, typer.Option(help='Such as 30arcsec, 0.5deg, 30".')] = "30arcsec",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The nearest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the sources of all catalogues around a place, nearest first."""
    from core.catalogs.library import Library
    from core.catalogs.near import near as sources_near
    from core.coordinates import parse_position, parse_radius

    library = Library(settings_of(context).home)
    place = parse_position(ra, dec)
    found = sources_near(library, *place, parse_radius(radius), limit=limit).records()
    if as_json:
        print_json(found)
        return
    if not found:
        print_text("No source of a catalogue is there.")
        return
    rows = [
        (
            one["catalog"], one["kind"], one["name"], f"{one['ra']:.6f}", f"{one['dec']:+.6f}",
            round(one["distance_arcsec"], 2),
            " ".join(f"{band}={mag:.2f}" for band, mag in one["mags"].items()),
        )
        for one in found
    ]  # fmt: skip
    print_table(("catalogue", "kind", "name", "ra", "dec", "arcsec", "mag"), rows)


@app.command()
def match(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option(min=1, help="Candidates at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the candidates that are there already with the catalogues of now.

    Candidates of a frame are compared when it is processed. Interrupted, this goes on where it was.
    """
    from pipeline.engines.matching import match_stored

    settings, store = settings_of(context), store_of(context)
    with progress_bar("Matching", quiet=as_json) as report:
        done, left = match_stored(store, settings, limit=limit, progress=report)
    if as_json:
        print_json({"matched": done, "left": left})
    else:
        print_text(f"{counted(done, 'candidate')} matched" + (f", {left} left" if left else ""))


@app.command()
def zeropoints(
    context: typer.Context,
    frames: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD|FRAME", help="Fields, frames or their numbers; default: all."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames to read again at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the zeropoints that processed frames lack, by the star catalogues of now.

    Frames and references are compared with the stars; magnitudes, limits and depths of all that was found
    and measured follow. Nothing is subtracted or detected again: scores and verdicts stay as they are. Each
    frame is written at once, whole; interrupted, this goes on where it was.

    Exit code 3: some frames lack a zeropoint still; 1: all do.
    """
    from core.operations.logs import log_to_file
    from pipeline.engines.zeropoints import calibrate_stored

    settings, store = settings_of(context), store_of(context)
    log_to_file(settings)
    with progress_bar("Calibrating", quiet=as_json) as report:
        done, left = calibrate_stored(store, settings, frames or (), limit=limit, progress=report)
    good = [each for each in done if each.reason is None]
    if as_json:
        print_json({"calibrated": len(good), "left": left, "frames": [each.record() for each in done]})
    else:
        if done:
            rows = [
                (
                    each.observation_id, each.frame, _mag(each.zeropoint), _mag(each.scatter),
                    _mag(each.difference), each.candidates, each.reason,
                )
                for each in done
            ]  # fmt: skip
            headings = (
                "id",
                "frame",
                "zeropoint",
                "of one star",
                "of the difference",
                "candidates",
                "reason",
            )
            print_table(
                headings,
                rows,
                least=(("of one star",), ("candidates",), ("of the difference",), ("frame",)),
            )
        more = f", {left} left" if left else ""
        lacking = f" of {len(done)}" if len(good) < len(done) else ""
        print_text(f"{len(good)}{lacking} frames calibrated{more}" if done else "No frame lacks a zeropoint.")
    if len(good) < len(done):
        raise typer.Exit(ExitCode.PARTIAL if good else ExitCode.FAILED)


def _mag(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _lacking(context: typer.Context, catalog: "Catalog") -> int:
    """How many processed frames without a zeropoint a new star catalogue covers; 0 without a store."""
    from core.database.store import open_store
    from core.database.store_errors import StoreError
    from pipeline.engines.zeropoints import covered

    if catalog.kind != "stars":
        return 0
    try:
        return covered(open_store(settings_of(context).store_url, read_only=True), catalog)
    except StoreError:  # a catalogue can be added without one
        return 0


def _coverage(area: str | None) -> "Coverage | None":
    from core.catalogs.coverage import Coverage
    from core.coordinates import parse_position, parse_radius

    if area is None:
        return None
    if area == "all-sky":
        return Coverage("all-sky")
    words = area.replace(",", " ").split()
    if len(words) != 3:
        raise typer.BadParameter(
            'write all-sky, or "RA DEC RADIUS" such as "150.1 2.2 1deg"', param_hint="--area"
        )
    ra, dec = parse_position(words[0], words[1])
    return Coverage("cone", cone=(ra, dec, parse_radius(words[2])))


def _summary(record: dict[str, Any]) -> str:
    epoch = f", epoch {record['epoch']:g}" if record["epoch"] is not None else ""
    skipped = (
        f", {counted(record['skipped'], 'row')} without a position left out" if record["skipped"] else ""
    )
    return f"{record['rows']} {record['kind']}{epoch}{skipped}"
