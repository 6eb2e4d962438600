"""One quantile, found without sorting, is that of NumPy; so are medians, found with it."""

import numpy as np
import pytest

from pipeline.quantile import medians, quantile


@pytest.mark.parametrize("count", [1, 2, 5, 1000, 1001])
@pytest.mark.parametrize("share", [0.0, 0.15866, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_quantile_lies_between_its_neighbours_as_numpy_puts_it(count, share, kind):
    values = np.random.default_rng(count).normal(size=count).astype(kind)
    assert np.isnan(quantile(values[:0], share))
    assert quantile(values, share) == pytest.approx(np.quantile(values.astype(float), share), rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_medians_are_those_of_the_columns(count):
    values = np.random.default_rng(count).normal(size=(count, 30))
    assert medians(values) == pytest.approx(np.median(values, axis=0), rel=1e-6)
