"""What the detectors of the odd bring of what is shown: which bogus, and which of the real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training import evaluate as room
from pipeline.training.examples import Examples
from pipeline.training.outlier_scorecard import of_held_out
from pipeline.training.resample import Estimate
from pipeline.training.scorecard_text import percent

Flags = NDArray[np.bool_]


def cards(
    detectors: Sequence[room.Candidate], parts: Mapping[str, tuple[Examples, Flags]]
) -> dict[str, dict[str, Any]]:
    """Print the scorecard of each detector on each part of what was judged; the same for JSON.

    Parameters
    ----------
    detectors : sequence
        As `pipeline.training.evaluate.ready` reads them.
    parts : mapping of str to (Examples, flags)
        What was judged, and which of it is a part.

    Returns
    -------
    dict
        By detector and part what `pipeline.training.outlier_scorecard.of_held_out` tells. A part without
        both real and bogus is left out.
    """
    known: dict[int, dict[str, NDArray[np.float64]]] = {}
    told: dict[str, dict[str, Any]] = {}
    for part, (examples, which) in parts.items():
        if len(np.unique(examples.label[which])) < 2:
            continue
        if id(examples) not in known:
            known[id(examples)] = room.scores(detectors, examples)
        for name, said in known[id(examples)].items():
            card = of_held_out(said[which], examples[which])
            if card is not None:
                told.setdefault(name, {})[part] = card
                print("\n".join(_lines(name, part, card)))
    return told


def _lines(name: str, part: str, card: Mapping[str, Any]) -> list[str]:
    tables = [(card["title"], card["strata"]), *((each["title"], each["rows"]) for each in card["tables"])]
    lines = ["", f"{name}, {part}: {card['examples']['real']} real, {card['examples']['bogus']} bogus"]
    for title, rows in tables:
        lines.append(f"  {title}")
        for row in rows:
            share = percent(Estimate(row["value"], row["low"], row["high"], row["n"]))
            lines.append(f"    {row['name']:<24} {share} of {row['n']}")
    return lines
