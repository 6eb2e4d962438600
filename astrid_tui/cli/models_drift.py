"""`astrid models drift|retrain`: whether the newest nights are still what the models in use know."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_table, print_text, settings_of, store_of
from astrid_tui.cli.models_kept import NoSyncOption, print_training, tell_mlflow_of
from core.epochs import unix_of
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.database.store import Store
    from core.models.drift import Calibration, Drift, Quantity, Share
    from core.objects.tracklets import NightSpan

SHOWN = 20  # distributions of a table


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``astrid models``."""
    app.command()(drift)
    app.command()(retrain)


def drift(
    context: typer.Context,
    nights: Annotated[int | None, typer.Option(min=1, help="The newest; default: [drift] nights.")] = None,
    reference_nights: Annotated[
        int | None,
        typer.Option(min=1, help="The first since the last promotion; default: [drift] reference_nights."),
    ] = None,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit code 3 where there is drift; fit for cron.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the newest nights with the first ones since the models in use were promoted.

    Distributions of scores and of what is measured are compared for each instrument and filter: the
    population stability index, and Kolmogorov and Smirnov's test, which takes into account that candidates
    of one frame are alike and how many distributions are compared. What people decided is compared with
    what the models had said. Limits are in [drift] of config.toml.
    """
    from core.models.drift import drift as measured

    settings = settings_of(context)
    limits = settings.drift
    asked = {"nights": nights, "reference_nights": reference_nights}
    limits = limits.model_copy(update={key: value for key, value in asked.items() if value is not None})
    with closing(store_of(context, read_only=True)) as store:
        found = measured(store, _digests(store), limits, settings.review)
    if as_json:
        print_json(found.record())
    else:
        _print(found)
    if fail and found.state == "drift":
        raise typer.Exit(ExitCode.PARTIAL)


def retrain(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it is due.")] = False,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the real-bogus in use on what reviewers agree on, if that is due; fit for cron.

    It is due where its scores drifted or people agree with it less, or where they agree on much that no
    version learnt of: [drift] of config.toml. What is made is a new version, which scores only once it is
    promoted.
    """
    from astrid_tui.cli.models_realbogus import fine_tuned
    from core.models.retraining import retraining

    settings = settings_of(context)
    with closing(store_of(context, read_only=dry_run)) as store:
        found = retraining(store, _digests(store), settings.drift, settings.review)
    told: dict[str, Any] = {"is_due": found.is_due, "reason": found.reason, "start": found.start}
    told |= {"decisions": found.decisions, "state": found.drift.state, "training": None}
    if not as_json:
        print_text(f"A training is {'due' if found.is_due else 'not due'}: {found.reason}.")
    if found.is_due and not dry_run:
        told["training"] = fine_tuned(context, str(found.start), quiet=as_json)
        if not as_json:
            print_training(told["training"])
        tell_mlflow_of(context, told["training"], no_sync=no_sync)
    if as_json:
        print_json(told)
    if told["training"] is not None and told["training"]["digest"] is None:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _digests(store: Store) -> dict[str, str]:
    """Of the versions in use, by model."""
    from core.models.versions import in_use
    from pipeline.classify.shipped import SHIPPED

    return {name: used.digest or SHIPPED[name].digest for name, used in in_use(store, SHIPPED).items()}


def _print(found: Drift) -> None:
    words = {"steady": "No drift.", "drift": "There is drift.", "too little": "There is too little to tell."}
    print_text(words[found.state])
    if found.reference is not None and found.recent is not None:
        promoted = any(each["since"] is not None for each in found.versions.values())
        print_text(
            f"The newest {found.recent_nights} nights, {_dates(found.recent)}, against the first "
            f"{found.reference_nights}{' since the last promotion' if promoted else ''}, "
            f"{_dates(found.reference)}."
        )
    for each in found.advice:
        print_text(f"- {each}")
    ordered = sorted(found.quantities, key=lambda each: (not each.is_drift, -each.psi))
    if ordered:
        head: tuple[str, ...] = (
            "",
            "instrument, filter",
            "what",
            "median then",
            "now",
            "PSI",
            "D",
            "p",
            "n then",
            "now",
        )
        least = (("D",), ("n then",), ("p",), ("instrument, filter",))
        print_table(head, [_quantity(each) for each in ordered[:SHOWN]], least=least)
    if len(ordered) > SHOWN:
        print_text(f"and {len(ordered) - SHOWN} more that differ less: --json tells all")
    if found.calibrations:
        head = ("", "model", "of", "Brier then", "now", "change", "ECE now", "n then", "now")
        least = (("n then",), ("ECE now",), ("Brier then",), ("of",))
        print_table(head, [_calibration(each) for each in found.calibrations], least=least)


def _quantity(each: Quantity) -> tuple[Any, ...]:
    what = f"score of {each.name}, log-odds" if each.kind == "score" else each.name
    return (
        "drift" if each.is_drift else "",
        each.stratum,
        what,
        f"{each.before:.4g}",
        f"{each.now:.4g}",
        f"{each.psi:.2f}",
        f"{each.distance:.2f}",
        f"{each.p_adjusted:.2g}",
        each.n_before,
        each.n_now,
    )


def _calibration(each: Calibration) -> tuple[Any, ...]:
    return (
        "drift" if each.is_drift else "",
        each.model,
        each.stratum,
        _share(each.brier_before),
        _share(each.brier_now),
        _share(each.change),
        _share(each.ece_now),
        each.n_before,
        each.n_now,
    )


def _share(each: Share | None) -> str:
    return "too few" if each is None else f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})"


def _dates(span: NightSpan) -> str:
    first, last = (time.strftime("%Y-%m-%d", time.gmtime(unix_of(mjd))) for mjd in (span.first, span.last))
    return first if first == last else f"{first} to {last}"
