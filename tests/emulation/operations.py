"""Operations whose bytes must be equal on every x86-64 processor, and the tool's inner half that hashes them.

    python -m tests.emulation.operations numpy torch        # one line of JSON: name -> SHA-256 of the result

Inputs are small fractions with few bits, drawn without any mathematical function, so that an operation that differs
spoils no other.
"""

import hashlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reprise.core import kernels

kernels.pin()  # before numpy is loaded

import numpy as np  # noqa: E402

from tests.emulation.approximations import END, mark  # noqa: E402

Arrays = Any  # an array, a tensor, bytes, or several of them
GROUPS: dict[str, dict[str, Callable[[], Arrays]]] = {}


def operation(group: str) -> Callable[[Callable[[], Arrays]], Callable[[], Arrays]]:
    """Put a function into a group, under its own name."""

    def add(function: Callable[[], Arrays]) -> Callable[[], Arrays]:
        GROUPS.setdefault(group, {})[function.__name__] = function
        return function

    return add


def fractions(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Float64 multiples of 2^-12 between `low` and `high`."""
    generator = np.random.default_rng(seed)
    return generator.integers(int(low * 4096), int(high * 4096), shape) / 4096


def floats(*shape: int, **options: Any) -> np.ndarray:
    return fractions(*shape, **options).astype(np.float32)


def tensor(*shape: int, **options: Any) -> Any:
    import torch

    return torch.from_numpy(floats(*shape, **options))


def digest(value: Arrays) -> str:
    """SHA-256 of the bytes of an array, a tensor, bytes, a number, or of several."""
    sha = hashlib.sha256()

    def add(part: Arrays) -> None:
        if isinstance(part, bytes):
            sha.update(part)
        elif isinstance(part, (list, tuple)):
            for inner in part:
                add(inner)
        elif hasattr(part, "detach"):
            add(part.detach().cpu().contiguous().numpy())
        else:
            array = np.ascontiguousarray(part)
            sha.update(f"{array.dtype} {array.shape}".encode())
            sha.update(array.tobytes())

    add(value)
    return sha.hexdigest()


# numpy ---------------------------------------------------------------------------------------------------------------


@operation("numpy")
def numpy_matmul_float32() -> Arrays:
    return floats(70, 900) @ floats(900, 130, seed=1), floats(400, 384) @ floats(384, 17, seed=1)


@operation("numpy")
def numpy_matmul_float64() -> Arrays:
    return fractions(70, 900) @ fractions(900, 130, seed=1)


@operation("numpy")
def numpy_one_row() -> Arrays:
    return floats(1, 900) @ floats(900, 130, seed=1), floats(900) @ floats(900, seed=1), floats(90, 900) @ floats(900)


@operation("numpy")
def numpy_gram() -> Arrays:
    x = floats(500, 60)
    return x.T @ x, np.cov(x.T), np.einsum("ij,ik->jk", x, x)


@operation("numpy")
def numpy_solve() -> Arrays:
    return np.linalg.solve(fractions(90, 90) + 50 * np.eye(90), fractions(90, 3)), np.linalg.inv(fractions(40, 40))


@operation("numpy")
def numpy_svd() -> Arrays:
    return np.linalg.svd(fractions(60, 40))


@operation("numpy")
def numpy_eigh_cholesky() -> Arrays:
    x = fractions(200, 50)
    return np.linalg.eigh(x.T @ x), np.linalg.cholesky(x.T @ x)


@operation("numpy")
def numpy_fft() -> Arrays:
    return np.fft.rfft(fractions(1000)), np.fft.irfft(np.fft.rfft(floats(512, 64))), np.fft.fft(fractions(331))


@operation("numpy")
def numpy_sums() -> Arrays:
    x = floats(301, 1003)
    return (
        x.sum(),
        x.sum(0),
        x.sum(1),
        x.mean(),
        x.std(0),
        x.var(),
        np.linalg.norm(x, axis=1),
        x.cumsum(),
        np.prod(x[0]),
    )


@operation("numpy")
def numpy_sums_float64() -> Arrays:
    x = fractions(301, 1003)
    return x.sum(), x.sum(0), x.sum(1), x.mean(), x.std(0), np.percentile(x, 37.0, axis=0), np.average(x, weights=x**2)


@operation("numpy")
def numpy_exp_log() -> Arrays:
    x, positive = fractions(4001), fractions(4001, low=0.001, high=4)
    single, single_positive = x.astype(np.float32), positive.astype(np.float32)
    return [
        f(v)
        for f, v in [
            (np.exp, x), (np.exp, single), (np.log, positive), (np.log, single_positive), (np.log1p, positive),
            (np.log1p, single_positive), (np.expm1, x), (np.expm1, single), (np.log10, positive), (np.log2, positive),
            (np.log10, single_positive), (np.log2, single_positive), (np.exp2, x), (np.exp2, single),
            (np.sqrt, positive), (np.cbrt, x), (np.cbrt, single),
        ]
    ]  # fmt: skip


@operation("numpy")
def numpy_trigonometry() -> Arrays:
    x = fractions(4001, low=-30, high=30)
    functions = (np.sin, np.cos, np.tan, np.tanh, np.arctan, np.sinh, np.cosh, np.arcsinh)
    inverse = [f(v) for f in (np.arcsin, np.arccos) for v in (x / 30, (x / 30).astype(np.float32))]
    return inverse, [f(v) for f in functions for v in (x, x.astype(np.float32))], np.arctan2(x, x[::-1])


@operation("numpy")
def numpy_power() -> Arrays:
    x = fractions(4001, low=0.001, high=4)
    single = x.astype(np.float32)
    return (
        *(np.power(256.0, x), np.power(x, 1.7), np.power(single, np.float32(1.7)), x**3, single**0.5, 10**x),
        *(np.logaddexp(0, x), np.hypot(x, 1), np.logaddexp(np.float32(0), single), np.arctan2(single, single[::-1])),
    )


@operation("numpy")
def numpy_complex() -> Arrays:
    x = fractions(2001) + 1j * fractions(2001, seed=1)
    return np.abs(x), np.exp(x), x * x[::-1], x / x[::-1], np.angle(x), np.abs(x.astype(np.complex64)), np.sqrt(x)


@operation("numpy")
def numpy_order() -> Arrays:
    """Sorting is exact, but the order of equal values is the algorithm's."""
    x = np.round(fractions(5003), 1)
    return (
        *(np.sort(x), np.argsort(x), np.argpartition(x, 50), np.partition(x, 50), np.argsort(x.astype(np.float32))),
        *(np.argsort((x * 10).astype(np.int32)), np.argpartition(-x.astype(np.float32), 9), np.unique(x), np.argmax(x)),
        *(np.sort(x.astype(np.float16)), np.argsort(x.astype(np.int64)), np.searchsorted(np.sort(x), x)),
    )


@operation("numpy")
def numpy_random() -> Arrays:
    generator = np.random.default_rng(5)
    return (
        *(
            generator.standard_normal(3000),
            generator.standard_normal(3000, dtype=np.float32),
            generator.uniform(size=99),
        ),
        *(generator.permutation(500), generator.choice(300, 90, replace=False), generator.gamma(2.5, size=500)),
        *(generator.beta(0.7, 2, size=500), generator.exponential(size=500), generator.poisson(3.3, 500)),
        *(
            generator.dirichlet(np.ones(9), 50),
            generator.choice(9, 99, p=np.arange(9) / 36),
            generator.lognormal(size=99),
        ),
        *(generator.vonmises(0, 3, 99), generator.triangular(0, 1, 3, 99), generator.laplace(size=99)),
    )


# scipy and scikit-learn -----------------------------------------------------------------------------------------------


@operation("scipy")
def scipy_filters() -> Arrays:
    from scipy import signal

    x = fractions(9001)
    sections = signal.butter(6, [300, 3400], "bandpass", fs=16000, output="sos")
    return (
        *(
            signal.sosfilt(sections, x),
            signal.lfilter([1.0], [1.0, -1.3, 0.7], x),
            signal.filtfilt([0.5, 0.5], [1.0], x),
        ),
        *(signal.firwin(101, 0.3), signal.firwin2(65, [0, 0.4, 1], [1, 0.5, 0]), signal.get_window("hann", 400)),
        *(signal.fftconvolve(x, x[:800]), signal.resample_poly(x, 3, 2), signal.resample(x, 6000), signal.hilbert(x)),
        *(
            signal.medfilt(x, 5),
            np.convolve(x, x[:300]),
            signal.stft(x, nperseg=512)[2],
            signal.istft(signal.stft(x)[2])[1],
        ),
        *(
            signal.freqz(sections[0, :3], sections[0, 3:])[1],
            signal.lfilter([1.0, 0.3], [1.0, -0.9], x.astype(np.float32)),
        ),
    )


@operation("scipy")
def scipy_linear_algebra() -> Arrays:
    from scipy import linalg

    x = fractions(120, 40)
    return (
        *(
            linalg.solve_toeplitz(fractions(30) + 20 * (np.arange(30) == 0), fractions(30)),
            linalg.lstsq(x, fractions(120))[0],
        ),
        *(
            linalg.cho_solve(linalg.cho_factor(x.T @ x), fractions(40)),
            linalg.toeplitz(x[:, 0]) @ x,
            linalg.eigvalsh(x.T @ x),
        ),
    )


@operation("scipy")
def scipy_functions() -> Arrays:
    from scipy import special, stats

    x = fractions(3001, low=0.01, high=9)
    return (
        *(
            special.expit(x),
            special.logsumexp(x),
            special.softmax(x.reshape(-1, 1)),
            special.log_softmax(x),
            special.erf(x),
        ),
        *(
            special.gammaln(x),
            special.ndtri(x / 10),
            special.logit(x / 10),
            special.iv(2, x),
            special.expit(x.astype(np.float32)),
        ),
        *(stats.norm.ppf(x / 10), stats.gaussian_kde(x[:400])(x[:100]), stats.spearmanr(x, x[::-1]).statistic),
        *(stats.binomtest(30, 90, 0.4).pvalue, stats.qmc.Sobol(3, rng=1).random(64)),
    )


@operation("scipy")
def scipy_sparse() -> Arrays:
    from scipy.sparse import csr_array

    x = csr_array(np.where(floats(200, 300) > 1, floats(200, 300, seed=1), 0))
    return (x @ floats(300, 20)), (x @ x.T).toarray(), x.sum(0), x.T @ floats(200)


@operation("scipy")
def scipy_optimise() -> Arrays:
    from scipy import optimize

    x, y = fractions(200, 5), fractions(200) > 0

    def loss(weights: np.ndarray) -> float:
        return float(np.logaddexp(0, -np.where(y, 1, -1) * (x @ weights)).mean() + 0.01 * weights @ weights)

    found = optimize.minimize(loss, np.zeros(5), method="L-BFGS-B")
    return found.x, optimize.minimize_scalar(lambda t: np.exp(t) - 2 * t, bounds=(0, 3), method="bounded").x


@operation("sklearn")
def sklearn_svm() -> Arrays:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x = fractions(150, 40)
    y = (x[:, :4].sum(1) > 0).astype(int)
    return make_pipeline(StandardScaler(), SVC(C=2.0)).fit(x, y).decision_function(fractions(60, 40, seed=3))


@operation("sklearn")
def sklearn_linear() -> Arrays:
    from sklearn.linear_model import LogisticRegression, Ridge

    x = fractions(150, 40)
    y = (x[:, :4].sum(1) > 0).astype(int)
    return Ridge().fit(x, x[:, 0] ** 2).coef_, LogisticRegression().fit(x, y).coef_


@operation("sklearn")
def sklearn_calibration() -> Arrays:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    x = fractions(150, 8)
    y = np.digitize(x[:, 0], [-1, 1])
    options = {"cv": 3, "method": "temperature"}
    return CalibratedClassifierCV(LogisticRegression(), **options).fit(x, y).predict_proba(x)


@operation("sklearn")
def sklearn_texts_and_neighbours() -> Arrays:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import mutual_info_score
    from sklearn.naive_bayes import ComplementNB
    from sklearn.neighbors import NearestNeighbors

    texts = [" ".join(f"w{n % 23} v{n * n % 31}" for n in range(start, start + 9)) for start in range(80)]
    table = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    classes = np.arange(80) % 4
    points = floats(300, 50)
    found = NearestNeighbors(n_neighbors=7, metric="cosine").fit(points).kneighbors(points[:70])
    euclidean = NearestNeighbors(n_neighbors=7).fit(points).kneighbors(points[:70])
    nb = ComplementNB().fit(table, classes).predict_log_proba(table)
    return table.toarray(), nb, found, euclidean, mutual_info_score(classes, nb.argmax(1))


@operation("sklearn")
def sklearn_curves() -> Arrays:
    from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score, roc_curve
    from sklearn.model_selection import StratifiedKFold

    y = np.arange(400) % 3 == 0
    score = fractions(400)
    folds = [test for _, test in StratifiedKFold(4, shuffle=True, random_state=3).split(score, y)]
    return *roc_curve(y, score), roc_auc_score(y, score), f1_score(y, score > 0), cohen_kappa_score(y, score > 0), folds


# torch ---------------------------------------------------------------------------------------------------------------


@operation("torch")
def torch_matmul() -> Arrays:
    return tensor(70, 900) @ tensor(900, 130, seed=1), tensor(300, 384) @ tensor(384, 1536, seed=1)


@operation("torch")
def torch_matmul_thin() -> Arrays:
    """Products with two to eight rows or columns, for which libraries have kernels of their own."""
    return [
        *(tensor(rows, 384) @ tensor(384, 200, seed=1) for rows in (2, 3, 5, 8)),
        *(tensor(200, 384) @ tensor(384, columns, seed=1) for columns in (2, 3, 5, 8)),
        *(tensor(rows, 3) @ tensor(3, 50, seed=1) for rows in (2, 70)),
    ]


@operation("torch")
def torch_matmul_float64() -> Arrays:
    return tensor(70, 900).double() @ tensor(900, 130, seed=1).double()


@operation("torch")
def torch_one_row() -> Arrays:
    return tensor(1, 900) @ tensor(900, 130, seed=1)


@operation("torch")
def torch_one_column() -> Arrays:
    return tensor(70, 900) @ tensor(900, 1, seed=1)


@operation("torch")
def torch_matrix_vector() -> Arrays:
    return tensor(70, 900) @ tensor(900, seed=1), tensor(900) @ tensor(900, 70, seed=1)


@operation("torch")
def torch_outer_product() -> Arrays:
    return tensor(70, 1) @ tensor(1, 90, seed=1)


@operation("torch")
def torch_dot() -> Arrays:
    return tensor(900) @ tensor(900, seed=1)


@operation("torch")
def torch_linear_one_row() -> Arrays:
    import torch

    return torch.nn.functional.linear(tensor(1, 384), tensor(70, 384, seed=1), tensor(70, seed=2))


@operation("torch")
def torch_linear_one_output() -> Arrays:
    import torch

    x, w = tensor(60, 384).requires_grad_(), tensor(1, 384, seed=1).requires_grad_()
    y = torch.nn.functional.linear(x, w, tensor(1, seed=2))
    y.square().sum().backward()
    return y, x.grad, w.grad


@operation("torch")
def torch_linear() -> Arrays:
    import torch

    x, w = tensor(60, 384).requires_grad_(), tensor(64, 384, seed=1).requires_grad_()
    b = tensor(64, seed=2).requires_grad_()
    y = torch.nn.functional.linear(x, w, b)
    y.square().sum().backward()
    return y, x.grad, w.grad, b.grad


@operation("torch")
def torch_batched_matmul() -> Arrays:
    return tensor(8, 30, 64) @ tensor(8, 64, 30, seed=1), tensor(96, 30, 32) @ tensor(96, 32, 30, seed=1)


@operation("torch")
def torch_batched_one_row() -> Arrays:
    return tensor(8, 1, 64) @ tensor(8, 64, 30, seed=1)


@operation("torch")
def torch_einsum() -> Arrays:
    import torch

    return torch.einsum("bij,bkj->bik", tensor(5, 30, 64), tensor(5, 9, 64)), torch.einsum(
        "ij,j->i", tensor(5, 64), tensor(64)
    )


@operation("torch")
def torch_sums() -> Arrays:
    x = tensor(301, 1003)
    return x.sum(), x.sum(0), x.sum(1), x.mean(), x.std(0), x.var(1), x.norm(dim=1), x.cumsum(1), x.norm(), x.prod(1)


@operation("torch")
def torch_softmax() -> Arrays:
    x = tensor(70, 133)
    return (
        x.softmax(-1),
        x.log_softmax(-1),
        x.softmax(0),
        x.double().softmax(-1),
        x.softmax(0),
        x.double().log_softmax(-1),
    )


@operation("torch")
def torch_logsumexp() -> Arrays:
    return tensor(70, 133).logsumexp(-1)


@operation("torch")
def torch_losses() -> Arrays:
    import torch
    from torch.nn import functional as F

    x = tensor(70, 13).requires_grad_()
    target = torch.arange(70) % 13
    binary = (tensor(70, 13, seed=1) > 0).float()
    loss = F.cross_entropy(x, target, label_smoothing=0.1) + F.binary_cross_entropy_with_logits(x, binary)
    (loss + F.mse_loss(x, binary) + F.smooth_l1_loss(x, binary) - F.logsigmoid(x).mean()).backward()
    return loss, x.grad


def _elementwise(function: Callable[[Any], Any], low: float = -9.0, high: float = 9.0) -> Arrays:
    x = tensor(5003, low=low, high=high)
    y = x.clone().requires_grad_()
    function(y).sum().backward()
    return (
        function(x),
        y.grad,
        function(x.double()),
        function(x[:7]),
        function(x[::3]),
        function(x[:5000].view(100, 50).T),
    )


ELEMENTWISE: dict[str, tuple[float, float]] = {
    "exp": (-9, 9), "exp2": (-9, 9), "expm1": (-9, 9), "log": (0.001, 9), "log1p": (0, 9), "log2": (0.001, 9),
    "log10": (0.001, 9), "sqrt": (0, 9), "rsqrt": (0.001, 9), "sin": (-20, 20), "cos": (-20, 20), "tan": (-1.5, 1.5),
    "asin": (-0.99, 0.99), "acos": (-0.99, 0.99), "atan": (-9, 9), "sinh": (-9, 9), "cosh": (-9, 9), "tanh": (-9, 9),
    "erf": (-4, 4), "erfc": (-4, 4), "erfinv": (-0.99, 0.99), "sigmoid": (-9, 9), "lgamma": (0.1, 9),
    "reciprocal": (0.1, 9), "trunc": (-9, 9),
}  # fmt: skip


def _add_elementwise(name: str, low: float, high: float) -> None:
    import functools

    def run() -> Arrays:
        import torch

        return _elementwise(getattr(torch, name), low, high)

    functools.update_wrapper(run, run)
    run.__name__ = f"torch_{name}"
    operation("torch")(run)


for _name, _range in ELEMENTWISE.items():
    _add_elementwise(_name, *_range)


@operation("torch")
def torch_pow() -> Arrays:
    import torch

    x = tensor(5003, low=0.01, high=4)
    return (
        x.pow(1.7),
        x.pow(3),
        x.pow(0.5),
        x.pow(x.flip(0)),
        2.0**x,
        x.square(),
        torch.atan2(x, x.flip(0)),
        x.pow(1 / 3),
        torch.arange(9) ** 0.5,
        torch.arange(1, 9).log10(),
    )


@operation("torch")
def torch_two_arguments() -> Arrays:
    import torch

    x, y = tensor(5003, low=0.01, high=4), tensor(5003, seed=1)
    return (
        torch.xlogy(x, x.flip(0)),
        torch.xlogy(1.0, x),
        torch.logaddexp(x, y),
        torch.hypot(x, y),
        torch.logit(x.double() / 5),
    )


@operation("torch")
def torch_activations() -> Arrays:
    from torch.nn import functional as F

    functions = (F.gelu, F.silu, F.softplus, F.hardswish, F.mish, F.elu, F.selu, F.leaky_relu, F.glu, F.logsigmoid)
    tanh_gelu = tensor(2001).requires_grad_()
    F.gelu(tanh_gelu, approximate="tanh").sum().backward()
    results: list[Any] = [tanh_gelu.grad]
    for function in functions:
        x = tensor(40, 50, low=-6, high=6).requires_grad_()
        y = function(x)
        y.sum().backward()
        results += [y, x.grad]
    return results


@operation("torch")
def torch_norms() -> Arrays:
    from torch.nn import functional as F

    results: list[Any] = []
    for function in (
        lambda x: F.layer_norm(x, (17,)),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.group_norm(x, 3),
        lambda x: F.normalize(x, dim=1),
    ):
        x = tensor(8, 12, 17, 17).requires_grad_()
        y = function(x)
        (y * y * y).sum().backward()
        results += [y, x.grad]
    for width in (384, 64, 5):
        x = tensor(30, width).requires_grad_()
        y = F.layer_norm(x, (width,), tensor(width, seed=1), tensor(width, seed=2))
        (y * y * y).sum().backward()
        results += [y, x.grad, F.normalize(x, dim=-1)]
    return results


def _convolution(memory_format: str) -> Arrays:
    import torch
    from torch.nn import functional as F

    results: list[Any] = []
    for shape, weight, options in (
        ((4, 3, 64, 64), (16, 3, 3, 3), {"stride": 2, "padding": 1}),
        ((4, 16, 32, 32), (16, 1, 3, 3), {"groups": 16, "padding": 1}),
        ((4, 16, 32, 32), (72, 16, 1, 1), {}),
        ((4, 72, 8, 8), (72, 1, 5, 5), {"groups": 72, "padding": 2, "stride": 2}),
        ((8, 64, 61, 1), (64, 1, 15, 1), {"groups": 64, "padding": (7, 0)}),
        ((4, 288, 4, 4), (48, 288, 1, 1), {}),
        ((4, 64, 1, 1), (16, 64, 1, 1), {}),
        ((4, 64, 14, 14), (64, 64, 3, 3), {"padding": 1}),
        ((2, 256, 7, 7), (512, 256, 3, 3), {"padding": 1}),
    ):
        layout = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}[memory_format]
        x = tensor(*shape).contiguous(memory_format=layout).requires_grad_()
        w = tensor(*weight, seed=1).contiguous(memory_format=layout).requires_grad_()
        y = F.conv2d(x, w, **options)
        (y * y).sum().backward()
        results += [y, x.grad, w.grad]
    return results


