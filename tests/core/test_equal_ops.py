"""Products, roots and logarithms against the same in float64, and what still takes the other way."""

import math

import numpy as np
import pytest
import torch

from reprise.core import kernels
from reprise.core.equal_ops import LEAST_WORK, use_equal_operations

pytestmark = pytest.mark.skipif(not kernels.can_pin(), reason="this processor lacks the kernels that are pinned")


@pytest.fixture(autouse=True)
def operations() -> None:
    assert kernels.pinned()  # by conftest; nothing is replaced otherwise
    use_equal_operations()


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("batch", "size", "bias"), [(2, 1, True), (2, 1, False), (1, 3, True)])
def test_convolutions_that_took_slow_products(layout, batch, size, bias):
    """In one thread: those of 1x1, and a single small image's."""
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, 16, 9, 8), (24, 16, size, size), (24,)
    values = [torch.randn(*shape, generator=generator) for shape in shapes[: 2 + bias]]
    results, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for dtype in (torch.float32, torch.float64):
            leaves = [value.to(dtype, copy=True) for value in values]
            leaves[0] = leaves[0].to(memory_format=layout)
            leaves = [leaf.requires_grad_() for leaf in leaves]
            y = torch.nn.functional.conv2d(leaves[0], leaves[1], leaves[2] if bias else None, padding=size // 2)
            results.append([y.detach(), *torch.autograd.grad(y.square().sum(), leaves)])
        x, w = (value.to(memory_format=layout) for value in values[:2])
        ops = ops_of(lambda: torch.nn.functional.conv2d(x, w, padding=size // 2))
    finally:
        torch.set_num_threads(threads)
    assert {"aten::_slow_conv2d_forward", "aten::mkldnn_convolution"} <= ops
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-3)
    assert results[0][0].is_contiguous(memory_format=layout)


def test_what_does_not_fit_is_refused_as_ever():
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.randn(60, 80) @ torch.randn(81, 90)


FUNCTIONS = {
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_every_layout_and_in_place(name):
    values = torch.rand(7, 8, 9, dtype=torch.float64)
    single = values.float()
    layouts = (single, single[:, ::2], single.transpose(0, 2), single[0, 0, 0], single[:0])
    for x in (values, *layouts):
        result, in_place = getattr(x, name)(), x.clone()
        expected = [FUNCTIONS[name](value) for value in x.flatten().tolist()]
        assert (result.dtype, result.shape) == (x.dtype, x.shape)
        # float32: rounded from float64, but for the logarithm, which is torch's
        tolerance = 1e-15 if x.dtype is torch.float64 else 2e-7 if name == "log" else 6e-8
        np.testing.assert_allclose(result.flatten().numpy(), expected, rtol=tolerance, atol=tolerance)
        assert getattr(in_place, f"{name}_")() is in_place
        assert torch.equal(in_place, result)
    assert torch.autograd.gradcheck(getattr(torch, name), (values[0, :3] * 0.9 + 0.05).requires_grad_())


def test_logarithms_of_edges_and_other_types():
    assert torch.tensor([0.0, 1.0, torch.inf]).log10().tolist() == [-torch.inf, 0.0, torch.inf]
    assert torch.tensor([-1.0, torch.nan]).log10().isnan().all()
    assert torch.tensor([10, 100]).log10().tolist() == [1.0, 2.0]
    assert torch.tensor([8.0], dtype=torch.bfloat16).log2_().item() == 3.0
    assert torch.tensor([1 + 0j]).log().dtype is torch.complex64


def test_a_power_of_one_half_is_a_root():
    x = torch.rand(50) * 9
    assert torch.equal(x**0.5, x.sqrt())
    assert torch.equal(x.clone().pow_(0.5), x.sqrt())
    assert (torch.tensor([4, 9]) ** 0.5).tolist() == [2.0, 3.0]
    assert (torch.tensor([4.0, -4.0]) ** complex(0.5)).dtype is torch.complex64
    assert (torch.tensor([4.0], dtype=torch.bfloat16) ** 0.5).dtype is torch.bfloat16
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.tensor([4, 9]).pow_(0.5)
    assert torch.tensor([2, 3]).pow(2).dtype is torch.int64
    torch.testing.assert_close(x**1.7, (x.double() ** 1.7).float())
    torch.testing.assert_close(x.clone().pow_(3), (x.double() ** 3).float())
    assert torch.autograd.gradcheck(lambda y: y**0.5, (x[:9].double() + 0.1).requires_grad_())


def test_roots_are_exact_in_every_layout():
    x = torch.rand(7, 8, 9, 10) * 9
    for values in (x, x.contiguous(memory_format=torch.channels_last), x[:, ::2], x.transpose(0, 3), x[0, 0, 0, 0]):
        root = values.sqrt()
        assert root.tolist() == np.sqrt(values.double().numpy()).astype(np.float32).tolist()
        assert root.dtype is torch.float32
        in_place = values.clone()
        assert in_place.sqrt_() is in_place
        assert torch.equal(in_place, root)
    assert x.contiguous(memory_format=torch.channels_last).sqrt().is_contiguous(memory_format=torch.channels_last)


def test_in_place_on_memory_that_overlaps_itself_is_refused_as_ever():
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.tensor(16.0).expand(3).sqrt_()


def test_logit():
    x = torch.rand(7, 9, dtype=torch.float64)
    expected = [math.log(value / (1 - value)) for value in x.flatten().tolist()]
    np.testing.assert_allclose(x.logit().flatten(), expected, rtol=1e-12)
    assert torch.equal(
        torch.logit(torch.tensor([0.0, 1.0], dtype=torch.float64), eps=0.25), x.new_tensor([1 / 3, 3]).log()
    )
    torch.testing.assert_close(x.float().logit(), x.logit().float())
    assert torch.autograd.gradcheck(torch.logit, (x[0] * 0.9 + 0.05).requires_grad_())


def test_roots_of_other_values_and_types():
    edges = torch.tensor([0.0, -0.0, -1.0, torch.inf, torch.nan, 4.0]).sqrt()
    assert edges.nan_to_num(-7).tolist() == [0.0, -0.0, -7.0, torch.finfo(torch.float32).max, -7.0, 2.0]
    assert torch.tensor([4, 9]).sqrt().tolist() == [2.0, 3.0]
    assert torch.tensor([4.0, 9.0], dtype=torch.bfloat16).sqrt().dtype is torch.bfloat16
    assert torch.tensor([-4.0 + 0j]).sqrt().tolist() == [2j]
    assert torch.tensor([4.0], dtype=torch.float16).sqrt_().item() == 2.0
    x = torch.rand(50, dtype=torch.float64).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(torch.sqrt, x)
