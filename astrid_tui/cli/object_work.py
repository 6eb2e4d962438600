"""`astrid objects forced|tracklets`: work on the objects of the sky, over all frames there are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import object_numbers
from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_json_line,
    print_table,
    print_text,
    progress_bar,
    settings_of,
    storable,
    store_of,
)
from core.epochs import MJD_0
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.database.store import Store
    from core.objects.tracklets import NightSpan

LEAST = (("chance",), ("rms",), ("mag",), ("n",), ("candidates",))  # what gives way in a narrow terminal


def register(objects: typer.Typer) -> None:
    """Add these commands to a group of commands."""
    objects.command()(forced)
    objects.command()(tracklets)


def forced(
    context: typer.Context,
    ids: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="ID",
            callback=storable,
            autocompletion=object_numbers,
            help="Objects; default: all that were not judged bogus.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames to subtract again at most.")] = None,
    as_json: JsonOption = False,
    lines: Annotated[bool, typer.Option("--lines", hidden=True)] = False,  # for the console
) -> None:
    """Measure objects in the frames that were processed before they were known.

    Each such frame is subtracted again; its candidates stay as they are. Interrupted, this goes on where
    it was. Exit code 3: some frames could not be measured.
    """
    from core.objects.detail import object_called
    from pipeline.engines.remeasure import remeasure

    settings, store = settings_of(context), store_of(context)
    with store.read() as session:
        for each in ids or ():
            object_called(session, str(each))
    with _told(quiet=as_json, in_lines=lines) as report:
        frames, left = remeasure(store, settings, set(ids) if ids else None, limit=limit, progress=report)
    points = sum(each.points for each in frames)
    if as_json:
        rows = [
            {"id": each.observation_id, "frame": each.frame, "points": each.points, "reason": each.reason}
            for each in frames
        ]
        (print_json_line if lines else print_json)({"points": points, "left": left, "frames": rows})
    else:
        if frames:
            print_table(
                ("id", "frame", "points", "reason"),
                [(each.observation_id, each.frame, each.points, each.reason) for each in frames],
            )
        more = f", {counted(left, 'frame')} left" if left else ""
        print_text(f"{counted(points, 'point')} added in {counted(len(frames), 'frame')}{more}")
    if any(each.reason for each in frames):
        raise typer.Exit(ExitCode.PARTIAL)


@contextmanager
def _told(*, quiet: bool, in_lines: bool) -> Iterator[Callable[[int, int, str], None]]:
    """How far the measuring is: a bar, or lines of JSON for the console that asked."""
    if in_lines:
        yield lambda done, total, _: print_json_line({"measured": done, "of": total})
        return
    with progress_bar("Measuring", quiet=quiet) as report:
        yield report


def tracklets(
    context: typer.Context,
    night: Annotated[
        str | None,
        typer.Option(
            help="Nights with frames or alerts on this day of UTC, such as 2026-11-25; default: the newest "
            "of your frames, or of alerts where there are no frames."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All nights there are.")] = False,
    kept_only: Annotated[
        bool,
        typer.Option("--kept", help="List what was found before, all of it unless a night is named."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find what moved within a night: detections on a straight line, of one brightness.

    A run does this when it ends. Found anew, the same candidates make the same tracklets.
    """
    from core.objects import tracklets as kept
    from pipeline.engines.tracklets import link_night

    records: list[dict[str, Any]]
    if kept_only:
        store = store_of(context, read_only=True)
        if night is None:
            records = kept.kept_tracklets(store)
        else:
            spans = _nights(store, night, every)
            records = [each for span in spans for each in kept.tracklets_of_night(store, span)]
        _tell(records, "No tracklet is kept.", as_json=as_json)
        return
    settings, store = settings_of(context), store_of(context)
    spans = _nights(store, night, every)
    records = []
    with progress_bar("Linking", quiet=as_json) as report:
        for done, span in enumerate(spans):
            report(done, len(spans), f"MJD {span.first:.1f}")
            link_night(store, settings, span)
            records += kept.tracklets_of_night(store, span)
    _tell(records, _nothing(spans, named=every or night is not None), as_json=as_json)


def _tell(records: Sequence[Mapping[str, Any]], nothing: str, *, as_json: bool) -> None:
    """Tracklets as a table; what is said where there are none."""
    if as_json:
        print_json(records)
        return
    if not records:
        print_text(nothing)
        return
    headings = ("id", "n", "MJD", "ra", "dec", "arcsec/h", "PA", "rms", "mag", "chance", "candidates")
    rows = [
        (
            each["id"], each["n"], f"{each['first_mjd']:.4f}", f"{each['ra']:.5f}", f"{each['dec']:+.5f}",
            round(each["rate_arcsec_hour"], 2), round(each["position_angle"], 1) % 360.0,
            each["rms_arcsec"] and round(each["rms_arcsec"], 2), each["mag"] and round(each["mag"], 2),
            f"{each['chance']:.1g}", " ".join(map(str, each["candidates"])),
        )
        for each in records
    ]  # fmt: skip
    print_table(headings, rows, least=LEAST)


def _nothing(spans: "list[NightSpan]", *, named: bool) -> str:
    """What was looked at in vain."""
    if not spans:
        return "There are no candidates of such a night."
    if named:
        return "Nothing moves."
    day = date.fromordinal(int(spans[-1].last) + MJD_0.toordinal())
    return f"Nothing moves in the newest night, {day}; others are looked at by --night or --all."


def _nights(store: "Store", day: str | None, every: bool) -> "list[NightSpan]":
    from core.objects.tracklets import newest_night, nights

    if every:
        return nights(store)
    if day is None:
        found = newest_night(store)
        return [found] if found else []
    try:
        mjd = float(date.fromisoformat(day).toordinal() - MJD_0.toordinal())
    except ValueError:
        raise typer.BadParameter(
            f"'{day}' is no date: write it as 2026-11-25", param_hint="--night"
        ) from None
    return nights(store, mjd, mjd + 1.0)