@operation("torch")
def torch_convolution_nchw() -> Arrays:
    return _convolution("nchw")


@operation("torch")
def torch_convolution_nhwc() -> Arrays:
    return _convolution("nhwc")


@operation("torch")
def torch_convolution_1d() -> Arrays:
    from torch.nn import functional as F

    results: list[Any] = []
    for shape, weight, options in (
        ((3, 60, 151), (64, 60, 3), {"padding": 1}),
        ((3, 64, 151), (64, 1, 15), {"groups": 64, "padding": 7}),
        ((3, 64, 151), (128, 64, 1), {}),
        ((3, 1, 4000), (8, 1, 251), {"stride": 4}),
        ((1, 1, 300), (1, 1, 11), {"padding": 5}),
    ):
        x, w = tensor(*shape).requires_grad_(), tensor(*weight, seed=1).requires_grad_()
        y = F.conv1d(x, w, **options)  # type: ignore[call-overload]
        (y * y).sum().backward()
        results += [y, x.grad, w.grad]
    return results


@operation("torch")
def torch_depthwise_convolution_that_learns() -> Arrays:
    """Gradients of wide filters as `documents.network.depthwise` takes them, a few columns at a time."""
    import torch
    from timm.layers import Conv2dSame
    from torch import nn

    from reprise.documents.network.depthwise import DepthwiseConvolution

    results: list[Any] = []
    for make, channels, size in (
        (nn.Conv2d(480, 480, 5, padding=2, groups=480, bias=False), 480, 10),
        (Conv2dSame(672, 672, 5, stride=2, groups=672, bias=False), 672, 10),
        (nn.Conv2d(96, 96, 7, padding=3, groups=96), 96, 14),
    ):
        make.load_state_dict({name: tensor(*weight.shape, seed=1) for name, weight in make.state_dict().items()})
        images = tensor(5, channels, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
        outputs = DepthwiseConvolution(make)(images)
        (outputs * outputs).sum().backward()
        results += [outputs, images.grad, *(weight.grad for weight in make.parameters())]
    return results


@operation("torch")
def torch_convolution_that_does_not_learn() -> Arrays:
    """Convolutions as `documents.network.convolutions` calls them: extended kernels, a ReLU within."""
    import torch
    from timm.layers import Conv2dSame
    from torch import nn

    from reprise.documents.network.convolutions import FixedConvolution

    results: list[Any] = []
    for make, channels, size in (
        (Conv2dSame(3, 16, 3, stride=2), 3, 64),
        (Conv2dSame(48, 48, 3, stride=2, groups=48), 48, 32),
        (Conv2dSame(72, 72, 5, stride=2, groups=72), 72, 16),
        (nn.Conv2d(16, 96, 1), 16, 32),
        (nn.Conv2d(96, 24, 1), 96, 8),
    ):
        state = {name: tensor(*weight.shape, seed=1) for name, weight in make.state_dict().items()}
        make.load_state_dict(state)
        make.requires_grad_(False)
        for relu in (None, nn.ReLU, nn.ReLU6):
            layer = FixedConvolution(make, (size, size), relu).to(memory_format=torch.channels_last)
            images = tensor(5, channels, size, size).contiguous(memory_format=torch.channels_last)
            assert layer.direct(images)
            results.append(layer(images))
    return results


@operation("torch")
def torch_pooling_and_resizing() -> Arrays:
    import torch
    from torch.nn import functional as F

    x = tensor(3, 5, 33, 37)
    theta = tensor(3, 2, 3)
    grid = F.affine_grid(theta, [3, 5, 33, 37], align_corners=False)
    return (
        *(F.avg_pool2d(x, 3), F.adaptive_avg_pool2d(x, 1), F.interpolate(x, (20, 50), mode="bilinear", antialias=True)),
        # not the vector kernel, which QEMU cannot run: see stages.py
        *(
            torch._grid_sampler_2d_cpu_fallback(x, grid, 0, 0, False),
            F.interpolate(x, (20, 50), mode="bicubic"),
            F.max_pool2d(x, 3),
        ),
        *(F.interpolate(x, (20, 50), mode="area"), F.avg_pool1d(x[0], 3), F.interpolate(x[0], 90, mode="linear")),
    )


@operation("torch")
def torch_fft() -> Arrays:
    import torch

    x = tensor(5, 4000)
    window = torch.hann_window(400)
    spectrum = torch.stft(x, 512, 160, 400, window, return_complex=True)
    back = torch.istft(spectrum, 512, 160, 400, window)
    parts = [torch.view_as_real(v) for v in (spectrum, torch.fft.rfft(x), torch.fft.fft(x[0, :331]))]
    power = spectrum.real.square() + spectrum.imag.square()
    return *parts, back, spectrum.abs(), power, window, spectrum.angle(), torch.view_as_real(spectrum.sgn())


@operation("torch")
def torch_linear_algebra() -> Arrays:
    import torch

    x = tensor(200, 40)
    return torch.linalg.solve(x.T @ x, x.T), torch.linalg.eigh(x.T @ x), torch.linalg.qr(x), torch.linalg.svdvals(x)


@operation("torch")
def torch_random() -> Arrays:
    import torch

    torch.manual_seed(3)
    return (
        *(torch.randn(2000), torch.randn(7), torch.rand(2000), torch.randperm(500), torch.empty(2000).exponential_()),
        *(
            torch.multinomial(torch.ones(50) / 50, 20),
            torch.bernoulli(torch.full((900,), 0.3)),
            torch.randint(9, (90,)),
        ),
        *(torch.nn.functional.dropout(torch.ones(2000), 0.2), torch.nn.init.trunc_normal_(torch.empty(900), std=0.02)),
        *(torch.nn.init.kaiming_normal_(torch.empty(30, 30)), torch.nn.init.orthogonal_(torch.empty(30, 20))),
    )


@operation("torch")
def torch_order() -> Arrays:
    import torch

    x = (tensor(50, 301) * 8).round() / 8
    return *x.sort(1), *x.topk(9, 1), x.argsort(1), *x.kthvalue(7, 1), *x.median(1), x.argmax(1), torch.unique(x)


@operation("torch")
def torch_gather_and_scatter() -> Arrays:
    import torch

    x = tensor(500, 30)
    rows = torch.arange(500) * 7 % 41
    sums = torch.zeros(41, 30).index_add_(0, rows, x)
    scattered = torch.zeros(41, 30).scatter_add_(0, rows[:, None].expand(-1, 30), x)
    weights = tensor(41, 30).requires_grad_()
    torch.nn.functional.embedding(rows, weights).square().sum().backward()
    sparse = torch.sparse_coo_tensor(torch.stack([rows, rows.flip(0)]), x[:, 0], (41, 41)).coalesce()
    return sums, scattered, weights.grad, torch.sparse.mm(sparse, tensor(41, 9)), sparse.values()


@operation("torch")
def torch_attention() -> Arrays:
    from torch.nn import functional as F

    q, k, v = (tensor(3, 4, 77, 32, seed=seed).requires_grad_() for seed in range(3))
    y = F.scaled_dot_product_attention(q, k, v)
    (y * y).sum().backward()
    mask = tensor(3, 1, 77, 77, seed=5) > -1
    masked = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    one_query = F.scaled_dot_product_attention(q[:, :, :1], k, v)
    return y, q.grad, k.grad, v.grad, masked, one_query


@operation("torch")
def torch_transformer_gradients() -> Arrays:
    import torch

    layer = torch.nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True, activation="gelu")
    _fill(layer)
    y = layer(tensor(3, 40, 64))
    (y * y).sum().backward()
    layer.eval()
    with torch.no_grad():
        fast = layer(tensor(3, 40, 64))
    return y, fast, [parameter.grad for parameter in layer.parameters()]


