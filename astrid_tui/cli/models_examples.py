"""`astrid models examples`: what reviewers agree on, as a set to learn from or to be judged by."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_text, settings_of, store_of
from astrid_tui.cli.output_files import ForceOption, check_output, writing_to


def add_to(app: typer.Typer) -> None:
    """Add the command to ``astrid models``."""
    app.command()(examples)


def examples(
    context: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The set, an .npz.")],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the candidates whose nature reviewers agree on, with their cutouts.

    It is what `models train` learns from besides, and `models evaluate --examples` takes it. Injected sources
    are left out, and what is disputed or awaits more votes. docs/examples.md tells the columns.
    """
    from core.errors import AstridError
    from core.review.agreed import agreed_objects, why_none
    from pipeline.training.examples import BOGUS, REAL, write
    from pipeline.training.label_examples import of_labels

    check_output(output, force=force, endings=(".npz",))
    settings = settings_of(context)
    with closing(store_of(context, read_only=True)) as store:
        found = of_labels(store, settings.review, settings.site)
        if found is None and agreed_objects(store, settings.review):
            raise AstridError("of what reviewers agree on no cutouts are kept")
        if found is None:
            raise AstridError(f"there is nothing to write: {why_none(store, settings.review)}")
    with writing_to(output):
        write(found, output)
    counts = {name: int((found.label == label).sum()) for name, label in (("real", REAL), ("bogus", BOGUS))}
    told = {"file": str(output), **counts, "objects": len(set(found.group.tolist())), "digest": found.digest}
    if as_json:
        print_json(told)
        return
    held = f"{told['real']} real and {told['bogus']} bogus candidates of {told['objects']} objects"
    print_text(f"{output} holds {held}")
