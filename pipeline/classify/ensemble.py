"""The ensemble: what all models say of a candidate, weighed by what each was found to be worth.

Logistic stacking: the log-odds are a sum of the members' calibrated log-odds with weights that are never
negative. A member may be absent, as a U-Net is of a survey's alert; each set of members that can occur has
weights of its own, so that a candidate is never judged as if an absent member had been neutral.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.models.weighed import weighed_with
from pipeline.classify.model_file import ModelFile, ModelRefused
from pipeline.classify.scorers import Inputs

Array = NDArray[np.float64]

ARCHITECTURE = "logistic_stacking"
SIGNIFICANCE = "snr"  # the logarithm of its size is a member too
MEMBERS = ("realbogus", "tree", "unet", SIGNIFICANCE)
MOST_SETS = 2 ** len(MEMBERS)  # of members that speak
CLIPPED = 12.0  # log-odds beyond it are no better known


class Ensemble:
    """A stacking that was read and verified: see `pipeline.classify.scorers.Scorer`."""

    name = "ensemble"

    def __init__(self, model: ModelFile) -> None:
        self.digest = model.digest
        about = model.description
        self.members = tuple(about.features)
        self.weighed_with = weighed_with({"trained": about.trained})
        if not self.members or not set(self.members) <= set(MEMBERS):
            raise ModelRefused(f"ensemble: its members must be of {', '.join(MEMBERS)}")
        try:
            present, weights, bias = (model.arrays[name] for name in ("present", "weights", "bias"))
        except KeyError as error:
            raise ModelRefused(f"ensemble: it has no {error}") from None
        shape = (len(bias) if bias.ndim == 1 else -1, len(self.members))
        if present.shape != shape or weights.shape != shape or not shape[0] or (weights < 0).any():
            raise ModelRefused("ensemble: its weights are of the wrong shape, or below 0")
        if shape[0] > MOST_SETS:
            raise ModelRefused(
                f"ensemble: it has {shape[0]} sets of weights; members form {MOST_SETS} at most"
            )
        self._present = present.astype(bool)
        self._weights = np.where(self._present, weights, 0.0).astype(np.float64)
        self._bias = bias.astype(np.float64)

    def logits(self, inputs: Inputs) -> Array:
        """Calibrated log-odds; NaN where no set of weights fits the models that spoke."""
        row = self._row(inputs)
        said = np.nan_to_num(member_table(inputs, self.members))
        known = row >= 0
        total = self._bias[row] + (self._weights[row] * said).sum(axis=1)
        found: Array = np.where(known, total, np.nan)
        return found

    def contributions(self, inputs: Inputs) -> dict[str, Array]:
        """How much each member moves the log-odds; 0 where it did not speak."""
        row = self._row(inputs)
        said = np.nan_to_num(member_table(inputs, self.members))
        moved = np.where((row >= 0)[:, None], self._weights[row] * said, 0.0)
        return {name: moved[:, k] for k, name in enumerate(self.members)}

    def _row(self, inputs: Inputs) -> NDArray[np.intp]:
        """Which set of weights fits each candidate; -1 where none does."""
        spoke = np.isfinite(member_table(inputs, self.members))
        fits = (spoke[:, None, :] == self._present[None, :, :]).all(axis=2)
        return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)


def member_table(inputs: Inputs, members: tuple[str, ...]) -> Array:
    """What the members say, (n, members); NaN where one does not speak."""
    columns = []
    for name in members:
        if name == SIGNIFICANCE:
            snr = inputs.snr
            column = np.full(len(inputs), np.nan) if snr is None else np.log(np.maximum(np.abs(snr), 1e-3))
        else:
            column = inputs.log_odds.get(name, np.full(len(inputs), np.nan))
        columns.append(np.clip(column, -CLIPPED, CLIPPED))
    return np.stack(columns, axis=1) if columns else np.empty((len(inputs), 0))
