"""The card of a version as text: what a person asks first, in sections; ``--json`` tells all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrid_tui.cli.models_registry import date_of
from core.models.names import EMBEDDING_OF, ODD_BY
from core.models.worth import judged_rows, metric_rows, stratum_rows, tuned_rows

LOOKS_AT = {
    "triplet": "cutouts of new, reference and difference",
    "features": "what is measured of cutouts",
    "image": "whole frames",
    "scores": "what the other models say, and |SNR|",
}
NEWEST = 5  # promotions
WIDTH = 56  # of what a number is of


def card_lines(facts: Mapping[str, Any]) -> list[str]:
    """The lines of a card.

    Parameters
    ----------
    facts : mapping
        As ``astrid models card --json`` tells them.
    """
    about = _mapping(facts.get("description"))
    trained = _mapping(about.get("trained"))
    lines = [f"{facts['name']}, version {facts['number']}{', in use' if facts.get('in_use') else ''}"]
    lines += [f"  {facts[key]}" for key in ("trouble", "remark") if facts.get(key)]
    lines += _section("What it is", _what(facts, about))
    lines += _section("Learnt from", _learnt(trained))
    by = trained.get("judged_by") or trained.get("fitted_on") or "data of its own kind"
    worth = metric_rows(trained.get("metrics")) + tuned_rows(trained.get("fine_tuned"))
    lines += _section(f"Worth, by {by}", worth)
    lines += _section(
        "Worth, on simulations of other code than the training's", judged_rows(facts.get("judged"))
    )
    card = _mapping(facts.get("scorecard"))
    title = str(card.get("title") or "Missed at 1 % false positives, by stratum")
    lines += _section(title, stratum_rows(card))
    if not card and not facts.get("judged"):
        makes = (
            "train outliers` makes one of what it fits" if facts["name"] in ODD_BY else "evaluate` judges it"
        )
        lines += ["", f"It has no scorecard: `astrid models {makes}."]
    return [*lines, *_section("Use", _use(facts.get("promotions"))), "", "--json tells all that is known."]


def _what(facts: Mapping[str, Any], about: Mapping[str, Any]) -> list[tuple[str, str]]:
    origin = str(facts.get("origin"))
    if facts.get("created_at"):
        origin += f", {date_of(facts['created_at'])}, by {facts.get('created_by')}"
    calibration = _mapping(about.get("calibration"))
    rows = [
        ("from", origin),
        ("training", facts.get("training")),
        ("architecture", about.get("architecture")),
    ]
    looks = LOOKS_AT.get(str(about.get("inputs")), about.get("inputs"))
    if (network := _mapping(about.get("config")).get(EMBEDDING_OF)) is not None:
        looks = f"{looks}, and what the realbogus {str(network)[:12]} sees of them"
    rows += [("looks at", looks), ("digest", facts.get("digest"))]
    if about.get("kind") not in ODD_BY and calibration.get("prevalence") is not None:
        rows.append(("calibrated at a share of real of", f"{calibration['prevalence']:.3g}"))
    return [(label, str(value)) for label, value in rows if value]


def _learnt(trained: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, Any]] = [
        (name, trained.get(name)) for name in ("examples", "fields", "steps", "seconds")
    ]
    rows.append(("sources", ", ".join(map(str, trained.get("sources") or ()))))
    rows.append(("seed", _mapping(trained.get("options")).get("seed")))
    tuned = _mapping(trained.get("fine_tuned"))
    if tuned:
        rows.append(("fine-tuned from", str(tuned.get("start"))[:12]))
        rows.append(("objects", f"{tuned.get('real')} real, {tuned.get('bogus')} bogus"))
    members = _mapping(trained.get("members"))
    rows.append(("weighed with", ", ".join(f"{name} {str(each)[:12]}" for name, each in members.items())))
    return [(label, str(value)) for label, value in rows if value not in (None, "")]


def _use(promotions: object) -> list[tuple[str, str]]:
    rows = [each for each in promotions if isinstance(each, Mapping)] if isinstance(promotions, list) else []
    return [
        (
            f"{date_of(each['at'])} {each['kind']}",
            f"version {each['number']} for {each['previous']}, by {each['by']}"
            + (f": {each['reason']}" if each.get("reason") else ""),
        )
        for each in rows[:NEWEST]
    ]


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    return ["", title, *(f"  {label:<{WIDTH}}  {value}" for label, value in rows)] if rows else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
