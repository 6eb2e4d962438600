"""`--prevalence` of `astrid models evaluate`: shares of real as numbers, or that of the newest nights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import typer

from astrid_tui.cli.invocation import print_text, settings_of, store_of

NIGHT = "night"  # in place of a share of real


def shares(given: Sequence[str] | None) -> tuple[float, ...]:
    """The shares of real that were given as numbers."""
    found = []
    for each in given or ():
        if each == NIGHT:
            continue
        try:
            found.append(float(each))
        except ValueError:
            found.append(math.nan)
        if not 0.0 < found[-1] < 1.0:
            raise typer.BadParameter(
                f"a share of real lies between 0 and 1, or is `{NIGHT}`", param_hint="--prevalence"
            )
    return tuple(found)


def night_share(context: typer.Context) -> dict[str, Any]:
    """The share of real in the newest nights of the store, for JSON; rounded as keys of precision are."""
    from core.review.night_share import newest_share

    settings = settings_of(context)
    with closing(store_of(context, read_only=True)) as store:
        found = newest_share(store, settings.review, settings.site)
    real = found.real
    return {
        "share": float(f"{real.hits / real.n:g}"),
        "low": real.low,
        "high": real.high,
        "real": real.hits,
        "decided": real.n,
        "undecided": found.undecided,
        "nights": found.nights,
        "first": found.first,
        "last": found.last,
    }


def print_night(night: dict[str, Any]) -> None:
    """Say how much is real in the newest nights, and of how much that is known."""
    print_text("")
    when = f"{night['nights']} nights from {night['first']} to {night['last']}"
    if night["nights"] == 1:
        when = f"night of {night['first']}"
    print_text(
        f"of {night['decided']} objects that are agreed on of the {when}, {night['real']} are real: "
        f"{100 * night['share']:.3g} % ({100 * night['low']:.3g} to {100 * night['high']:.3g} %); "
        f"{night['undecided']} more await a decision"
    )
