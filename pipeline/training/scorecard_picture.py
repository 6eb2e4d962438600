"""A picture of scorecards: what is missed against what is kept, found against SNR, said against true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pipeline.training import measures
from pipeline.training.evaluate import Evaluation
from pipeline.training.scorecard import WORKING_FPR, Scorecard

Array = NDArray[np.float64]
TICKS = 3.0, 5.0, 10.0, 20.0, 50.0
INCHES = (13.0, 4.4)


def draw(
    out: IO[bytes], evaluation: Evaluation, real: NDArray[np.bool_], score: Mapping[str, Array], title: str
) -> None:
    """Write a PNG.

    Parameters
    ----------
    out : binary file
    evaluation : Evaluation
    real : (n,) bool
    score : mapping of str to (n,) float64
        Of the scorers of the evaluation that are drawn as curves.
    title : str
    """
    # No pyplot: it keeps state, and looks for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    trade, found, told = figure.subplots(1, 3)
    for number, card in enumerate(evaluation.cards):
        colour = f"C{number}"
        if card.name in score:
            kept, missed = _trade(real, score[card.name])
            trade.plot(kept, missed, drawstyle="steps-post", color=colour, label=card.name)
        at, share, low, high = _by_snr(card)
        if len(at):
            bars = np.maximum([share - low, high - share], 0.0)
            found.errorbar(at, share, bars, marker="o", capsize=2, color=colour, label=card.name)
        if card.calibration is not None:
            bins = card.calibration.bins
            said, true = ([getattr(each, name) for each in bins] for name in ("said", "real"))
            told.plot(said, true, "o-", color=colour, label=card.name)
    trade.axvline(WORKING_FPR, color="0.7", linewidth=0.8)
    trade.set(
        xscale="log",
        yscale="log",
        xlabel="share of the bogus that is kept",
        ylabel="share of the real that is missed",
    )
    found.set(
        xscale="log", ylim=(0, 1.02), xlabel="signal-to-noise ratio", ylabel=f"kept at {WORKING_FPR:.0%} FPR"
    )
    found.set_xticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    found.set_xticks([], minor=True)
    told.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    told.set(xlabel="probability as told", ylabel="share that is real")
    for axes in (trade, found, told):
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title, parse_math=False)
    figure.savefig(out, format="png", dpi=110)


def _trade(real: NDArray[np.bool_], score: Array) -> tuple[Array, Array]:
    tp, fp = measures.ranking(real, score).counts()
    return fp / fp[-1], np.maximum(1.0 - tp / tp[-1], 0.3 / tp[-1])


def _by_snr(card: Scorecard) -> tuple[Array, Array, Array, Array]:
    rows = []
    for each in card.strata:
        missed = each.missed
        if each.of == "SNR" and missed.value is not None:
            low, _, high = each.name.partition(" to ")
            edges = (float(low.split(" ")[0]), float(high) if high else 1.5 * float(low.split(" ")[0]))
            ends = (missed.value if end is None else end for end in (missed.high, missed.low))
            rows.append((np.sqrt(edges[0] * edges[1]), *(1.0 - end for end in (missed.value, *ends))))
    table = np.array(rows).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]
