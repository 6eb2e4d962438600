"""The two kinds of array that tiles are computed with agree."""

from dataclasses import replace

import numpy as np
import pytest

from core.settings import Settings, SubtractSettings
from core.vocabulary import ExitCode
from pipeline.subtraction.arrays import DeviceMissing, arrays
from pipeline.subtraction.subtract import subtract
from pipeline.subtraction.tiles import centred
from tests.pipeline.pairs import make_pair

SHAPES = [(40, 64), (41, 63), (40, 63), (64, 41)]


def has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


needs_cuda = pytest.mark.skipif(not has_cuda(), reason="needs torch and a CUDA device")
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
    assert xp.host(found) == pytest.approx(whole, abs=1e-5)


@pytest.mark.skipif(has_cuda(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told_in_one_sentence():
    with pytest.raises(DeviceMissing, match=r"subtract\.device is 'cuda', and torch .*: .*say 'cpu'") as told:
        arrays("cuda")
    assert told.value.exit_code == ExitCode.UNAVAILABLE


@needs_cuda
@pytest.mark.parametrize("method", ["zogy", "classic"])
def test_both_devices_find_the_same_difference(method):
    new, reference, *_ = make_pair((400, 330), new={"fwhm": 3.5, "psf_gradient": 0.08})
    host, cuda = (
        subtract(new, replace(reference, caches={}), Settings(subtract=SubtractSettings(device=d)), method)
        for d in ("cpu", "cuda")
    )
    assert cuda.score == pytest.approx(host.score, abs=2e-3)
    assert cuda.flux_err == pytest.approx(host.flux_err, rel=1e-4)
    assert cuda.data == pytest.approx(host.data, abs=1e-3 * float(np.abs(host.data).max()))
