"""torch operations that give the same bytes on AMD and Intel, in place of MKL's, where the kernels are pinned.

MKL gives AMD and Intel the same bytes only on its slow path (`MKL_CBWR=COMPATIBLE`), and not everything there:

- Products of two matrices take 2.2 times as long. oneDNN's AVX2 kernels give both the same bytes at the speed of MKL's
  own: products of two float32 matrices go there, forward and backward. What is left to MKL (batches of small products,
  float64, FFT, exp, log, ...) costs less.
- With one thread, 1x1 convolutions of fewer than 16 images are such products, too, as in the parts in which frozen
  layers take a batch. They go to oneDNN, where larger batches go anyway. Their gradients stay with MKL.
- Square roots start from the processor's approximate reciprocal root, which AMD and Intel round differently: AdamW
  takes one for each weight. numpy's are exact. MKL's tan, atan and acos do the same, and are left: nothing here uses
  them.
"""

import functools
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from reprise.core import kernels

LEAST_WORK = 2**15  # multiplications; for fewer, the way to oneDNN takes longer than it saves


@functools.cache  # once a process
def use_equal_operations() -> None:
    """Replace torch's CPU kernels of the operations below, under autograd; nothing where the kernels are not pinned."""
    if not kernels.pinned() or not torch.backends.mkldnn.is_available():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a kernel is replaced, which is the purpose
        for name, function in REPLACED.items():
            library.impl(name, function, "CPU")
    _libraries.append(library)


_libraries: list[torch.library.Library] = []  # a library that is collected takes its kernels back


def _mm(left: Tensor, right: Tensor) -> Tensor:
    """(N, K) @ (K, M) -> (N, M)."""
    if _suits(left, right):
        return _product(left, right, None)
    return torch.ops.aten.mm.out(left, right, out=left.new_empty(left.shape[0], right.shape[1]))


def _addmm(bias: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Compute beta * bias + alpha * (N, K) @ (K, M) -> (N, M)."""
    if beta == alpha == 1 and bias.shape == right.shape[1:] and bias.dtype is left.dtype and _suits(left, right):
        return _product(left, right, bias)
    out = left.new_empty(left.shape[0], right.shape[1])
    return torch.ops.aten.addmm.out(bias, left, right, beta=beta, alpha=alpha, out=out)


def _suits(left: Tensor, right: Tensor) -> bool:
    return (
        left.dtype is right.dtype is torch.float32
        and left.dim() == right.dim() == 2
        and left.shape[1] == right.shape[0]  # else MKL's way, which says what is wrong
        and left.shape[0] * right.numel() >= LEAST_WORK
    )


def _product(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    # A linear layer's op, which multiplies by the transpose of what it takes for the weights.
    product: Tensor = torch.ops.mkldnn._linear_pointwise(_dense(left), _dense(right.t()), bias, "none", [], "")
    return product


def _dense(matrix: Tensor) -> Tensor:
    """The matrix itself where its rows or its columns lie one after the other in memory; else a copy."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


def _slow_conv2d_forward(
    images: Tensor,
    weight: Tensor,
    kernel_size: Sequence[int],
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
) -> Tensor:
    """Convolve (B, C, H, W) with (C', C, kernel_size) -> (B, C', H', W')."""
    if images.dtype is weight.dtype is torch.float32 and images.numel() and images.dim() == 4:
        return torch.mkldnn_convolution(images, weight, bias, padding, stride, (1, 1), 1)
    out = images.new_empty(0)
    return torch.ops.aten._slow_conv2d_forward.output(images, weight, kernel_size, bias, stride, padding, output=out)


def _sqrt(values: Tensor) -> Tensor:
    """Any shape and layout, which the result shares."""
    if values.dtype not in (torch.float32, torch.float64):
        return torch.ops.aten.sqrt.out(values, out=values.new_empty(0, dtype=_root_type(values.dtype)))
    with np.errstate(invalid="ignore"):  # NaN of negative numbers
        return torch.from_numpy(np.asarray(np.sqrt(values.detach().numpy())))


def _sqrt_(values: Tensor) -> Tensor:
    """The same in place."""
    if values.dtype not in (torch.float32, torch.float64):
        return torch.ops.aten.sqrt.out(values, out=values)
    array = values.detach().numpy()
    with np.errstate(invalid="ignore"):
        np.sqrt(array, out=array)
    return values


def _root_type(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.get_default_dtype()


REPLACED: dict[str, Callable[..., Tensor]] = {
    "mm": _mm,
    "addmm": _addmm,
    "_slow_conv2d_forward": _slow_conv2d_forward,
    "sqrt": _sqrt,
    "sqrt_": _sqrt_,
}
