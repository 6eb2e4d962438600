"""`astrid models import`: a network of another framework."""

from __future__ import annotations

import tempfile
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_text, remark, settings_of, store_of
from astrid_tui.cli.models_kept import NoSyncOption, tell_mlflow


class Input(StrEnum):
    """What a network looks at."""

    TRIPLET = "triplet"
    FEATURES = "features"


class Name(StrEnum):
    """The model that it becomes a version of."""

    REALBOGUS = "realbogus"
    TREE = "tree"


class Gives(StrEnum):
    """What its output is."""

    PROBABILITY = "probability"
    LOGIT = "logit"


def add_to(app: typer.Typer) -> None:
    """Add the command to ``astrid models``."""
    app.command(name="import")(import_)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file with its weights inside.")],
    inputs: Annotated[
        Input, typer.Option("--input", help="Cutouts of 63 x 63 pixels, or what is measured of them.")
    ],
    name: Annotated[Name | None, typer.Option(help="Default: by its input.")] = None,
    gives: Annotated[Gives | None, typer.Option(help="Default: by its last operation.")] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Examples (.npz) that it is calibrated on; else it is believed.")
    ] = None,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring in a network of any framework as a new version, which scores once it is promoted.

    It is looked through first: it may name no other files, and hold no operation that loops, branches or is
    not of ONNX itself. A triplet is of shape (n, 3, 63, 63) or (n, 63, 63, 3): new, reference, difference,
    with arcsinh(v / 3) in each pixel, v in sigma of its cutout's sky, 0 where masked. docs/models.md tells
    the rest.
    """
    from pipeline.classify.imported import bring_in
    from pipeline.training.examples import read
    from pipeline.training.keeping import keep

    chosen = name or (Name.TREE if inputs is Input.FEATURES else Name.REALBOGUS)
    settings = settings_of(context)
    with closing(store_of(context)) as store, tempfile.TemporaryDirectory(prefix="astrid-") as work:
        folder = Path(work) / "model"
        known = read(examples) if examples is not None else None
        brought = bring_in(file, folder, chosen, inputs, gives, known)
        row = keep(store, settings, folder, origin="import")
        number = row.number
    if brought.doubt is not None:
        remark(brought.doubt)
    if not as_json:
        print_text(
            f"{file.name} (taken to give a {brought.gives}) is version {number} of {chosen}: "
            f"astrid models promote {chosen} {number}"
        )
    trouble = None if no_sync else tell_mlflow(context)
    if as_json:
        print_json(
            {
                "name": str(chosen),
                "version": number,
                "digest": brought.digest,
                "calibrated": known is not None,
                "gives": brought.gives,
                "doubt": brought.doubt,
                "registry_trouble": trouble,
            }
        )
