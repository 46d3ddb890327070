"""torch operations that give the same bytes on AMD and Intel, in place of MKL's, where the kernels are pinned.

MKL gives AMD and Intel the same bytes only on its slow path (`MKL_CBWR=COMPATIBLE`), and not everything there:

- Products of two matrices take 2.2 times as long. oneDNN's AVX2 kernels give both the same bytes at the speed of MKL's
  own: products of two float32 matrices go there, forward and backward. What is left to MKL (batches of small products,
  float64, FFT, exp, log, ...) costs less.
- With one thread, 1x1 convolutions of fewer than 16 images are such products, too, as in the parts in which frozen
  layers take a batch. They go to oneDNN, where larger batches go anyway. Their gradients stay with MKL.
- sqrt and powers of one half, log10, log2, log in float64, logit in float64, tan, asin, acos and atan start from the
  processor's approximate reciprocal or reciprocal root (RCPPS, RSQRTPS), which AMD and Intel round differently. Few
  results differ, of log10 three in a million; one such level of a spectrogram changed a whole training. numpy's
  functions do without these instructions. Unfused, AdamW takes a root for each weight.

Forms with `out=` are not replaced. `python -m tests.emulation.compare` names those of its operations that still execute
such an instruction.
"""

import functools
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from reprise.core import kernels

SINGLE, DOUBLE = torch.float32, torch.float64
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


def _pow(values: Tensor, exponent: float) -> Tensor:
    """Raise to a power (any shape, layout): one half is a square root, for which torch calls MKL's by itself."""
    if isinstance(exponent, float) and exponent == 0.5 and not values.is_complex():
        return torch.ops.aten.sqrt(values)
    kind = torch.result_type(values, exponent)
    return torch.ops.aten.pow.Tensor_Scalar_out(values, exponent, out=values.new_empty(0, dtype=kind))


def _pow_(values: Tensor, exponent: float) -> Tensor:
    """The same in place."""
    if isinstance(exponent, float) and exponent == 0.5 and values.is_floating_point():
        return torch.ops.aten.sqrt_(values)
    return torch.ops.aten.pow.Tensor_Scalar_out(values, exponent, out=values)


def _logit(values: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)) of any shape and layout, x between eps and 1 - eps."""
    if values.dtype is not DOUBLE:
        return torch.ops.aten.logit.out(values, eps, out=values.new_empty(0, dtype=_result_type(values.dtype)))
    values = values if eps is None else values.clamp(eps, 1 - eps)
    return (values / (1 - values)).log()


def _by_numpy(name: str, function: np.ufunc, types: tuple[torch.dtype, ...], wide: bool) -> None:
    """Replace an elementwise operation, and its form in place, by numpy's.

    Args:
        name: torch's, of the package `torch.ops.aten`.
        function: numpy's.
        types: of the tensors for which it is replaced, and integers with them; others go torch's way.
        wide: compute float32 in float64. numpy's functions, but for the root, are the C library's: in float64 its
            versions differ in the last bit at most, which the rounding to float32 hides nearly always.
    """
    torchs = getattr(torch.ops.aten, name).out

    def compute(values: np.ndarray, out: np.ndarray) -> None:
        with np.errstate(all="ignore"):  # NaN and infinity come out without a word, as torch's do
            function(values, out=out, dtype=np.float64 if wide else values.dtype, casting="same_kind")

    def replacement(values: Tensor) -> Tensor:
        """Any shape and layout, which the result shares."""
        if not values.is_floating_point() and not values.is_complex():
            values = values.to(_result_type(values.dtype))
        if values.dtype not in types:
            return torchs(values, out=values.new_empty(0, dtype=values.dtype))
        result = torch.empty_like(values)
        compute(values.detach().numpy(), result.numpy())
        return result

    def in_place(values: Tensor) -> Tensor:
        if values.dtype not in types or torch._debug_has_internal_overlap(values) == 1:  # torch says what is wrong
            return torchs(values, out=values)
        array = values.detach().numpy()
        compute(array, array)
        return values

    REPLACED[name], REPLACED[f"{name}_"] = replacement, in_place


def _result_type(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.get_default_dtype()


REPLACED: dict[str, Callable[..., Tensor]] = {
    "mm": _mm,
    "addmm": _addmm,
    "_slow_conv2d_forward": _slow_conv2d_forward,
    "pow.Tensor_Scalar": _pow,
    "pow_.Scalar": _pow_,
    "logit": _logit,
}
_by_numpy("sqrt", np.sqrt, (SINGLE, DOUBLE), wide=False)  # exact in either
_by_numpy("log", np.log, (DOUBLE,), wide=True)
for _name, _function in {
    "log10": np.log10,
    "log2": np.log2,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
}.items():
    _by_numpy(_name, _function, (SINGLE, DOUBLE), wide=True)
