"""`astrid models train outliers` and `ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    progress_bar,
    settings_of,
)
from astrid_tui.cli.models_kept import NoSyncOption, print_training, tell_mlflow_of, version_of
from astrid_tui.cli.models_labels import agreed_and_seen, agreed_on, tell_learnt, tell_weighed
from astrid_tui.cli.models_options import (
    FIELDS,
    MOST_FIELDS,
    ExamplesOption,
    FieldsOption,
    LabelsOption,
    OutputOption,
    SeedOption,
    free_outdated,
)
from astrid_tui.cli.models_use import models_to_learn_with
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.models.trainings import Training
    from pipeline.classify.classify import Models

ENSEMBLE_FIELDS = 200


def outliers(
    context: typer.Context,
    examples: ExamplesOption = None,
    fields: FieldsOption = FIELDS,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also put the models' folders into this one; it must not exist."),
    ] = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the isolation forest and the one-class machine on what real sources look like.

    Those of simulated fields, and those that reviewers agree are real.

    Each becomes a new version, which tells what is odd once it is promoted.
    """
    from pipeline.training.candidate_run import CandidateRun
    from pipeline.training.stacked_run import run_outliers
    from pipeline.training.stopping import until_stopped

    must_write(context)
    settings = settings_of(context)
    _refuse_existing(output)
    labelled = agreed_on(context, settings) if labels else None
    models: Models = models_to_learn_with(context, settings) if examples is None else {}
    wanted = CandidateRun("tree", examples, fields, seed)
    with until_stopped() as stopped, progress_bar("Fitting", quiet=as_json) as report:
        done = run_outliers(settings, models, wanted, report, stopped, labelled)
    if labelled is not None and done[0].digest is not None:
        tell_learnt(done[0])
    if output is not None:
        for training in done:
            _copy_out(training, output / training.name)
    _tell(context, done, no_sync=no_sync, as_json=as_json)


def ensemble(
    context: typer.Context,
    fields: Annotated[
        int, typer.Option(min=4, max=MOST_FIELDS, help="Simulated fields to weigh on.")
    ] = ENSEMBLE_FIELDS,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    output: OutputOption = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Weigh the models in use against each other, on simulated fields and labels that none was trained on.

    What is made becomes a new version, which scores once it is promoted. Weigh again after a promotion of
    one of its members.
    """
    from pipeline.training.detected import taking_part
    from pipeline.training.stacked_run import run_ensemble
    from pipeline.training.stopping import until_stopped

    must_write(context)
    settings = settings_of(context)
    _refuse_existing(output)
    models = models_to_learn_with(context, settings)
    network = taking_part(settings, models)
    digest = None if network is None else network.digest
    labelled = agreed_and_seen(context, settings, digest) if labels else None
    with until_stopped() as stopped, progress_bar("Weighing", quiet=as_json) as report:
        done = run_ensemble(settings, models, fields, seed, report, stopped, labelled)
    tell_weighed(done)
    if output is not None:
        _copy_out(done, output)
    _tell(context, [done], no_sync=no_sync, as_json=as_json)


def _refuse_existing(output: Path | None) -> None:
    if output is not None and output.exists():
        raise typer.BadParameter(f"{output} is there already", param_hint="--output")


def _copy_out(training: Training, folder: Path) -> None:
    from core.models.trainings import MODEL
    from pipeline.training.keeping import copy_out

    if training.digest is not None:
        copy_out(training.folder / MODEL, training.digest, folder)


def _tell(context: typer.Context, done: list[Training], *, no_sync: bool, as_json: bool) -> None:
    told = [training.record() | {"version": version_of(context, training)} for training in done]
    if not as_json:
        for each in told:
            print_training(each)
    tell_mlflow_of(context, *told, no_sync=no_sync)
    if as_json:
        print_json(told)
    if all(training.digest for training in done):
        free_outdated(context)
    else:
        raise typer.Exit(ExitCode.INTERRUPTED)
