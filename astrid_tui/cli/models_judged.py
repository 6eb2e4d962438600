"""Which models `astrid models evaluate` judges: those in use, but for what is asked for in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from astrid_tui.cli.invocation import settings_of, store_of

if TYPE_CHECKING:
    from pipeline.classify.unet import UNet
    from pipeline.training.evaluate import Candidate

MOST_DIGITS = 9
UNET = "unet"


def refuse_unknown_names(models: Sequence[str] | None) -> None:
    """Refuse, as wrong usage, names that no model has."""
    from core.models.names import NAMES

    for name in models or ():
        if name not in NAMES:
            raise typer.BadParameter(
                f"{name} is no model; there are {', '.join(NAMES)}", param_hint="--models"
            )


def version_numbers(given: Sequence[str] | None) -> dict[str, int]:
    """The versions that were asked for, by model."""
    from core.models.names import NAMES

    found: dict[str, int] = {}
    for each in given or ():
        name, _, number = each.partition("=")
        if name not in NAMES or not number.isdecimal() or len(number) > MOST_DIGITS:
            raise typer.BadParameter(
                f"'{each}' is no version; one is told like tree=2, of {', '.join(NAMES)}",
                param_hint="--version",
            )
        found[name] = int(number)
    return found


def models_to_judge(
    context: typer.Context, folders: Sequence[Path] | None, versions: Mapping[str, int]
) -> dict[str, tuple[Path, str | None]]:
    """The models in use, with given versions and folders in their places."""
    from core.database.store_errors import StoreMissing
    from core.models.names import NAMES
    from core.models.versions import SHIPPED
    from pipeline.classify.chosen import chosen, of_version, shipped_folder
    from pipeline.classify.first_run import run_once
    from pipeline.classify.model_file import read
    from pipeline.classify.trial import survive

    found: dict[str, tuple[Path, str | None]]
    try:
        with closing(store_of(context, read_only=True)) as store:
            found = chosen(store, settings_of(context))
            for name, number in versions.items():
                found[name] = of_version(store, settings_of(context), name, number)
    except StoreMissing:
        if any(number != SHIPPED for number in versions.values()):
            raise
        # Those that AstrID came with need none.
        found = {name: (shipped_folder(name), None) for name in NAMES if shipped_folder(name).is_dir()}
    for each in folders or ():
        model = read(each)
        if model.network is not None:
            survive(str(each), run_once, each, model.digest)
        found[model.description.kind] = (each, None)
    return found


def names_of(models: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """What is to score, and what of it is shown.

    The tree is never left out, and where the ensemble is judged all that it weighs score too.
    """
    from pipeline.training.evaluate import ENSEMBLE, ORDER

    asked = list(dict.fromkeys(models or ORDER))
    shown = [name for name in ORDER if name in asked or name == "tree"]
    shown += [name for name in asked if name not in ORDER]
    members = [name for name in ORDER if name not in shown] if ENSEMBLE in asked else []
    return sorted([*shown, *members], key=lambda name: name == ENSEMBLE), shown


def candidates_of(
    found: dict[str, tuple[Path, str | None]], names: Sequence[str], *, whole_frames: bool
) -> tuple[list[Candidate], UNet | None]:
    """Models that are read, and the U-Net where there are whole frames for it to see."""
    from core.models.weighed import OF_FRAMES
    from pipeline.training.evaluate import ready, with_members

    candidates = ready(found, names)
    network = None
    if whole_frames and UNET in names:
        candidates, network = _with_network(candidates, found)
    return with_members(candidates, silent=() if whole_frames else OF_FRAMES), network


def _with_network(
    candidates: list[Candidate], found: dict[str, tuple[Path, str | None]]
) -> tuple[list[Candidate], UNet | None]:
    """The U-Net in use beside the models to judge; none, and why, where it is refused."""
    from dataclasses import replace

    from pipeline.classify.model_file import ModelRefused, read
    from pipeline.classify.proven import see_that_it_ran
    from pipeline.classify.unet import UNet

    why_not, model, network = "there is no version of it", None, None
    try:
        if UNET in found:
            see_that_it_ran(*found[UNET])
            model = read(*found[UNET])
            network = UNet(model)
    except ModelRefused as refusal:
        why_not, model = str(refusal), None
    changed = [
        replace(each, model=model, why_not=why_not) if each.name == UNET else each for each in candidates
    ]
    return changed, network
