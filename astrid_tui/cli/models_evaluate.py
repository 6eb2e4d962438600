"""`astrid models evaluate`: what models are worth, beside the baselines that they have to beat."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    is_read_only,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from astrid_tui.cli.models_judged import (
    UNET,
    candidates_of,
    models_to_judge,
    names_of,
    refuse_unknown_names,
    version_numbers,
)
from astrid_tui.cli.models_prevalence import NIGHT, night_share, print_night, shares
from astrid_tui.cli.output_files import ForceOption, check_output, output_bytes
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.settings import Settings
    from pipeline.classify.unet import UNet
    from pipeline.training.evaluate import Candidate, Evaluation
    from pipeline.training.examples import Examples

FIELDS = 12
MOST_FIELDS = 1000
FIELD_PX = 512


class Together(StrEnum):
    """What the bootstrap draws together."""

    OBJECTS = "group"
    NIGHTS = "night"
    FIELDS = "field"


def add_to(app: typer.Typer) -> None:
    """Add the command to ``astrid models``."""
    app.command()(evaluate)


def evaluate(
    context: typer.Context,
    models: Annotated[
        list[str] | None, typer.Option("--models", help="Only these; default: all that can score.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(help="Labelled examples (.npz) to judge by; default: fields that are simulated now."),
    ] = None,
    own_kind: Annotated[
        Path | None,
        typer.Option(help="Held-out examples of the kind that was trained on: the gap to them is told."),
    ] = None,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option(help="Examples that were trained on: refuse if any of them is among those that judge."),
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="A model's folder that is judged in place of the one in use.")
    ] = None,
    version: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER", help="A version that is judged in place of the one in use, such as tree=2."
        ),
    ] = None,
    together: Annotated[
        Together, typer.Option(help="What the bootstrap of the intervals draws together.")
    ] = Together.OBJECTS,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHARE|night",
            help="Share of real among a night's candidates, at which precision is told too; `night`: that of "
            "what is agreed on of the newest nights in the store. May be repeated.",
        ),
    ] = None,
    surviving: Annotated[
        bool,
        typer.Option(
            "--surviving/--every-peak",
            help="Judge by what the pipeline's cuts keep, as trainings do, or by every peak.",
        ),
    ] = True,
    fields: Annotated[
        int, typer.Option(min=1, max=MOST_FIELDS, help="How many fields are simulated without --examples.")
    ] = FIELDS,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also draw a picture (PNG) to this file.")
    ] = None,
    force: ForceOption = False,
    keep: Annotated[
        bool,
        typer.Option("--keep/--no-keep", help="Keep the scorecards of versions with them, for their cards."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Judge models: what they miss, what they let through, and whether their probabilities hold.

    The significance alone and the tree alone are always in the table. The U-Net, which sees whole frames, is
    judged where fields are simulated, not by --examples, which are cutouts. Examples that a model was trained
    on are refused. Exit code 3 where a model that was asked for could not be judged.
    """
    from core.errors import AstridError
    from pipeline.training import evaluate as room

    refuse_unknown_names(models)
    by_hand = shares(prevalence)
    read = (examples, own_kind, *(trained_on or ()))
    check_output(output, force=force, inputs=read, endings=(".png",))
    night = night_share(context) if NIGHT in (prevalence or ()) else None
    found = models_to_judge(context, folder, version_numbers(version))
    names, shown = names_of(models)
    candidates, network = candidates_of(found, names, whole_frames=examples is None)
    whole: dict[str, NDArray[Any]] = {}
    if examples is not None:
        judged_by = _read(examples)
    else:
        judged_by, whole = _simulated(fields, network, settings_of(context), quiet=as_json)
    own = None if own_kind is None else _read(own_kind)
    learnt_from = [_read(path) for path in trained_on or ()]
    for each in (judged_by,) if own is None else (judged_by, own):
        room.refuse_leaks(each, candidates, learnt_from)
    if surviving:  # only now, so that what leaks is told by its row in the file
        which = judged_by.is_shown
        judged_by, whole = judged_by[which], {name: values[which] for name, values in whole.items()}
        own = None if own is None else own[own.is_shown]
    prevalences = (*by_hand, *(() if night is None else (night["share"],)))
    options = {"drawn_by": together.value, "prevalences": prevalences}
    try:
        evaluation, score = _evaluated(judged_by, candidates, shown, options, whole, network, quiet=as_json)
        beside = None if own is None else _evaluated(own, candidates, shown, options, quiet=as_json)[0]
    except ValueError as error:
        raise AstridError(f"nothing can be judged: {error}") from None
    gap = None if beside is None else room.gaps(evaluation, beside)
    title = _title(examples, fields)
    kept = _kept(context, evaluation, title, judged_by.digest) if keep else {}
    if output is not None:
        _draw(output, evaluation, judged_by, score, title)
    if as_json:
        picture = None if output is None else str(output)
        told = {"examples": title, "gap": gap, "picture": picture, "kept": kept, "night": night}
        print_json(told | room.plain(evaluation))
    else:
        _print(title, evaluation, gap)
        if night is not None:
            print_night(night)
        for name, number in kept.items():
            remark(f"the scorecard is kept with version {number} of {name}")
    asked = set(models or ()) & set(evaluation.absent)
    if asked or ((folder or version) and evaluation.absent and not models):
        raise typer.Exit(ExitCode.PARTIAL)