@operation("torch")
def torch_recurrent() -> Arrays:
    import torch

    layer = torch.nn.GRU(20, 30, batch_first=True)
    _fill(layer)
    y, _ = layer(tensor(3, 40, 20))
    y.square().sum().backward()
    return y, [parameter.grad for parameter in layer.parameters()]


@operation("torch")
def torch_optimisers() -> Arrays:
    import torch

    results: list[Any] = []
    for build in (
        lambda p: torch.optim.AdamW(p, 0.01),
        lambda p: torch.optim.AdamW(p, 0.01, foreach=False),
        lambda p: torch.optim.AdamW(p, 0.01, fused=True),
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.9),
    ):
        net = torch.nn.Sequential(torch.nn.Linear(30, 50), torch.nn.GELU(), torch.nn.Linear(50, 7))
        _fill(net)
        optimizer = build(net.parameters())
        for step in range(4):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(tensor(20, 30, seed=step)), torch.arange(20) % 7)
            loss.backward()
            results.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5))
            optimizer.step()
            results.append(loss)
        results += list(net.parameters())
    return results


def _fill(module: Any) -> None:
    """Give a module weights that no random generator and no function made."""
    import torch

    with torch.no_grad():
        for seed, (name, value) in enumerate(sorted(module.named_parameters())):
            scale = 1 / 2 ** round(np.log2(max(value.shape[-1], 1)) / 2 + 1)
            offset = 1.0 if value.ndim == 1 and name.endswith("weight") else 0.0
            value.copy_(tensor(*value.shape, seed=seed) * scale + offset)


