"""`astrid candidates tns` and `mpc`: what could be reported, and the report as a file. Nothing is sent."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    expanded_filter,
    print_json,
    print_text,
    remark,
    settings_of,
    store_of,
)
from astrid_tui.cli.output_files import ForceOption, check_output, output_stream
from core.text import counted
from core.vocabulary import ExitCode

DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what the report would hold and write nothing; so it is without -o."),
]


def tns(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The report, as JSON; without it a dry run.")
    ] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help='Such as "object:AT* mjd>60000".')
    ] = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check what could be reported to the Transient Name Server, and write the report to a file.

    Nothing is sent. Exit code 3: some objects did not pass; 1: none did.
    """
    from core.review.tns_report import document, missing_settings, preflight

    output = _written_to(output, dry_run=dry_run, force=force)
    settings, store = settings_of(context), store_of(context, read_only=True)
    terms = expanded_filter(context, store, filters)
    checked = preflight(store, settings.tns, settings.review, filters=terms)
    passed = [each for each in checked if each.report is not None]
    if output is not None and passed:
        with output_stream(output) as stream:
            json.dump(document(checked), stream, indent=1, allow_nan=False)
    if as_json:
        print_json([asdict(each) for each in checked])
    else:
        said = missing_settings(settings.tns)
        is_asked = not checked or any(said in each.problems for each in checked)
        of_all = [said] if said and is_asked else []  # not where no report would need them
        _print_checks(of_all, ())
        for each in checked:
            print_text(f"{each.name} ({each.label}): {'to be reported' if each.report else 'not reported'}")
            if each.report is not None:
                print_text(f"  {_told(each.report)}")
            _print_checks([said for said in each.problems if said not in of_all], each.warnings)
        _print_sum(len(passed), len(checked), "object", output)
    _end(len(passed), len(checked))


def mpc(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The report (ADES, .psv); without it a dry run.")
    ] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help='Such as "tracklet:any mjd>60000".')
    ] = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check which moving bodies could be reported to the Minor Planet Center, and write the report to a file.

    Nothing is sent. Exit code 3: some bodies did not pass; 1: none did.
    """
    from core.review.ades_report import preflight, site_problems, write

    output = _written_to(output, dry_run=dry_run, force=force)
    settings, store = settings_of(context), store_of(context, read_only=True)
    terms = expanded_filter(context, store, filters)
    checked = preflight(store, settings.mpc, settings.review, filters=terms)
    passed = [each for each in checked if not each.problems]
    if output is not None and passed:
        with output_stream(output) as stream:
            write(passed, settings.mpc, stream)
    for each in checked:
        if each.contradictions:
            told = "; ".join(said.told for said in each.contradictions)
            settles = "`astrid candidates label` settles that"
            remark("warning:", f"tracklet {each.tracklet} is labelled moving, but {told}: {settles}")
    if as_json:
        print_json([asdict(each) for each in checked])
    else:
        of_all = site_problems(settings.mpc)
        _print_checks(of_all, ())
        for each in checked:
            told = "not reported" if each.problems else f"to be reported as {each.name}"
            print_text(f"tracklet {each.tracklet}, {len(each.candidates)} detections: {told}")
            _print_checks([said for said in each.problems if said not in of_all], each.warnings)
        _print_sum(len(passed), len(checked), "tracklet", output)
    _end(len(passed), len(checked))


def _written_to(output: Path | None, *, dry_run: bool, force: bool) -> Path | None:
    """Where the report is written, if it is."""
    if dry_run or output is None:
        return None
    check_output(output, force=force, text=True)
    return output


def _told(report: dict[str, Any]) -> str:
    """What a report to the Transient Name Server says of an object, in one line."""
    points = len(report["photometry"]["photometry_group"])
    before = report["non_detection"]
    limit = (
        f"a limit of {before['limiting_flux']} on {before['obsdate']}" if before["obsdate"] else "no limit"
    )
    place = f"{report['ra']['value']} {report['dec']['value']}"
    return (
        f"discovered on {report['discovery_datetime']} UTC at {place}, {counted(points, 'point')} of "
        f"photometry, {limit} before"
    )


def _print_sum(passed: int, checked: int, noun: str, output: Path | None) -> None:
    of = f"{passed} of {counted(checked, noun)}"
    if not checked:
        print_text(f"There is no {noun} to report: nothing was written, and nothing was sent.")
    elif output is None:
        print_text(f"Dry run: a report would hold {of}; nothing was written, and nothing was sent.")
    elif passed:
        print_text(f"{output} holds {of}; it was not sent.")
    else:
        print_text(f"{of} pass: {output} was not written, and nothing was sent.")


def _end(passed: int, checked: int) -> None:
    """Leave with the exit code for a report that some, or none, did not come into."""
    if passed < checked:
        raise typer.Exit(ExitCode.PARTIAL if passed else ExitCode.FAILED)


def _print_checks(problems: Sequence[str], warnings: Sequence[str]) -> None:
    for kind, sentences in (("problem", problems), ("warning", warnings)):
        for sentence in sentences:
            print_text(f"  {kind}: {sentence}")
