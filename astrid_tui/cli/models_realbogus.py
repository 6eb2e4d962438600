"""`astrid models train realbogus` and `tree`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import realbogus_versions
from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    progress_bar,
    settings_of,
    store_of,
)
from astrid_tui.cli.models_kept import NoSyncOption, print_training, tell_mlflow_of, version_of
from astrid_tui.cli.models_labels import agreed_on, tell_learnt
from astrid_tui.cli.models_options import (
    FIELDS,
    MOST_FIELDS,
    DeviceOption,
    ExamplesOption,
    FieldsOption,
    LabelsOption,
    OutputOption,
    SeedOption,
    ThreadsOption,
    free_outdated,
    without_torch,
)
from astrid_tui.cli.models_use import models_to_learn_with
from core.database.keys import key_in
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.classify.model_file import ModelFile
    from pipeline.training.candidate_run import CandidateRun, Tuning

STEPS, WIDTH = 4000, 16


def realbogus(
    context: typer.Context,
    examples: ExamplesOption = None,
    fields: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=MOST_FIELDS,
            help=f"Simulated fields to learn from; default {FIELDS}, with --from none.",
        ),
    ] = None,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Be done after so many of training, if not earlier; drawing fields is not counted."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Steps of training; default {STEPS}, with --minutes as many as they allow, with --from by "
            "the examples.",
        ),
    ] = None,
    begin_with: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="VERSION",
            autocompletion=realbogus_versions,
            help="Fine-tune this version (a number, or `shipped`) on labels and --examples, and judge it "
            "object by object by networks that did not learn of it.",
        ),
    ] = None,
    layers: Annotated[
        str, typer.Option(help="With --from: which learn. head, all, or auto, by how many labels there are.")
    ] = "auto",
    start: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            autocompletion=realbogus_versions,
            help="Begin with this version (a number, or `shipped`) instead of chance, and train all of it.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-6, max=1.0, help="Of learning, at the beginning; default .001."),
    ] = None,
    last_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="The share of the rate that is left at the end; default .01, 1: all."
        ),
    ] = None,
    average: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=0.99999,
            help="The past's share in the mean of the weights, which is kept; default .995.",
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=4, max=64, help=f"Channels of the first layer; default {WIDTH}, or as the network before."
        ),
    ] = None,
    threads: ThreadsOption = 1,
    device: DeviceOption = "cpu",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the newest that was stopped, and the labels that it began with."
        ),
    ] = False,
    output: OutputOption = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the real-bogus network on cutouts, calibrate it on held-out fields, and export it.

    Ctrl-C and SIGTERM stop it after the step in hand; --resume with the same options goes on. What is made
    becomes a new version, which scores once it is promoted. With --from it learns for a minute or a few
    what is different about your own data; a fine-tuning that was stopped begins anew.
    """
    from pipeline.training.candidate_run import CandidateRun

    if width is not None and (start or begin_with):
        raise typer.BadParameter("a network that is there has its own", param_hint="--width")
    if begin_with is None:
        if layers != "auto":
            raise typer.BadParameter("it goes with --from", param_hint="--layers")
        wanted = CandidateRun(
            "realbogus", examples, fields or FIELDS, seed, minutes, steps or (0 if minutes else STEPS),
            width or WIDTH, threads, device, rate, last_rate, average,
        )  # fmt: skip
        begun = None if start is None else _model(context, start, "--start")
        _run(
            context,
            wanted,
            output,
            labels=labels,
            resume=resume,
            no_sync=no_sync,
            as_json=as_json,
            start=begun,
        )
        return
    if any(given is not None for given in (start, rate, last_rate, average)):
        raise typer.BadParameter(
            "--start, --rate, --last-rate and --average are of trainings, not of fine-tunings",
            param_hint="--from",
        )
    if layers not in ("auto", "head", "all"):
        raise typer.BadParameter("it is auto, head or all", param_hint="--layers")
    if resume or minutes is not None:
        raise typer.BadParameter(
            "a fine-tuning is short: --resume and --minutes do not go with it", param_hint="--from"
        )
    wanted = CandidateRun("realbogus", examples, fields or 0, seed, None, steps or 0, 0, threads, device)
    tuning = _tuning(context, begin_with, layers)
    _run(
        context, wanted, output, labels=labels, resume=False, no_sync=no_sync, as_json=as_json, tuning=tuning
    )


