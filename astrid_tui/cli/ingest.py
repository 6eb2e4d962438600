"""`astrid ingest`: register frames."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    progress_bar,
    settings_of,
    store_of,
)
from core.vocabulary import ExitCode, ObservationState

REFUSED = {ObservationState.REJECTED, ObservationState.QUARANTINED}


def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders to search for FITS files.")],
    as_json: JsonOption = False,
) -> None:
    """Register frames: read each header, queue what can be processed, say why the rest cannot.

    A file that is already known changes nothing. Exit code 3: some were refused.
    """
    from core.frames.observations import register
    from pipeline.intake.ingest import examine, find_files

    settings, store = settings_of(context), store_of(context)
    records = [_missing(path) for path in paths if not os.path.lexists(path)]
    files = find_files(path for path in paths if os.path.lexists(path))
    with progress_bar("Ingesting", quiet=as_json) as report:
        for done, path in enumerate(files):
            report(done, len(files), path.name)
            for known in register(store, examine(path, settings)):
                records.append(
                    {
                        "file": str(path),
                        "id": known.id,
                        "frame": known.frame,
                        "state": known.state,
                        "reason": known.reason,
                        "new": known.new,
                    }
                )
    refused = [record for record in records if record["state"] in REFUSED or record["reason"]]
    if as_json:
        print_json(records)
    else:
        counts: dict[str, int] = {}
        for record in records:
            counts[record["state"]] = counts.get(record["state"], 0) + 1
        print_text(", ".join(f"{count} {state}" for state, count in counts.items()) or "No FITS files there.")
        if refused:
            print_table(
                ("frame", "state", "reason"), [(r["frame"], r["state"], r["reason"]) for r in refused]
            )
    if any(record["state"] in REFUSED for record in records):
        raise typer.Exit(ExitCode.PARTIAL)


def _missing(path: Path) -> dict[str, Any]:
    """The record of a path that is not there, likely mistyped: the store keeps nothing of it."""
    reason = "there is no such file or folder"
    return {
        "file": str(path),
        "id": None,
        "frame": str(path),
        "state": ObservationState.REJECTED,
        "reason": reason,
        "new": False,
    }
