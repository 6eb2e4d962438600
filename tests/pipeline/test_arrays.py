"""The two kinds of array that tiles are computed with agree."""

from dataclasses import replace

import numpy as np
import pytest

from core.settings import Settings
from core.vocabulary import ExitCode
from pipeline.subtraction.arrays import CudaArrays, DeviceMissing, arrays
from pipeline.subtraction.subtract import subtract
from pipeline.subtraction.tiles import centred
from tests.pipeline.devices import needs_cuda, needs_no_cuda
from tests.pipeline.pairs import make_pair

SHAPES = [(40, 64), (41, 63), (40, 63), (64, 41)]


DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [1, 9, 10])
def test_a_narrow_kernel_is_transformed_as_in_the_whole_image(device, shape, side):
    xp = arrays(device)
    stamp = np.random.default_rng(2).normal(size=(9, 9)).astype(np.float32)[:side, :side]
    whole = centred(stamp, shape)
    small = centred(stamp, (side, side))
    found = xp.irfft2(xp.rfft2_of_narrow(xp.array(small), shape), shape)
    np.testing.assert_allclose(xp.host(found), whole, rtol=0, atol=1e-5, equal_nan=False)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES)
def test_some_rows_of_an_image_are_those_of_the_whole(device, shape):
    xp = arrays(device)
    image = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    found = xp.irfft2(xp.rfft2(xp.array(image)), shape, slice(7, 30))
    np.testing.assert_allclose(xp.host(found), image[7:30], rtol=0, atol=1e-5, equal_nan=False)


@needs_no_cuda
def test_a_device_that_is_not_there_is_told_in_one_sentence():
    with pytest.raises(DeviceMissing, match=r"subtract\.device is 'cuda', and torch .*: .*say 'cpu'") as told:
        arrays("cuda")
    assert told.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("method", ["zogy", "classic"])
@pytest.mark.parametrize("where", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_both_kinds_of_array_find_the_same_difference(where, method, monkeypatch):
    """torch on the CPU stands in for it on a CUDA device, also where there is none.

    The sky is left in: which pixels its mesh clips, and by which formula a cell's mode is told, may hang on
    the last digit, and the frame's own processor makes it.
    """
    pytest.importorskip("torch")
    monkeypatch.setattr("pipeline.subtraction.subtract.left_sky", lambda data, bad: np.zeros_like(data))
    there = CudaArrays(where)
    new, reference, *_ = make_pair((280, 230), new={"fwhm": 3.5, "psf_gradient": 0.08})
    host = subtract(new, replace(reference, caches={}), Settings(), method)
    monkeypatch.setattr("pipeline.subtraction.subtract.arrays", lambda device: there)
    cuda = subtract(new, replace(reference, caches={}), Settings(), method)
    # Quantiles over few stars enlarge the rounding.
    np.testing.assert_allclose(cuda.score, host.score, rtol=0, atol=1e-3, equal_nan=False)
    np.testing.assert_allclose(cuda.flux_err, host.flux_err, rtol=1e-3, atol=1e-12, equal_nan=False)
    np.testing.assert_allclose(
        cuda.data, host.data, rtol=0, atol=1e-4 * float(np.abs(host.data).max()), equal_nan=False
    )
