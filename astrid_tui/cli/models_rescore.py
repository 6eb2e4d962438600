"""`astrid models rescore`: what is in the store already, by the models in use now."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    expanded_filter,
    print_json,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.engines.rescoring import Rescored


def add_to(app: typer.Typer) -> None:
    """Add the command to ``astrid models``."""
    app.command()(rescore)


def rescore(
    context: typer.Context,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help='Which candidates, such as "verdict:none mjd>61000"; default: all.'),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score candidates anew that other versions scored than are in use now, and order the queue by it.

    Their cutouts are scored: nothing is subtracted or detected again, verdicts stay, and so does what the
    U-Net said, which sees whole frames. The newest come first; interrupted, this goes on where it was.

    Exit code 4: no model can score.
    """
    from pipeline.engines.rescoring import rescore_stored

    settings = settings_of(context)
    with closing(store_of(context)) as store:
        terms = expanded_filter(context, store, filters)
        with progress_bar("Scoring", quiet=as_json) as report:
            done = rescore_stored(store, settings, terms, progress=report)
    for said in done.remarks:
        remark(said)
    if as_json:
        print_json(asdict(done) | {"same": done.same})
    else:
        print_text(_in_words(done))
    if done.asked and (not done.models or (done.unscored and not done.scored)):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _in_words(done: Rescored) -> str:
    if not done.asked:
        return "No candidate passes."
    told = [f"{counted(done.scored, 'candidate')} of {done.asked} scored anew"]
    if done.same:
        told.append(f"{done.same} had these models' scores")
    if done.without:
        told.append(
            f"{done.without} keep what they have: no cutouts that show anything, or alerts where [classify] "
            "alerts is false"
        )
    if done.unscored:
        told.append(f"{done.unscored} keep what they have: no model could score them")
    return "; ".join(told)
