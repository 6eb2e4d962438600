"""`astrid diff`: one subtraction, with no store."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_table, print_text, remark, settings_of
from astrid_tui.cli.models_use import models_in_use
from astrid_tui.cli.output_files import ForceOption, check_output, writing_to
from core.operations.threads import with_threads
from core.vocabulary import ExitCode

COLUMNS: tuple[tuple[str, str, int | None], ...] = (
    ("x", "x", 2),
    ("y", "y", 2),
    ("x new", "x_new", 2),
    ("y new", "y_new", 2),
    ("ra", "ra", 6),
    ("dec", "dec", 6),
    ("snr", "snr", 1),
    ("flux [{flux_unit}]", "flux", 2),
    ("flux err", "flux_err", 2),
    ("score", "score", 3),
    ("kind", "kind", None),
)


class Method(StrEnum):
    """How to subtract."""

    ZOGY = "zogy"
    CLASSIC = "classic"


def diff(
    context: typer.Context,
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The new image: FILE, FILE[NUMBER] or FILE[NAME].")
    ],
    reference: Annotated[str, typer.Argument(metavar="REF", help="What it is compared with.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write DIFF, SCORE, MASK, PSF and SOURCES here.")
    ] = None,
    method: Annotated[Method | None, typer.Option(help="Default: the settings'.")] = None,
    psf_new: Annotated[
        Path | None,
        typer.Option(help="PSF of NEW: a stamp, or a cube and a table of x, y; default: measured."),
    ] = None,
    psf_ref: Annotated[Path | None, typer.Option(help="PSF of REF, likewise.")] = None,
    mask_new: Annotated[Path | None, typer.Option(help="Image that is not 0 where NEW is bad.")] = None,
    mask_ref: Annotated[Path | None, typer.Option(help="Image that is not 0 where REF is bad.")] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="NEW is on the grid of REF, and its noise is white.")
    ] = False,
    gain: Annotated[
        float | None,
        typer.Option(help="Electrons per data unit, of both; default: the headers', else the settings'."),
    ] = None,
    read_noise: Annotated[float | None, typer.Option(help="Electrons, of both; default: likewise.")] = None,
    saturation: Annotated[float | None, typer.Option(help="Data units, of both; default: likewise.")] = None,
    depth: Annotated[
        bool,
        typer.Option("--depth", help="Also inject sources, in memory, and tell how faint half are found."),
    ] = False,
    score: Annotated[
        bool,
        typer.Option(
            "--score/--no-score",
            help="Have the models in use judge what changed; without a store those that came with AstrID.",
        ),
    ] = True,
    min_score: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="List sources of at least this score, and unscored ones."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=0, help="At most; 0: as many as there are cores. Default: the settings'."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 3 after any warning.")] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Subtract REF from NEW and list what changed. Needs no store.

    A source's score is the probability that it is real, by the best model in use. --no-score saves the
    models' time; streaks are told from points by a model, so without it they come as peaks.
    """
    from pipeline.diff import DiffOptions, diff_files, report

    _require_positive("--gain", gain)
    _require_positive("--saturation", saturation)
    if read_noise is not None and not 0 <= read_noise < math.inf:
        raise typer.BadParameter("it is 0 electrons or more", param_hint="--read-noise")
    if min_score is not None and not score:
        raise typer.BadParameter("there is no score with --no-score", param_hint="--min-score")
    _check_output(output, (new, reference), (psf_new, psf_ref, mask_new, mask_ref), force=force)
    settings = settings_of(context)
    if threads is not None:
        settings = with_threads(settings, threads)
    options = DiffOptions(
        method=method.value if method else None,
        psf_new=psf_new,
        psf_ref=psf_ref,
        mask_new=mask_new,
        mask_ref=mask_ref,
        aligned=aligned,
        gain=gain,
        read_noise=read_noise,
        saturation=saturation,
        depth=depth,
        score=score,
        models=models_in_use(context, settings) if score else None,
        min_score=min_score,
    )
    result = diff_files(new, reference, options, settings)
    if output is not None:
        from pipeline.diff_file import write

        with writing_to(output):
            write(output, result.difference, result.detections, result.new, result.reference, result.depth)
    told = report(result)
    if as_json:
        print_json(told)
    else:
        _print(told, output, with_depth=depth)
    raise typer.Exit(ExitCode.PARTIAL if strict and result.warnings else ExitCode.DONE)


