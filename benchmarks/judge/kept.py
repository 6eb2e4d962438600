"""Of all that was judged, what is kept for the cards of the models that come with AstrID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMMAND = "python -m benchmarks.judge --work DIR --images DIR --own-kind N --keep"
PARTS = {"simulated": "shown simulated", "simulated_and_real_pixels": "shown"}
CLEAR = "clear"  # the stratum of changes off stars of SNR 10 and more


def kept(result: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """For each judged model: what is missed of either kind, the gap between them, and its calibration.

    Parameters
    ----------
    result : mapping
        What `benchmarks.judge.__main__.report` gives; ``odd`` as `benchmarks.judge.odd.cards` does.
    digests : mapping of str to str
        Of the models, by name.
    """
    gap = result.get("gap") or {}
    own = _cards(gap.get("own_kind"))
    here = {part: _cards(result.get(name, {}).get("evaluation")) for part, name in PARTS.items()}
    out: dict[str, dict[str, Any]] = {}
    odd: Mapping[str, Any] = result.get("odd") or {}
    for name, digest in digests.items():
        if name in odd:
            told = {part: _oddest(card) for part, card in odd[name].items()}
            mine = told.pop("own_kind", None)
            out[name] = {"digest": digest, "command": COMMAND, "second_generator": told, "own_kind": mine}
            continue
        found = {part: _numbers(cards[name]) for part, cards in here.items() if name in cards}
        if not found:
            continue
        mine = _numbers(own[name]) if name in own else None
        out[name] = {"digest": digest, "command": COMMAND, "second_generator": found, "own_kind": mine}
        if mine is not None:
            out[name]["gap"] = {part: _gap(each, mine) for part, each in found.items()}
    if "ensemble" in out:
        less = {"second_generator": result["shown"].get("ensemble", []), "own_kind": gap.get("ensemble", [])}
        out["ensemble"]["less_than_best_member"] = {
            kind: [{"what": line["what"], **_estimate(line["estimate"])} for line in lines]
            for kind, lines in less.items()
        }
        zones = {part: result.get(name, {}).get("zones", []) for part, name in PARTS.items()}
        zones["own_kind"] = gap.get("zones", [])
        out["ensemble"]["zones"] = {
            kind: [
                {"what": line["what"], "goal": line["goal"], **_estimate(line["estimate"])} for line in lines
            ]
            for kind, lines in zones.items()
            if lines
        }
    return out


def _cards(evaluation: Mapping[str, Any] | None) -> dict[str, Any]:
    return {card["name"]: card for card in evaluation["cards"]} if evaluation else {}


def _numbers(card: Mapping[str, Any]) -> dict[str, Any]:
    clear = [each["missed"] for each in card["strata"] if each["of"] == CLEAR]
    calibration = card["calibration"]
    return {
        "real": card["n_real"],
        "bogus": card["n_bogus"],
        "missed_at_1_percent_fpr": _estimate(card["fnr_at_fpr"]["0.01"]),
        "missed_off_stars_snr_10": _estimate(clear[0]) if clear else None,
        "calibration_error": _estimate(calibration["ece"]) if calibration else None,
    }


def _oddest(card: Mapping[str, Any]) -> dict[str, Any]:
    """Of a detector of the odd: the bogus that it brings, and of the real whom."""
    return {
        **card["examples"],
        "bogus_among_the_oddest": _estimate(card["strata"][0]),
        "real_among_the_oddest": {row["name"]: _estimate(row) for row in card["tables"][0]["rows"]},
    }


def _gap(here: Mapping[str, Any], own: Mapping[str, Any]) -> float | None:
    values = [each["missed_at_1_percent_fpr"]["value"] for each in (here, own)]
    return None if None in values else round(values[0] - values[1], 4)


def _estimate(estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _rounded(estimate[key]) for key in ("value", "low", "high")}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