def _kept(context: typer.Context, evaluation: Evaluation, title: str, digest: str) -> dict[str, int]:
    """Keep the scorecards of versions in the store; the numbers of those that were judged, by model."""
    from core.database.store_errors import StoreMissing
    from core.errors import AstridError
    from core.models import versions
    from core.models.shipped import keep_scorecard
    from pipeline.classify.shipped import SHIPPED
    from pipeline.training.scorecard_summary import summary

    if is_read_only(context):
        return {}
    found: dict[str, int] = {}
    came = {each.digest for each in SHIPPED.values()}
    try:
        with closing(store_of(context)) as store:
            known = {row.digest for row in versions.versions(store)}
            for card in evaluation.cards:
                if card.digest not in known | came:
                    continue
                told = summary(card) | {"title": f"Missed at 1 % false positives, {title}"}
                told |= {versions.JUDGED_BY: title, "judged_at": time.time(), "examples_sha256": digest}
                number = versions.keep_scorecard(store, card.name, card.digest, told)
                if number is None:
                    keep_scorecard(settings_of(context).home, card.digest, told)
                found[card.name] = versions.SHIPPED if number is None else number
    except StoreMissing:
        return {}
    except AstridError as error:  # to judge took long: what it gave is told all the same
        remark(f"scorecards are not kept: {error}")
    return found


def _print(title: str, evaluation: Evaluation, gap: dict[str, dict[str, float | None]] | None) -> None:
    from pipeline.training.scorecard_text import lines, table

    print_text(title)
    print_table(*table(evaluation))
    for name, why in evaluation.absent.items():
        print_text(f"{name} is not judged: {why}")
    if gap is not None:
        _print_gap(gap)
    for card in evaluation.cards:
        print_text("")
        for line in lines(card):
            print_text(line)
    if evaluation.left_out:
        remark(f"{evaluation.left_out} examples without a label were left out")


def _simulated(
    fields: int, network: UNet | None, settings: Settings, *, quiet: bool
) -> tuple[Examples, dict[str, NDArray[Any]]]:
    """Fields that are simulated now, and what the U-Net says of them."""
    from pipeline.training import examples, scored_fields
    from pipeline.training.seeds import JUDGING

    seeds = JUDGING[:fields]
    with progress_bar("simulating", quiet=quiet) as report:

        def told(done: int, total: int) -> None:
            report(done, fields, f"{total} examples")

        if network is None:
            return examples.of_seeds(seeds, on_field=told, settings=settings), {}
        scored = scored_fields.of_seeds(seeds, FIELD_PX, network, told, settings)
    return scored.examples, {} if scored.unet is None else {UNET: scored.unet}


def _read(path: Path) -> Examples:
    from pipeline.training.examples import read

    return read(path)


def _evaluated(
    examples: Examples,
    candidates: Sequence[Candidate],
    shown: Sequence[str],
    options: dict[str, Any],
    whole: dict[str, NDArray[Any]] | None = None,
    network: UNet | None = None,
    *,
    quiet: bool,
) -> tuple[Evaluation, dict[str, NDArray[Any]]]:
    """``whole`` are the log-odds of the network, which sees whole frames; ``shown`` says who is told of."""
    from pipeline.training.evaluate import evaluate as judge
    from pipeline.training.evaluate import scores

    with progress_bar("scoring", quiet=quiet) as report:
        found = scores(candidates, examples, lambda done: report(done, len(examples), "examples"), whole)
    found |= whole or {}
    found = {name: found[name] for name in shown if name in found}
    digests = {each.name: each.scorer.digest for each in candidates if each.scorer is not None}
    if network is not None:
        digests[UNET] = network.digest
    absent = {each.name: each.why_not for each in candidates if each.name in shown and each.name not in found}
    return judge(examples, found, digests=digests, absent=absent, **options), found


def _draw(
    path: Path, evaluation: Evaluation, examples: Examples, score: dict[str, NDArray[Any]], title: str
) -> None:
    import numpy as np

    from pipeline.training.evaluate import SIGNIFICANCE
    from pipeline.training.scorecard_picture import draw

    known = examples.label >= 0
    curves = {SIGNIFICANCE: np.abs(examples.snr.astype(float))} | score
    with output_bytes(path) as out:
        draw(out, evaluation, examples.label[known] == 1, {k: v[known] for k, v in curves.items()}, title)


def _title(path: Path | None, fields: int) -> str:
    from core.text import counted, safe_text

    if path is not None:
        return f"judged by {safe_text(path.name)}"
    return f"judged by {counted(fields, 'field')} simulated as for training, and not trained on"


def _print_gap(gap: dict[str, dict[str, float | None]]) -> None:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f} %"

    print_text("")
    print_text("missed at 1 % FPR on these examples, and on the kind that was trained on:")
    rows = [(name, *(share(each[key]) for key in ("here", "own_kind", "gap"))) for name, each in gap.items()]
    print_table(("scorer", "here", "own kind", "gap"), rows)
