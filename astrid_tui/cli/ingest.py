"""`astrid ingest`: register frames, and take alert packets."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_text,
    progress_bar,
    settings_of,
    store_of,
)
from astrid_tui.cli.reasons import print_reasons
from core.text import counted, safe_text
from core.vocabulary import ExitCode, ObservationState

if TYPE_CHECKING:
    from astrid_tui.cli.invocation import Progress
    from core.database.store import Store
    from core.settings import Settings
    from pipeline.intake.alerts import AlertFile

Record = dict[str, Any]
NOT_THERE = "there is no such file or folder"
REFUSED = {ObservationState.REJECTED, ObservationState.QUARANTINED}


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files, and folders to search for FITS files and alert packets."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Register frames: read each header, queue what can be processed, say why the rest cannot.

    An exposure is taken once, however its file is packed. One whose filter, field, exposure time or WCS was
    mended in its place is queued anew.

    Alert packets of surveys (Avro, Parquet, tar and tar.gz of Avro) become candidates at once: ZTF, Rubin,
    ATLAS, WINTER, PGIR, DECam. What is already known changes nothing.

    Exit codes: 3, some were refused; 1, nothing is there of what was named, or may be read. A folder without
    any file to take is told, and no failure.
    """
    from core.operations.logs import log_to_file
    from pipeline.intake.alerts import SUFFIXES
    from pipeline.intake.ingest import find_files

    settings, store = settings_of(context), store_of(context)
    log_to_file(settings)
    unread = {path: why for path in paths if (why := _why_absent(path)) is not None}
    files = find_files(
        [path for path in paths if path not in unread],
        SUFFIXES,
        lambda folder, why: unread.update({folder: why}),
    )
    records: list[Record] = [_left_out(path, why) for path, why in unread.items()]
    with progress_bar("Ingesting", quiet=as_json) as report:
        records.extend(_taken(store, settings, files, report))
    if as_json:
        print_json(records)
    else:
        counts: dict[str, int] = {}
        for record in records:
            counts[record["state"]] = counts.get(record["state"], 0) + 1
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        print_text(told or "No FITS files and no alert packets there.")
        _tell_alerts([record for record in records if "alerts" in record])
        print_reasons([(r["frame"], r["state"], r["reason"]) for r in records])
    if all(path in unread for path in paths):
        raise typer.Exit(ExitCode.FAILED)
    if any(record["state"] in REFUSED or _refused_alerts(record) for record in records):
        raise typer.Exit(ExitCode.PARTIAL)


def _why_absent(path: Path) -> str | None:
    """Why nothing can be had of a path, which may be mistyped or barred; none where something is there."""
    try:
        path.lstat()
        path.is_dir()  # what a link leads to may be barred as well
    except (FileNotFoundError, NotADirectoryError):
        return NOT_THERE
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None


def _left_out(path: Path, reason: str) -> Record:
    """The record of a path of which nothing can be read: the store keeps nothing of it."""
    return {
        "file": str(path),
        "id": None,
        "frame": str(path),
        "state": ObservationState.REJECTED,
        "reason": reason,
        "new": False,
    }


def alert_record(file: "AlertFile") -> Record:
    """What became of a file of alerts, for `--json`: the keys of a frame, and the counts of its alerts."""
    return {
        "file": str(file.path),
        "id": file.id,
        "frame": file.path.name,
        "state": file.state,
        "reason": file.reason,
        "new": file.new > 0,
        "alerts": {
            "new": file.new,
            "known": file.known,
            "refused": file.refused,
            "unmatched": file.unmatched,
        },
        "unmatched_reason": file.unmatched_reason,
        "refusals": file.reasons,
        "remarks": file.remarks,
    }


def _taken(store: "Store", settings: "Settings", files: list[Path], report: "Progress") -> Iterator[Record]:
    """Register frames and take alerts, in the order of the files."""
    from core.frames.observations import register
    from pipeline.intake.alerts import take_alerts
    from pipeline.intake.ingest import examine
    from pipeline.surveys.packets import holds_alerts

    places = {path: place for place, path in enumerate(files)}

    def progress(path: Path, count: int) -> None:
        report(places[path], len(files), f"{path.name}: {counted(count, 'alert')}")

    for are_alerts, group in groupby(files, holds_alerts):
        if are_alerts:
            yield from map(alert_record, take_alerts(store, settings, group, progress))
            continue
        for path in group:
            report(places[path], len(files), path.name)
            for known in register(store, examine(path, settings)):
                yield {
                    "file": str(path),
                    "id": known.id,
                    "frame": known.frame,
                    "state": known.state,
                    "reason": known.reason,
                    "new": known.new,
                }


def _tell_alerts(records: list[Record]) -> None:
    if not records:
        return
    names = ("new", "known", "refused", "unmatched")
    sums = {name: sum(record["alerts"][name] for record in records) for name in names}
    print_text(f"alerts: {sums['new']} new, {sums['known']} already known, {sums['refused']} refused")
    if sums["unmatched"]:
        why = next(record["unmatched_reason"] for record in records if record["unmatched_reason"])
        print_text(f"not asked of catalogues: {sums['unmatched']} of the new ones ({safe_text(why, 300)});")
        print_text("`astrid catalog match` does it")


def _refused_alerts(record: Record) -> int:
    refused: int = record.get("alerts", {}).get("refused", 0)
    return refused
