"""Products through oneDNN against the same in float64, and what still takes the other way."""

import pytest
import torch

from reprise.core import kernels
from reprise.core.products import LEAST_WORK, use_equal_products

pytestmark = pytest.mark.skipif(not kernels.pinned(), reason="the kernels are not pinned")


@pytest.fixture(autouse=True)
def products() -> None:
    use_equal_products()


def ops_of(function) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("rows", [1, 2, 70])
@pytest.mark.parametrize("outputs", [1, 3, 130])
@pytest.mark.parametrize("width", [3, 384])
def test_layer_and_its_gradients(rows, outputs, width):
    generator = torch.Generator().manual_seed(0)
    x, w, b = (torch.randn(*shape, generator=generator) for shape in ((rows, width), (outputs, width), (outputs,)))
    results = []
    for dtype in (torch.float32, torch.float64):
        leaves = [value.detach().to(dtype, copy=True).requires_grad_() for value in (x, w, b)]
        y = torch.nn.functional.linear(*leaves)
        y.square().sum().backward()
        results.append([y.detach(), *(leaf.grad for leaf in leaves)])
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-3)


def test_every_layout_gives_the_product():
    x, y = torch.randn(60, 80), torch.randn(80, 90)
    expected = (x.double() @ y.double()).float()
    wide = torch.randn(60, 160)
    wide[:, ::2] = x
    for left in (x, x.t().contiguous().t(), wide[:, ::2]):
        for right in (y, y.t().contiguous().t()):
            torch.testing.assert_close(left @ right, expected, rtol=1e-4, atol=1e-4)
    row = torch.randn(80)
    torch.testing.assert_close(x @ row.expand(90, 80).t(), (x @ row)[:, None].expand(60, 90), rtol=1e-4, atol=1e-4)


def test_scaled_sums_and_other_types():
    bias, x, y = torch.randn(90), torch.randn(60, 80), torch.randn(80, 90)
    torch.testing.assert_close(torch.addmm(bias, x, y, beta=0.5, alpha=2), 0.5 * bias + 2 * (x @ y))
    full = torch.randn(60, 90)
    torch.testing.assert_close(torch.addmm(full, x, y), full + x @ y)
    assert (x.double() @ y.double()).dtype is torch.float64
    assert (x[:0] @ y).shape == (0, 90)
    assert (x[:, :0] @ y[:0]).eq(0).all()


def test_large_products_take_onednn_and_small_ones_do_not():
    side = round(LEAST_WORK ** (1 / 3)) + 1
    x = torch.randn(side, side)
    assert "mkldnn::_linear_pointwise" in ops_of(lambda: x @ x)
    assert "mkldnn::_linear_pointwise" not in ops_of(lambda: x[:2] @ x)


def test_what_does_not_fit_is_refused_as_ever():
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.randn(60, 80) @ torch.randn(81, 90)