def _check_output(
    output: Path | None, images: tuple[str, ...], given: tuple[Path | None, ...], *, force: bool
) -> None:
    """Refuse, before the work, a file that cannot be written, or that is read."""
    from pipeline.diff import split_extension

    inputs = (*(split_extension(each)[0] for each in images), *given)
    check_output(output, force=force, inputs=inputs, endings=(".fits", ".fit", ".fts"))


def _print(told: dict[str, Any], output: Path | None, *, with_depth: bool) -> None:
    """Tell a person what `pipeline.diff.report` says."""
    warnings = told["warnings"]
    for warning in warnings:
        remark("warning:", warning)
    print_text(f"{told['method']}: gain ratio {told['gain_ratio']:.4f}; {_noise(told)}")
    print_text(
        f"{_registration(told)},"
        f" FWHM {told['fwhm_new_px']:.2f} px (new), {told['fwhm_ref_px']:.2f} px (reference)"
    )
    if worst := _worst_region(told):
        print_text(worst)
    if with_depth:
        print_text(_depth_line(told))
    print_text(", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in told["seconds"].items()))
    headings, rows = _table(told)
    print_table(headings, rows, least=(("x new", "y new"), ("flux err",), ("x", "y")))
    warned = f"; {_counted(len(warnings), 'warning')}, see above" if warnings else ""
    print_text(_counted(len(rows), "source") + (f"; written to {output}" if output else "") + warned)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(told: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Headings and rows of the sources; no column that would be empty throughout."""
    sources = told["sources"]
    shown = [
        (heading, key, digits)
        for heading, key, digits in COLUMNS
        if key not in {"ra", "dec", "score"} or any(source[key] is not None for source in sources)
    ]
    rows = [
        [
            source[key] if source[key] is None or digits is None else round(source[key], digits)
            for _, key, digits in shown
        ]
        for source in sources
    ]
    return [heading.format(**told) for heading, _, _ in shown], rows


def _noise(told: dict[str, Any]) -> str:
    """How much noise there is against the model of it, and what was made of that."""
    found = f"empty sky scatters by {told['score_std']:.3f} sigma of the noise model"
    if told["score_scale"] == 1.0:
        return found
    return (
        f"{found}: errors are enlarged by {1.0 / told['score_scale']:.2f} in the mean, and snr counts these"
    )


def _registration(told: dict[str, Any]) -> str:
    """How well the frames lie on each other, and how far their stars scatter, noise included."""
    rms, scatter = told["registration_rms_px"], told["registration_scatter_px"]
    if scatter is None:
        return f"registration {rms:.3f} px"
    if rms == 0.0:
        return f"registration: stars scatter by {scatter:.3f} px, no more than their own noise"
    return f"registration {rms:.3f} px (stars scatter by {scatter:.3f} px, noise included)"


def _worst_region(told: dict[str, Any]) -> str:
    """Where the frames lie worst on each other; nothing where no stars tell."""
    regions = told["registration_regions"]
    some = [region for region in regions if region["stars"] > 0]
    if not some:
        return ""
    worst = max(some, key=lambda region: (region["rms_px"], region["scatter_px"]))
    noise = (
        ", no more than their own noise"
        if worst["rms_px"] == 0.0
        else f", {worst['rms_px']:.3f} px beyond noise"
    )
    return (
        f"worst of {len(regions)} regions, around x {worst['x']:.0f}, y {worst['y']:.0f}:"
        f" {_counted(worst['stars'], 'star')} {'scatters' if worst['stars'] == 1 else 'scatter'}"
        f" by {worst['scatter_px']:.3f} px{noise}"
    )


def _depth_line(told: dict[str, Any]) -> str:
    """How faint a new source may be, or why that is not known."""
    if told["flux50"] is None:
        return f"depth not measured: {told['depth_reason']}"
    m50 = "" if told["m50"] is None else f", m50 {told['m50']:.2f}"
    return (
        f"half of injected sources are found at {told['flux50']:.4g} {told['flux_unit']}"
        f" ({told['snr50']:.2f} sigma{m50}), known to {told['m50_err']:.2f} mag;"
        f" {told['completeness']['plateau']:.0%} of bright ones"
    )


def _require_positive(option: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter("it is a number above 0", param_hint=option)
