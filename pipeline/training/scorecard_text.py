"""Scorecards as lines of text: one table of all scorers, then each by stratum."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.training.evaluate import Evaluation
from pipeline.training.resample import Estimate
from pipeline.training.scorecard import Scorecard
from pipeline.training.strata import CLEAR_NAME, CLEAR_OF


def table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: the numbers to compare scorers by, with their 95 % intervals.

    Models that could not be judged have a column too, so that nobody misses them without a word.
    """
    cards = evaluation.cards

    def share(estimate: Estimate) -> str:
        return percent(estimate) if estimate.value is not None else "too few to tell"

    def value(estimate: Estimate, digits: int) -> str:
        return number(estimate, digits) if estimate.value is not None else "too few to tell"

    rows = [
        ["missed at 1 % FPR", *(share(card.fnr_at_fpr[0.01]) for card in cards)],
        [f"missed at 1 % FPR, {CLEAR_NAME}", *(share(clear(card)) for card in cards)],
        ["missed at 0.1 % FPR", *(share(card.fnr_at_fpr[0.001]) for card in cards)],
        ["FPR at 1 % missed", *(share(card.fpr_at_fnr[0.01]) for card in cards)],
        ["area under the ROC", *(value(card.auc, 4) for card in cards)],
        [
            "expected calibration error",
            *(value(card.calibration.ece, 4) if card.calibration else "no probability" for card in cards),
        ],
        [
            f"missed, less what {evaluation.than} misses",
            *(
                share(evaluation.better[card.name]) if card.name in evaluation.better else ""
                for card in cards
            ),
        ],
    ]
    names = [card.name for card in cards]
    absent = [name for name in evaluation.absent if name not in names]
    return ["", *names, *absent], [row + ["not judged"] * len(absent) for row in rows]


def clear(card: Scorecard) -> Estimate:
    """What is missed of the changes that should hardly ever be."""
    for each in card.strata:
        if (each.of, each.name) == (CLEAR_OF, CLEAR_NAME):
            return each.missed
    return Estimate(None, note="no SNR or host is known")


def lines(card: Scorecard) -> Iterator[str]:
    """One scorecard in full."""
    yield f"{card.name} {card.digest[:12]}".rstrip()
    yield (
        f"  {card.n_real} real and {card.n_bogus} bogus ({100 * card.prevalence:.1f} % real), "
        f"{card.nights} night{'s' if card.nights != 1 else ''}; intervals by bootstrap over {card.drawn_by}s"
    )
    for count, each in card.fnr_at_per_night.items():
        yield f"  {f'missed at {count} candidates a night':<44} {percent(each)}"
    for place, each in card.recall_at_rank.items():
        yield f"  {f'found among the first {place} of each night':<44} {percent(each)}"
    yield f"  {'average precision':<44} {number(card.average_precision, 4)}"
    yield f"  {'Matthews correlation at 1 % FPR':<44} {number(card.mcc, 3)}"
    for prevalence, each in card.precision.items():
        yield f"  {f'precision at 1 % FPR, were {100 * prevalence:.3g} % real':<44} {percent(each)}"
    if card.calibration is not None:
        found = card.calibration
        yield f"  {'expected calibration error':<44} {number(found.ece, 4)}"
        yield (
            f"  {'Brier score':<44} {number(found.brier, 4)}; "
            f"of always saying the prevalence {found.brier_constant:.4f}"
        )
    if card.strata:
        yield f"  at the threshold of 1 % FPR, {card.threshold:.2f}:"
    for stratum in card.strata:
        shares = _of(stratum.missed, "missed") + _of(stratum.kept, "kept")
        yield f"    {f'{stratum.of}: {stratum.name}':<42} {shares.rstrip()}"
    for note in card.notes:
        yield f"  {note}"


def _of(estimate: Estimate, what: str) -> str:
    """A share of a stratum; nothing where the stratum has nobody of this sort."""
    return f"{what} {percent(estimate)} of {estimate.n}  " if estimate.n else ""


def percent(estimate: Estimate) -> str:
    """As ``2.3 % (1.9 to 2.8)``, or why there is no number."""
    if estimate.value is None:
        return f"- ({estimate.note})"
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.2f} % ({estimate.note})"
    return f"{100 * estimate.value:.2f} % ({100 * estimate.low:.2f} to {100 * estimate.high:.2f})"


def number(estimate: Estimate, digits: int) -> str:
    """As ``.991 (.989 to .993)``, or why there is no number."""
    if estimate.value is None:
        return f"- ({estimate.note})"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f} ({estimate.note})"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"
