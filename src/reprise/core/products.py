"""torch's matrix products on the CPU through oneDNN, where the kernels are pinned.

MKL gives AMD and Intel the same bytes only on its slow path (`MKL_CBWR=COMPATIBLE`): products take 2.2 times as long
there. oneDNN's AVX2 kernels give both the same bytes at the speed of MKL's own. So products of two float32 matrices go
there, forward and backward; what is left to MKL (batches of small products, other types, FFT, exp and log) costs less.
"""

import functools
import warnings

import torch
from torch import Tensor

from reprise.core import kernels

LEAST_WORK = 2**15  # multiplications from which on oneDNN pays for the way to it


@functools.cache  # once a process
def use_equal_products() -> None:
    """Replace torch's CPU kernels of `mm` and `addmm`, below autograd; nothing where the kernels are not pinned."""
    if not kernels.pinned() or not torch.backends.mkldnn.is_available():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a kernel is replaced, which is the purpose
        library.impl("mm", _mm, "CPU")
        library.impl("addmm", _addmm, "CPU")
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
