"""`astrid models trainings|stop`: what was trained, and how one that is at work is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from astrid_tui.cli.invocation import JsonOption, must_write, print_json, print_table, print_text, settings_of
from astrid_tui.cli.models_registry import date_of


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``astrid models``."""
    app.command()(trainings)
    app.command()(stop)


def trainings(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Trainings to list, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List trainings, the newest first."""
    from core.models.trainings import trainings as newest
    from core.models.worth import in_a_line

    found = newest(settings_of(context).home, limit)
    if as_json:
        print_json([each.record() for each in found])
        return
    if not found:
        print_text("Nothing was trained yet: `astrid models train` does.")
        return
    print_table(
        ("training", "model", "state", "began", "metrics", "energy, kJ", "reason"),
        [
            (
                each.key,
                each.name,
                each.state,
                date_of(each.started_at),
                in_a_line(each.metrics),
                "not measured" if each.energy_j is None else f"{each.energy_j / 1000:.1f}",
                each.reason,
            )
            for each in found
        ],
        least=(("energy, kJ",), ("began",), ("metrics",)),
    )


def stop(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The training, or `last`.")],
    as_json: JsonOption = False,
) -> None:
    """Ask a training to stop at its next step.

    One of the U-Net goes on by the same command, one of the real-bogus by the same with --resume; a
    fine-tuning, and what takes moments (the tree, outliers, the ensemble), begins anew. Simulated fields are
    kept for any of them.
    """
    from core.models import trainings as folders

    must_write(context)
    found = folders.trainings(settings_of(context).home, 1000)
    wanted = [each for each in found if key in {each.key, "last"}]
    if not wanted:
        if key == "last":
            raise folders.TrainingRefused("nothing was trained yet: there is no training to stop")
        raise folders.TrainingRefused(f"there is no training {key}; `astrid models trainings` lists them")
    folders.stop(wanted[0])
    if as_json:
        print_json({"key": wanted[0].key, "name": wanted[0].name, "goes_on": folders.goes_on(wanted[0])})
        return
    print_text(f"training {wanted[0].key} was asked to stop; {folders.goes_on(wanted[0])}")
