"""`astrid models train unet`."""

from __future__ import annotations

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
)
from astrid_tui.cli.models_kept import NoSyncOption, tell_mlflow, version_of
from astrid_tui.cli.models_labels import labelled_frames, tell_windows
from astrid_tui.cli.models_options import (
    FIELDS,
    DeviceOption,
    FieldsOption,
    LabelsOption,
    OutputOption,
    SeedOption,
    ThreadsOption,
    free_outdated,
    without_torch,
)
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.training.unet_made import Made


def unet(
    context: typer.Context,
    fields: FieldsOption = FIELDS,
    held_out: Annotated[int, typer.Option(min=1, help="Others, to choose thresholds on.")] = 60,
    streak_free: Annotated[
        int, typer.Option(min=0, help="Others without streaks: false ones are rare, so many are needed.")
    ] = 1200,
    judged: Annotated[int, typer.Option(min=0, help="Yet others, to make its scorecard on.")] = 20,
    size: Annotated[int, typer.Option(min=192, help="Pixels along a side of a field.")] = 512,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 4000,
    width: Annotated[int, typer.Option(min=1, max=64, help="Channels of the first level.")] = 8,
    seed: SeedOption = 1,
    threads: ThreadsOption = 1,
    device: DeviceOption = "cpu",
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Patches a step.")] = 4,
    false_alarms: Annotated[
        float, typer.Option(min=0.0, help="Of what only the U-Net sees, per 2048 x 2048 pixels.")
    ] = 2.0,
    frames: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Own frames: every second field is made of them."),
    ] = None,
    labels: LabelsOption = True,
    output: OutputOption = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the U-Net on simulated fields and labelled frames, choose its thresholds, and export it.

    Fields and checkpoint are kept in AstrID's home: the same command goes on where it was stopped. Ctrl-C
    and SIGTERM stop it after the step in hand.
    """
    try:
        from pipeline.training.unet_run import UnetRun, run
    except ModuleNotFoundError as missing:
        raise without_torch(missing) from None
    from core.models.trainings import read
    from pipeline.training.stopping import until_stopped

    must_write(context)
    settings = settings_of(context)
    wanted = UnetRun(
        fields=fields,
        held_out=held_out,
        streak_free=streak_free,
        size=size,
        steps=steps,
        width=width,
        seed=seed,
        threads=threads,
        device=device,
        batch=batch,
        false_alarms=false_alarms,
        frames=frames,
        judged=judged,
    )
    labelled = labelled_frames(context, settings) if labels else None
    with until_stopped() as stopped, progress_bar("Training", quiet=as_json) as report:
        made = run(settings, wanted, output, report, stopped, labelled)
    if made is None:
        if as_json:
            nothing = dict.fromkeys(("folder", "digest", "labels", "version", "registry_trouble"))
            print_json(nothing | {"metrics": {}})
        remark("Stopped; the same command goes on from here.")
        raise typer.Exit(ExitCode.INTERRUPTED)
    if made.labels is not None:
        tell_windows(made.labels)
    training = None if made.training is None else read(made.training)
    number = None if training is None else version_of(context, training)
    free_outdated(context)
    if not as_json:
        _print(made, number)
    trouble = None if number is None or no_sync else tell_mlflow(context)
    if as_json:
        print_json(made.record() | {"version": number, "registry_trouble": trouble})


def _print(made: Made, number: int | None) -> None:
    print_text(f"The model is in {made.folder}, digest {made.digest}")
    if number is not None:
        print_text(f"It is version {number}: astrid models promote unet {number}")
    rows: list[tuple[Any, ...]] = [(name, f"{value:.4g}") for name, value in made.metrics.items()]
    print_table(("metric", "value"), rows)
