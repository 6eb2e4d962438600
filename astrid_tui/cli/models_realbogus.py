"""`astrid models train realbogus` and `tree`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.settings import Settings
    from pipeline.training.candidate_run import CandidateRun
    from pipeline.training.examples import Examples

ExamplesOption = Annotated[
    Path | None, typer.Option("--examples", help="Learn from this set (.npz) instead of simulated fields.")
]
FieldsOption = Annotated[int, typer.Option(min=2, help="Simulated fields to learn from.")]
LabelsOption = Annotated[
    bool, typer.Option("--labels/--no-labels", help="Learn also from what reviewers agree on in the store.")
]
SeedOption = Annotated[int, typer.Option(min=0, max=1000, help="The same seed gives the same model.")]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Also put the model's folder here; it must not exist.")
]


def realbogus(
    context: typer.Context,
    examples: ExamplesOption = None,
    fields: FieldsOption = 400,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Be done after so many, if not earlier.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 4000,
    width: Annotated[int, typer.Option(min=4, max=64, help="Channels of the first layer.")] = 16,
    threads: Annotated[int, typer.Option(min=1, help="One is best on a busy machine.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest that was stopped.")] = False,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the real-bogus network on cutouts, calibrate it on held-out fields, and export it.

    Ctrl-C and SIGTERM stop it after the step in hand; --resume with the same options goes on. What is made
    becomes a new version, which scores once it is promoted.
    """
    from pipeline.training.candidate_run import CandidateRun

    wanted = CandidateRun("realbogus", examples, fields, seed, minutes, steps, width, threads)
    _run(context, wanted, output, labels=labels, resume=resume, as_json=as_json)


def tree(
    context: typer.Context,
    examples: ExamplesOption = None,
    fields: FieldsOption = 400,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grow boosted trees on what is measured of cutouts, and calibrate them on held-out fields.

    What is made becomes a new version, which scores once it is promoted.
    """
    from pipeline.training.candidate_run import CandidateRun

    wanted = CandidateRun("tree", examples, fields, seed)
    _run(context, wanted, output, labels=labels, resume=False, as_json=as_json)


def _run(
    context: typer.Context,
    wanted: CandidateRun,
    output: Path | None,
    *,
    labels: bool,
    resume: bool,
    as_json: bool,
) -> None:
    from core.database.store import StoreMissing
    from pipeline.training.candidate_run import copy_out, run
    from pipeline.training.stopping import until_stopped

    must_write(context)
    settings = settings_of(context)
    if output is not None and output.exists():
        raise typer.BadParameter(f"{output} is there already", param_hint="--output")
    labelled = _labelled(context, settings) if labels else None
    try:
        with until_stopped() as stopped, progress_bar("Training", quiet=as_json) as report:
            training = run(settings, wanted, report, stopped, resume, labelled)
    except ModuleNotFoundError as missing:
        if missing.name not in ("torch", "onnxscript"):
            raise
        remark("Training needs torch: install AstrID with its extra 'train'.")
        raise typer.Exit(ExitCode.UNAVAILABLE) from None
    told: dict[str, Any] = training.record() | {"version": None}
    if training.digest is not None:
        from pipeline.training.keeping import keep_trained

        if output is not None:
            copy_out(training, output)
        try:
            with closing(store_of(context)) as store:
                told["version"] = keep_trained(store, settings, training).number
        except StoreMissing as missing_store:
            remark(f"the model is no version yet: {missing_store}")
    if as_json:
        print_json(told)
    else:
        _print(told, training.folder)
    if training.digest is None:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _labelled(context: typer.Context, settings: Settings) -> Examples | None:
    """What reviewers agree on; none without a store."""
    from core.database.store import StoreMissing
    from pipeline.training.label_examples import of_labels

    try:
        with closing(store_of(context, read_only=True)) as store:
            found = of_labels(store, settings.review)
    except StoreMissing:
        return None
    if found is not None:
        remark(f"{len(found)} labelled candidates are learnt from besides.")
    return found


def _print(told: dict[str, Any], folder: Path) -> None:
    if told["digest"] is None:
        print_text(f"{told['key']}: {told['reason']}")
        return
    print_text(f"The model is in {folder / 'model'}, digest {told['digest']}")
    print_table(("metric", "value"), [(name, f"{value:.4g}") for name, value in told["metrics"].items()])
    if told["version"] is not None:
        print_text(f"It is version {told['version']}: astrid models promote {told['name']} {told['version']}")
