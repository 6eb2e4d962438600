"""Small example sets whose answer is plain: point sources against dipoles and single pixels."""

import numpy as np

from pipeline.training.examples import Examples

SIDE = 63


def plain_examples(count: int, seed: int, name: str, confusing: float = 0.1) -> Examples:
    """Half real; this share of the real looks like a bogus, and of the bogus like a real."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < 0.5).astype(np.int8)
    looks = np.where(rng.random(count) < confusing, 1 - label, label)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    star = np.exp(-(x**2 + y**2) / (2 * 1.7**2))
    dipole = np.exp(-((x - 1.5) ** 2 + y**2) / 5) - np.exp(-((x + 1.5) ** 2 + y**2) / 5)
    height = np.exp(rng.uniform(np.log(4), np.log(20), count))
    shapes = np.where(looks[:, None, None] == 1, star, dipole) * height[:, None, None]
    new, ref = rng.normal(size=(2, count, SIDE, SIDE))
    diff = shapes + rng.normal(size=(count, SIDE, SIDE))
    fields = np.array([f"{name}-{i % 20}" for i in range(count)])
    return Examples(
        new=(new + shapes).astype(np.float16),
        ref=ref.astype(np.float16),
        diff=diff.astype(np.float16),
        label=label,
        kind=np.where(label == 1, "point", "dipole"),
        snr=(height * 2.5).astype(np.float32),
        snr_true=np.where(label == 1, height * 2.5, np.nan).astype(np.float32),
        group=np.array([f"{name}-object-{i}" for i in range(count)]),
        night=fields,
        field=fields,
        host=np.full(count, "none"),
        near_bright=np.zeros(count, bool),
        filter=np.full(count, "r"),
        instrument=np.full(count, "simulated"),
        cut=np.where(rng.random(count) < 0.2, "dipole", ""),
        source=np.full(count, "training"),
        host_offset=np.full(count, np.nan, dtype=np.float32),
    )