@operation("control")
def torchs_own_logarithm() -> Arrays:
    """Not replaced: executes approximate instructions, and shows that they are found."""
    import torch

    x = tensor(5003, low=0.001, high=9)
    return torch.ops.aten.log10.out(x, out=torch.empty_like(x))


# networks ------------------------------------------------------------------------------------------------------------


def _train(net: Any, batches: Iterable[Any], loss_of: Callable[[Any], Any], lr: float = 1e-3) -> Arrays:
    import torch

    optimizer = torch.optim.AdamW(net.parameters(), lr)
    results: list[Any] = []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(net(batch) if not isinstance(batch, tuple) else net(*batch))
        loss.backward()
        optimizer.step()
        results.append(loss)
    return results, list(net.parameters()), list(net.buffers())


def _mobilenet(layout: str) -> Arrays:
    import timm
    import torch

    torch.manual_seed(0)
    net = timm.create_model("mobilenetv3_small_050", num_classes=17)
    memory_format = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}[layout]
    net = net.to(memory_format=memory_format)
    batches = (tensor(8, 3, 64, 64, seed=step).contiguous(memory_format=memory_format) for step in range(2))
    trained = _train(net, batches, lambda y: torch.nn.functional.cross_entropy(y, torch.arange(8)))
    net.eval()
    with torch.no_grad():
        return trained, net(tensor(5, 3, 64, 64)), net(tensor(1, 3, 64, 64))


