"""Which simulated fields are whose: no seed of what is learnt from is one of what is judged by.

A field follows from its seed alone, so each purpose has a family of seeds, and no two families meet,
whatever a user's ``--seed``. The families of ``--seed 1``, of which the models that came with AstrID were
made, are where they always were; those of other seeds lie beyond all that judges.
"""

from __future__ import annotations

BLOCK = 1_000_000  # seeds of a family: no more fields are drawn of it

UNET = range(BLOCK)  # the U-Net learns from these,
UNET_HELD_OUT = range(BLOCK, 2 * BLOCK)  # and its thresholds are chosen, and it is judged, by these
OWN_KIND = range(9_000_000, 10_000_000)  # the benchmarks judge by these what was trained on the like
JUDGING = range(2_000_000_000, 2_000_000_000 + BLOCK)  # and `astrid models evaluate` by these
_CANDIDATES_1, _CANDIDATES = 2_000_000, 5_000_000_000
_ENSEMBLE = 3_000_000_000


def of_unet(seed: int, fields: int) -> list[int]:
    """What the U-Net learns from; with the next ``--seed`` it is others, but for so many fields."""
    return [(seed * 100_000 + each) % BLOCK for each in range(fields)]


def of_candidates(seed: int, fields: int) -> range:
    """What the models of candidates learn from."""
    first = _CANDIDATES_1 if seed == 1 else _CANDIDATES + BLOCK * seed
    return range(first, first + fields)


def of_ensemble(seed: int, fields: int) -> range:
    """What the models are weighed on."""
    first = _ENSEMBLE + BLOCK * seed
    return range(first, first + fields)