def tree(
    context: typer.Context,
    examples: ExamplesOption = None,
    fields: FieldsOption = FIELDS,
    labels: LabelsOption = True,
    seed: SeedOption = 1,
    output: OutputOption = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grow boosted trees on what is measured of cutouts, and calibrate them on held-out fields.

    What is made becomes a new version, which scores once it is promoted.
    """
    from pipeline.training.candidate_run import CandidateRun

    wanted = CandidateRun("tree", examples, fields, seed)
    _run(context, wanted, output, labels=labels, resume=False, no_sync=no_sync, as_json=as_json)


def _run(
    context: typer.Context,
    wanted: CandidateRun,
    output: Path | None,
    *,
    labels: bool,
    resume: bool,
    no_sync: bool,
    as_json: bool,
    tuning: Tuning | None = None,
    start: ModelFile | None = None,
) -> None:
    told = _trained(
        context, wanted, output, labels=labels, resume=resume, quiet=as_json, tuning=tuning, start=start
    )
    if not as_json:
        print_training(told)
    tell_mlflow_of(context, told, no_sync=no_sync)
    if as_json:
        print_json(told)
    if told["digest"] is None:
        raise typer.Exit(ExitCode.INTERRUPTED)


def fine_tuned(context: typer.Context, version: str, *, quiet: bool) -> dict[str, Any]:
    """Fine-tune a version of the real-bogus on what reviewers agree on; the record of it, for JSON."""
    from pipeline.training.candidate_run import CandidateRun

    wanted = CandidateRun("realbogus", None, 0, 1, None, 0, 0, 1)
    tuning = _tuning(context, version, "auto")
    return _trained(context, wanted, None, labels=True, resume=False, quiet=quiet, tuning=tuning)


def _trained(
    context: typer.Context,
    wanted: CandidateRun,
    output: Path | None,
    *,
    labels: bool,
    resume: bool,
    quiet: bool,
    tuning: Tuning | None,
    start: ModelFile | None = None,
) -> dict[str, Any]:
    """Train, and keep what is made as a version; the record of it, for JSON."""
    from core.models.trainings import MODEL
    from pipeline.training.candidate_run import run
    from pipeline.training.keeping import copy_out
    from pipeline.training.stopping import until_stopped

    must_write(context)
    settings = settings_of(context)
    if output is not None and output.exists():
        raise typer.BadParameter(f"{output} is there already", param_hint="--output")
    labelled = agreed_on(context, settings) if labels and not resume else None
    models = models_to_learn_with(context, settings) if wanted.simulates else None
    try:
        with until_stopped() as stopped, progress_bar("Training", quiet=quiet) as report:
            training = run(settings, wanted, report, stopped, resume, labelled, tuning, models, start)
    except ModuleNotFoundError as missing:
        raise without_torch(missing) from None
    told: dict[str, Any] = training.record() | {"version": None}
    if training.digest is not None:
        if labelled is not None:
            tell_learnt(training)
        if output is not None:
            copy_out(training.folder / MODEL, training.digest, output)
        told["version"] = version_of(context, training)
        free_outdated(context)
    return told


def _tuning(context: typer.Context, version: str, layers: str) -> Tuning:
    """A network to fine-tune, and how."""
    from pipeline.training.candidate_run import Tuning

    return Tuning(_model(context, version, "--from"), layers)


def _model(context: typer.Context, version: str, option: str) -> ModelFile:
    """The network to begin with: one that AstrID came with, or a version in the store."""
    from pipeline.classify.chosen import shipped_folder
    from pipeline.classify.model_file import read
    from pipeline.classify.shipped import SHIPPED
    from pipeline.training.tracking import fetch

    if version in ("shipped", "0"):
        return read(shipped_folder("realbogus"), SHIPPED["realbogus"].digest)
    if (number := key_in(version)) is None:
        raise typer.BadParameter("it is the number of a version, or `shipped`", param_hint=option)
    with closing(store_of(context, read_only=True)) as store:
        return read(fetch(store, settings_of(context), "realbogus", number))
