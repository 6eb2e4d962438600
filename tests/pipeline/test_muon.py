"""An optimiser whose steps along kernels are as large in every direction."""

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from pipeline.training.muon import STEP, Muon, orthogonal  # noqa: E402


@pytest.mark.parametrize("shape", [(8, 54), (24, 10)])
def test_what_a_step_goes_along_has_all_directions_of_the_gradient_alike(shape):
    torch.manual_seed(1)
    u, s, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    s = torch.logspace(0, -1.5, len(s))
    made = u.T @ orthogonal(u @ torch.diag(s) @ v) @ v.T
    values = torch.diagonal(made)
    assert 0.6 < values.min() < values.max() < 1.3
    assert (made - torch.diag(values)).abs().max() < 1e-4


def test_kernels_keep_their_length_and_turn_by_a_share_and_all_else_learns_by_adamw():
    torch.manual_seed(1)
    layer = torch.nn.Conv2d(6, 16, 3)
    before = layer.weight.detach().clone()
    bias = torch.nn.Parameter(layer.bias.detach().clone())
    plain, ours = (
        each([parameter], lr=1e-3, weight_decay=0.1)
        for each, parameter in ((torch.optim.AdamW, bias), (Muon, layer.bias))
    )
    kernels = Muon([layer.weight], lr=1e-3, weight_decay=0.1)
    for factor in (1.0, 1e4):  # how large a gradient is does not count
        layer.weight.grad = factor * torch.randn_like(layer.weight)
        bias.grad = layer.bias.grad = torch.randn_like(bias)
        for each in (plain, ours, kernels):
            each.step()
        torch.testing.assert_close(layer.bias, bias)
        length = layer.weight.norm().item()
        assert length == pytest.approx(before.norm().item(), rel=1e-4)
        turned = (layer.weight - before).norm().item() / length
        assert turned == pytest.approx(STEP * 1e-3, rel=0.2)
        before = layer.weight.detach().clone()
