"""`astrid models score`: what every model says of triplets from anywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
)
from astrid_tui.cli.models_use import models_in_use
from astrid_tui.cli.output_files import ForceOption, check_output, output_stream
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.classify.classify import Scores

SHOWN = 20  # rows of a table


def add_to(app: typer.Typer) -> None:
    """Add the command to ``astrid models``."""
    app.command()(score)


def score(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="An .npz with arrays new, ref, diff of shape (n, height, width): any linear unit, "
            "values beyond 1e30 count as masked, the "
            "candidate at the middle, NaN where masked; a ref that is NaN throughout is absent. pixel_scale, "
            "if it is there, is arcsec a pixel, one for all or one for each: models know stars of 2 to 6 "
            "pixels, and pixels wider than 0.67 arcsec are made finer, as in seeing of 2 arcsec. snr and "
            "unet, if they are there, are the signed significance of each and its score by the U-Net, NaN "
            "where there is none: `astrid candidates list --json` has both.",
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the JSON here.")] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=64, help="Of the CPU; the scores are the same with any number.")
    ] = 1,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score triplets with every model in use. Needs no store: without one, what AstrID came with scores.

    In the review queue the ensemble also weighs the significance, and what the U-Net says, which sees whole
    frames: where FILE holds no snr or unet its scores are not quite those, and that is told.

    A triplet of fewer than 25 usable pixels, or without a difference, gets no score. Exit code 3 where some
    got none, 1 where none got any, 4 where no model can score.
    """
    from core.operations.freed_memory import keep_freed_memory
    from pipeline.classify import score_file
    from pipeline.classify.classify import Classifier
    from pipeline.classify.triplets import LEAST_PIXELS

    keep_freed_memory()  # threads would wait for each other while the kernel clears pages
    check_output(output, force=force, inputs=(file,), endings=(".json",), text=True)
    triplets = score_file.read(file)
    classifier = Classifier.of(models_in_use(context, settings_of(context)))
    with progress_bar("Scoring", quiet=as_json) as report:
        scores = score_file.score(triplets, classifier, lambda done, of: report(done, of, ""), threads)
    for said in (*classifier.remarks, *scores.remarks):
        remark(said)
    lost = _unscored(scores)
    if lost and scores.digests:
        shown = ", ".join(map(str, lost[:SHOWN])) + (" ..." if len(lost) > SHOWN else "")
        remark(
            f"{len(lost)} of {scores.count} triplets have no score: their difference has fewer than "
            f"{LEAST_PIXELS} usable pixels (rows {shown})"
        )
    without = score_file.without(triplets, classifier)
    told = _told(file, scores, classifier.remarks) | {"ensemble_without": without}
    if output is not None:
        with output_stream(output) as stream:
            json.dump(told, stream, allow_nan=False, indent=2)
            stream.write("\n")
    if as_json:
        print_json(told)
    elif output is not None:
        by = ", ".join(scores.digests) or "no model"
        print_text(f"{scores.count - len(lost)} triplets scored by {by}: {output}")
    else:
        _print(scores)
    if without and not as_json:
        print_text(
            f"The ensemble scores without {' and '.join(without)}, which it weighs in the review queue: its "
            f"scores there differ a little. Give {' and '.join(without)} in FILE."
        )
    if not scores.digests and scores.count:
        raise typer.Exit(ExitCode.UNAVAILABLE)
    if lost:
        raise typer.Exit(ExitCode.FAILED if len(lost) == scores.count else ExitCode.PARTIAL)


def _unscored(scores: Scores) -> list[int]:
    """The rows of triplets that no model gave a number for."""
    return [row for row in range(scores.count) if not scores.of(row)]


def _told(file: Path, scores: Scores, remarks: tuple[str, ...]) -> dict[str, Any]:
    return {
        "file": str(file),
        "count": scores.count,
        "scores": {name: [_number(value) for value in values] for name, values in scores.by_model.items()},
        "models": scores.digests,
        "remarks": [*remarks, *scores.remarks],
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _print(scores: Scores) -> None:
    names = list(scores.by_model)
    rows = [
        [i, *(_number(scores.by_model[name][i]) for name in names)] for i in range(min(scores.count, SHOWN))
    ]
    print_table(["row", *names], rows)
    if scores.count > SHOWN:
        print_text(f"and {scores.count - SHOWN} more: --json or -o tells all")
