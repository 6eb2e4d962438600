"""What members of the ensemble say of labelled candidates, as far as they did not learn of them.

What a model says of a label that it was trained on tells how well it remembers it. So a model keeps, beside
the objects and nights that it was trained on (`pipeline.training.remembered`), what was said of labelled
candidates while they were held out from it. A candidate is known by its pixels. Labels of which a member
learnt and of which no such score is kept weigh nothing, and none does where a member does not tell all that
it learnt of. A U-Net looks at frames, and cannot be asked of a cutout: of frames that another one saw it says
what it kept, and else nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.classify import Models
from pipeline.classify.ensemble import MEMBERS
from pipeline.classify.model_file import ModelFile, read
from pipeline.classify.scorers import Inputs, Scorer
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.unet import NAME as UNET
from pipeline.training import remembered
from pipeline.training.calibration import platt
from pipeline.training.examples import LABELLED, Examples
from pipeline.training.scored_fields import Scored
from pipeline.training.splits import PLANES, SHARED

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROWS, SAID = f"{remembered.PREFIX}rows", f"{remembered.PREFIX}log_odds"


@dataclass(frozen=True, slots=True)
class Weighable:
    """Labelled candidates that the members can be weighed by.

    Attributes
    ----------
    examples : Examples
    log_odds : dict of str to (n,) float64
        Calibrated, by member; NaN where one did not see a candidate.
    left_out : dict of str to int
        Why others are none: ``learnt`` by a member, or ``unknown`` whether they were.
    """

    examples: Examples
    log_odds: dict[str, Array]
    left_out: dict[str, int]

    @property
    def told(self) -> dict[str, int]:
        """For the description of a model."""
        unseen = np.isnan(self.log_odds.get(UNET, np.empty(0)))
        return {
            "weighed_by": len(self.examples),
            "objects": len(np.unique(self.examples.group)),
            "without_unet": int(np.count_nonzero(unseen)),
            **self.left_out,
        }


def kept(examples: Examples, log_odds: Array) -> dict[str, NDArray[np.generic]]:
    """What a model keeps of what was said of examples that were held out: of those that are labelled.

    Parameters
    ----------
    examples : Examples
    log_odds : (n,) float64
        By what neither learnt of them nor was calibrated by them.
    """
    ours = examples.source == LABELLED
    return kept_by_row(rows_of(examples[ours]), log_odds[ours])


def kept_by_row(rows: NDArray[np.int64], log_odds: Array) -> dict[str, NDArray[np.generic]]:
    """As `kept`, of labelled candidates by the numbers of their pixels: `rows_of`.

    Of pixels of which different things were said nothing is kept, as a U-Net, which looks at frames, says
    them of cutouts in which all is masked; nor is what is no number, of which no model may be made.
    """
    known, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    is_one = np.isfinite(log_odds[first])
    is_one[inverse[log_odds != log_odds[first][inverse]]] = False
    return {ROWS: known[is_one], SAID: log_odds[first][is_one].astype(np.float64)}


def kept_of_split(held: Examples, raw: Array) -> dict[str, NDArray[np.generic]]:
    """As `kept`, of what was held out from a training, calibrated by what of it is not labelled.

    Parameters
    ----------
    held : Examples
    raw : (n,) float64
        The model's own log-odds of them.
    """
    others = held.source != LABELLED
    if others.all() or len(np.unique(held.label[others])) != 2:
        return {}
    fitted = platt(raw[others], held.label[others])
    return kept(held, fitted.slope * raw + fitted.offset)


def weighable(
    labelled: Scored, scorers: Sequence[Scorer], models: Models, network: str | None = None
) -> Weighable:
    """Those of labelled candidates that no member learnt of, and what the members say of them.

    Parameters
    ----------
    labelled : Scored
        With what the U-Net said of each, NaN where another one or none saw its frame.
    scorers : sequence of Scorer
        Those of candidates.
    models : mapping of str to (Path, str or None)
        Those in use.
    network : str, optional
        Digest of the U-Net, where it is a member.
    """
    examples = labelled.examples
    inputs = Inputs(examples.triplets, examples.snr.astype(np.float64))
    said = {each.name: each.logits(inputs) for each in scorers if each.name in MEMBERS}
    digests = {each.name: each.digest for each in scorers if each.name in MEMBERS}
    if network is not None:
        said[UNET] = np.full(len(examples), np.nan) if labelled.unet is None else labelled.unet
        digests[UNET] = network
    learnt, unknown = np.zeros((2, len(examples)), dtype=bool)
    for name, digest in digests.items():
        if digest == SHIPPED[name].digest:
            continue  # what came with AstrID learnt of no labels
        model = read(models[name][0], digest)
        knows = _knows(model, examples)
        if knows is None:
            unknown[:] = True
            continue
        apart = _kept_by(model, examples)
        if name == UNET:  # what it knows does not hold what judged it, as it does of the others
            apart[knows] = np.nan
        said[name] = np.where(knows | np.isnan(said[name]), apart, said[name])
        learnt |= knows & np.isnan(apart)
    usable = ~learnt & ~unknown
    return Weighable(
        examples[usable],
        {name: each[usable] for name, each in said.items()},
        {"learnt": int(np.count_nonzero(learnt & ~unknown)), "unknown": int(np.count_nonzero(unknown))},
    )


def is_told(model: ModelFile) -> bool:
    """Whether a model tells all objects and nights that it was trained on, and what it began with was."""
    if any(model.digest == each.digest for each in SHIPPED.values()):
        return True
    trained = model.description.trained
    tuned = trained.get("fine_tuned")
    if isinstance(tuned, Mapping) and tuned.get("is_start_told") is not True:
        return False
    begun = trained.get("begun_from")
    shipped = {each.digest for each in SHIPPED.values()}
    if begun is not None and begun not in shipped and trained.get("is_start_told") is not True:
        return False
    return {kept for kept, _, _ in remembered.COMPARED} <= set(model.arrays)


def _knows(model: ModelFile, examples: Examples) -> Flags | None:
    """Which examples are of objects, nights or fields that a model was trained on; none where it does not
    tell all of them.
    """
    if not is_told(model):
        return None
    return remembered.known(model.arrays, {name: getattr(examples, name) for name in SHARED})


def _kept_by(model: ModelFile, examples: Examples) -> Array:
    """What a model keeps of each example; NaN of those of which it keeps nothing."""
    found = np.full(len(examples), np.nan)
    if not {ROWS, SAID} <= set(model.arrays) or not len(model.arrays[ROWS]):
        return found
    rows, numbers = model.arrays[ROWS], rows_of(examples)
    place = np.minimum(np.searchsorted(rows, numbers), len(rows) - 1)
    return np.where(rows[place] == numbers, model.arrays[SAID][place], found)


def rows_of(examples: Examples) -> NDArray[np.int64]:
    """A number of each example's pixels, 48 bits: (n,)."""
    planes = [np.ascontiguousarray(getattr(examples, name)) for name in PLANES]
    digests = (hashlib.sha256(b"".join(each[i].tobytes() for each in planes)) for i in range(len(examples)))
    return np.array([int(each.hexdigest()[:12], 16) for each in digests], dtype=np.int64)
