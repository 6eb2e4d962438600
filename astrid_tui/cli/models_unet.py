"""`astrid models train unet`."""

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
from astrid_tui.cli.models_options import (
    FIELDS,
    DeviceOption,
    FieldsOption,
    OutputOption,
    SeedOption,
    ThreadsOption,
    free_outdated,
    without_torch,
)
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.training.unet_run import Made


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
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the U-Net on simulated fields, choose its thresholds on others, and export it.

    Fields and checkpoint are kept in AstrID's home: the same command goes on where it was stopped. Ctrl-C
    and SIGTERM stop it after the step in hand.
    """
    try:
        from pipeline.training.unet_run import UnetRun, run
    except ModuleNotFoundError as missing:
        raise without_torch(missing) from None
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
    with until_stopped() as stopped, progress_bar("Training", quiet=as_json) as report:
        made = run(settings, wanted, output, report, stopped)
    if made is None:
        if as_json:
            print_json({"folder": None, "digest": None, "metrics": {}, "version": None})
        remark("Stopped; the same command goes on from here.")
        raise typer.Exit(ExitCode.INTERRUPTED)
    number = _kept(context, made)
    free_outdated(context)
    if as_json:
        print_json(made.record() | {"version": number})
        return
    print_text(f"The model is in {made.folder}, digest {made.digest}")
    if number is not None:
        print_text(f"It is version {number}: astrid models promote unet {number}")
    rows: list[tuple[Any, ...]] = [(name, f"{value:.4g}") for name, value in made.metrics.items()]
    print_table(("metric", "value"), rows)


def _kept(context: typer.Context, made: Made) -> int | None:
    """The number of the version that was made; none where there is no store to keep it in."""
    from core.database.store_errors import StoreMissing
    from core.models.trainings import read
    from pipeline.training.keeping import keep_trained

    training = None if made.training is None else read(made.training)
    if training is None:
        return None
    try:
        with closing(store_of(context)) as store:
            return keep_trained(store, settings_of(context), training).number
    except StoreMissing as missing:
        remark(f"the model is no version yet: {missing}; `astrid models sync` makes it one then")
        return None
