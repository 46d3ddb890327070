"""From samples to frames: loudness, filterbanks, cepstra. All at 16 kHz, 25 ms windows every 10 ms."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.deepfake.data.audio import RATE

LOUDNESS = 0.06  # root mean square to which every piece is scaled
WINDOW, HOP, BINS = 400, 160, 512  # samples; samples; of the Fourier transform
FILTERS, CEPSTRA = 80, 40
HIGHEST = 8000.0  # hertz; what lies next to it tells of resampling, too: see docs/deepfake.md
FLOOR = 1e-7  # of a filter's energy, before the logarithm


def scale_loudness(samples: Tensor) -> Tensor:
    """Scale samples (B, N) to one root mean square."""
    return samples * (LOUDNESS / samples.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6))


def power_spectrum(samples: Tensor) -> Tensor:
    """Power (B, T, BINS / 2 + 1) of samples (B, N), with T = N // HOP + 1."""
    window = torch.hann_window(WINDOW, device=samples.device)
    spectrum = torch.stft(samples, BINS, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)


def linear_filters() -> Tensor:
    """Triangular filters on a linear scale of frequency, (BINS / 2 + 1, FILTERS)."""
    edges = torch.linspace(0, HIGHEST, FILTERS + 2)
    frequencies = torch.linspace(0, RATE / 2, BINS // 2 + 1)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


def mel_filters() -> Tensor:
    """Triangular filters on the mel scale, (BINS / 2 + 1, FILTERS)."""
    from transformers.audio_utils import mel_filter_bank

    return torch.from_numpy(mel_filter_bank(BINS // 2 + 1, FILTERS, 0.0, RATE / 2, RATE, mel_scale="htk")).float()


def cosine_transform() -> Tensor:
    """Orthonormal DCT-II from filters to cepstra, (FILTERS, CEPSTRA)."""
    n, k = torch.arange(FILTERS)[:, None], torch.arange(CEPSTRA)[None]
    basis = torch.cos(torch.pi / FILTERS * (n + 0.5) * k) * (2 / FILTERS) ** 0.5
    basis[:, 0] *= 0.5**0.5
    return basis


def deviation_over_time(values: Tensor) -> Tensor:
    """Standard deviation (B, C) of values (B, T, C) over time: `std`, whose kernel takes ten times as long here."""
    squares = (values - values.mean(1, keepdim=True)).square().sum(1)
    return (squares / (values.shape[1] - 1)).clamp(min=1e-12).sqrt()  # the root of 0 would have an infinite gradient


def quantile_over_time(values: Tensor, share: float) -> Tensor:
    """Quantile (B, C) of values (B, T, C) over time, interpolated, of a low share; ONNX has a sort, and no quantile."""
    if torch.compiler.is_exporting():
        lowest = values.sort(1).values  # how many are needed is known when the graph runs
    else:
        needed = min(int((values.shape[1] - 1) * share) + 3, values.shape[1])  # of which one guards against rounding
        lowest = lowest_over_time(values, needed)
    place = (torch.ones_like(values[0, :, 0]).sum() - 1) * share
    around = lowest.index_select(1, torch.stack([place.floor(), place.ceil()]).long())
    return around[:, 0] + (around[:, 1] - around[:, 0]) * (place - place.floor())


def lowest_over_time(values: Tensor, count: int) -> Tensor:
    """The lowest values (B, count, C) of values (B, T, C) over time, in ascending order."""
    if values.requires_grad or values.device.type != "cpu" or values.dtype is torch.bfloat16:  # not for numpy
        return values.topk(count, 1, largest=False).values
    parted = np.partition(values.numpy(), count - 1, axis=1)  # takes a fifth of topk's time
    return torch.from_numpy(np.sort(parted[:, :count], axis=1))


class Filterbank(nn.Module):
    """Logarithmic energies of triangular filters.

    Args:
        scale: `linear` or `mel`.
    """

    def __init__(self, scale: str) -> None:
        super().__init__()
        self.register_buffer("filters", linear_filters() if scale == "linear" else mel_filters(), persistent=False)
        self.filters: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N) -> (B, T, FILTERS) with T = N // HOP + 1 and each filter's mean over time removed."""
        energies = torch.log(power_spectrum(samples) @ self.filters + FLOOR)
        return energies - energies.mean(1, keepdim=True)


def deltas(features: Tensor) -> Tensor:
    """Slope over five frames of features (B, T, C), by least squares, as HTK and ASVspoof's baselines take it."""
    padded = F.pad(features.transpose(1, 2), (2, 2), mode="replicate")  # (B, C, T + 4)
    slope = (padded[..., 3:-1] - padded[..., 1:-3]) + 2 * (padded[..., 4:] - padded[..., :-4])
    return (slope / 10).transpose(1, 2)


class Cepstra(nn.Module):
    """Cepstra of a filterbank with two orders of deltas; LFCC on a linear one (Sahidullah et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", cosine_transform(), persistent=False)
        self.basis: Tensor

    def forward(self, energies: Tensor) -> Tensor:
        """(B, T, FILTERS) -> (B, T, 3 CEPSTRA)."""
        cepstra = energies @ self.basis
        first = deltas(cepstra)
        return torch.cat([cepstra, first, deltas(first)], -1)