@operation("networks")
def timm_mobilenetv3_nchw() -> Arrays:
    return _mobilenet("nchw")


@operation("networks")
def timm_mobilenetv3_nhwc() -> Arrays:
    return _mobilenet("nhwc")


@operation("networks")
def transformers_bert() -> Arrays:
    """A BERT of MiniLM's width, forward in batches as sentence encoders run it, then two steps of training."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=2, num_attention_heads=12, intermediate_size=1536, vocab_size=99
    )
    net = BertModel(config).eval()
    tokens = torch.arange(6 * 40).reshape(6, 40) % 99
    mask = (torch.arange(40) < torch.tensor([40, 33, 9, 3, 40, 1])[:, None]).long()
    with torch.no_grad():
        y = net(tokens, mask).last_hidden_state
        one = net(tokens[:1, :7]).last_hidden_state
        pooled = (y * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    trained = _train(net, [(tokens, mask)] * 2, lambda out: out.last_hidden_state.square().mean())
    return y, one, torch.nn.functional.normalize(pooled), trained


@operation("networks")
def graph_networks() -> Arrays:
    import torch
    from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv

    edges = torch.stack([torch.arange(60), (torch.arange(60) * 7 + 1) % 40])
    edges[0] %= 40
    results: list[Any] = []
    for layer in (
        GCNConv(384, 64), SAGEConv(384, 64), GATConv(384, 64), GINConv(torch.nn.Linear(384, 64)),
    ):  # fmt: skip
        _fill(layer)
        x = tensor(40, 384).requires_grad_()
        y = layer(x, edges)
        (y * y).sum().backward()
        results += [y, x.grad, [parameter.grad for parameter in layer.parameters()]]
    return results


# pictures and sounds -------------------------------------------------------------------------------------------------


def _picture() -> Any:
    from PIL import Image

    ramp = (np.add.outer(np.arange(230) * 5, np.arange(170) * 3) % 256).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (230, 170, 3), dtype=np.uint8) // 3
    return Image.fromarray((ramp[..., None] // 2 + noise).astype(np.uint8))


@operation("pictures")
def pillow_jpeg() -> Arrays:
    from PIL import Image

    results: list[Any] = []
    for options in (
        {"quality": 30},
        {"quality": 85},
        {"quality": 95, "subsampling": 0},
        {"quality": 60, "optimize": True},
    ):
        stream = io.BytesIO()
        _picture().save(stream, "JPEG", **options)
        results += [stream.getvalue(), np.asarray(Image.open(stream)), np.asarray(Image.open(stream).convert("L"))]
    return results


@operation("pictures")
def pillow_png_and_tiff() -> Arrays:
    results = []
    for kind in ("PNG", "TIFF", "WEBP", "GIF"):
        stream = io.BytesIO()
        _picture().save(stream, kind)
        results.append(stream.getvalue())
    return results


@operation("pictures")
def pillow_transforms() -> Arrays:
    from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

    page = _picture()
    drawn = page.copy()
    draw = ImageDraw.Draw(drawn)
    draw.text((9, 9), "Rechnung 2026", font=ImageFont.load_default(21), fill=(20, 30, 40))
    draw.ellipse((30, 40, 90, 120), outline=(200, 0, 0), width=3)
    draw.line((0, 0, 150, 99), fill=(9, 9, 9), width=2)
    resampling = Image.Resampling
    return [
        np.asarray(value)
        for value in (
            *(
                page.resize((97, 61), method)
                for method in (resampling.LANCZOS, resampling.BICUBIC, resampling.BILINEAR)
            ),
            *(
                page.resize((97, 61), resampling.BOX, reducing_gap=2.0),
                page.rotate(7.3, resampling.BICUBIC, expand=True),
            ),
            *(
                page.filter(ImageFilter.GaussianBlur(1.7)),
                page.filter(ImageFilter.UnsharpMask()),
                drawn,
                page.convert("HSV"),
            ),
            *(
                ImageEnhance.Contrast(page).enhance(1.3),
                ImageOps.autocontrast(page),
                page.convert("L"),
                page.quantize(16),
            ),
            page.transform(
                (200, 200), Image.Transform.PERSPECTIVE, (1, 0.1, 3, 0.05, 1, 2, 1e-4, 2e-4), resampling.BICUBIC
            ),
            page.transform((200, 200), Image.Transform.AFFINE, (1, 0.1, 3, 0.05, 1, 2), resampling.BILINEAR),
            page.resize((9, 8)).convert("F"),
        )
    ]


@operation("pictures")
def imagehash_perceptual() -> Arrays:
    import imagehash

    return imagehash.phash(_picture(), 16).hash, imagehash.dhash(_picture(), 16).hash


@operation("pictures")
def matplotlib_png() -> Arrays:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3))
    left, right = figure.subplots(1, 2)
    x = np.linspace(0, 9, 200)
    left.plot(x, np.sin(x), label="sine")
    left.fill_between(x, np.cos(x), alpha=0.3)
    left.set_title("Curves and text")
    left.legend()
    figure.colorbar(right.imshow(fractions(20, 30), cmap="viridis"))
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()


@operation("sounds")
def soundfile_flac() -> Arrays:
    import soundfile

    results: list[Any] = []
    wave = np.sin(np.arange(24000) * 0.05) * 0.4 + fractions(24000, low=-0.1, high=0.1)
    for kind, subtype in (("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("WAV", "PCM_16")):
        stream = io.BytesIO()
        soundfile.write(stream, wave, 16000, format=kind, subtype=subtype)
        stream.seek(0)
        results += [stream.getvalue(), soundfile.read(stream, dtype="float32")[0]]
    return results


@operation("sounds")
def rooms() -> Arrays:
    from reprise.deepfake.detector.channel import room_response

    return [room_response(np.random.default_rng(seed)) for seed in range(20)]


@operation("sounds")
def soxr_resampling() -> Arrays:
    import soxr

    x = floats(16000)
    return [soxr.resample(v, 16000, rate) for v in (x, x.astype(np.float64)) for rate in (8000, 22050, 48000)]


@operation("sounds")
def pyarrow_and_pandas() -> Arrays:
    import pandas as pd

    table = pd.DataFrame({"x": fractions(5001), "group": np.arange(5001) % 7, "text": ["some text"] * 5001})
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return (
        stream.getvalue(),
        table.groupby("group")["x"].mean(),
        table["x"].sum(),
        table["x"].std(),
        table.describe()["x"],
    )


def in_a_fork(function: Callable[[], Arrays]) -> str:
    """Run an operation in a process of its own, so that one which kills it spoils no other.

    Returns:
        The digest of its result, or how it ended.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, digest(function()).encode())
            os._exit(0)
        except BaseException:  # whatever it is, the child must not go on as a second parent
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as pipe:
        result = pipe.read()
    _, status = os.waitpid(child, 0)
    return result if status == 0 else f"failed with exit code {os.waitstatus_to_exitcode(status)}"


def main(names: Sequence[str]) -> dict[str, str]:
    """Run groups of operations, or single ones.

    Returns:
        Digest of each result by the operation's name; or how the operation failed.
    """
    from threadpoolctl import threadpool_limits

    wanted = {
        name: function
        for group, functions in GROUPS.items()
        for name, function in functions.items()
        if group in names or name in names
    }
    if any(GROUPS[group].keys() & wanted for group in ("torch", "networks")):
        from reprise.core.seed import use_deterministic_kernels

        use_deterministic_kernels(threads=1)
    with threadpool_limits(limits=1):
        results = {}
        for name, function in wanted.items():
            mark(name)
            results[name] = in_a_fork(function)
        mark(END)
        return results


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or list(GROUPS))))
