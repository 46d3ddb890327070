import numpy as np
import pytest
import torch
from scipy import signal
from scipy.fft import dct

from reprise.deepfake.detector.features import (
    FILTERS,
    FLOOR,
    HIGHEST,
    Cepstra,
    Filterbank,
    cosine_transform,
    deltas,
    deviation_over_time,
    linear_filters,
    power_spectrum,
    quantile_over_time,
    scale_loudness,
)
from tests.deepfake.helpers import speech

ENERGIES = torch.randn(2, 30, FILTERS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("length", [1, 2, 30])
@pytest.mark.parametrize("gradient", [False, True])
def test_quantiles_are_torchs(share, length, gradient):
    values = ENERGIES[:, :length].clone().requires_grad_(gradient)
    torch.testing.assert_close(quantile_over_time(values, share), torch.quantile(values, share, dim=1))


def test_deviations_are_torchs_and_have_a_gradient_where_nothing_varies():
    torch.testing.assert_close(deviation_over_time(ENERGIES), ENERGIES.std(1))
    constant = torch.ones(1, 4, 2, requires_grad=True)
    deviation_over_time(constant).sum().backward()
    assert constant.grad is not None
    assert constant.grad.abs().max() == 0


def test_power_is_scipys():
    samples = speech(0.5, 0).astype(np.float64)
    window = np.pad(signal.windows.hann(400, sym=False), 56)  # torch centres the window in the transform
    padded = np.pad(samples, 256)
    frames = [padded[start : start + 512] * window for start in range(0, len(samples) + 1, 160)]
    expected = np.abs(np.fft.rfft(np.stack(frames))) ** 2
    found = power_spectrum(torch.from_numpy(samples)[None].float())[0].numpy()
    assert found.shape == (len(samples) // 160 + 1, 257)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_filters_are_triangles_that_add_up_to_one_between_the_outer_peaks():
    filters = linear_filters()
    assert filters.shape == (257, 80)
    total = filters.sum(1)
    last = int(HIGHEST / 8000 * 256)
    inner = slice(int(257 / 81) + 2, last - int(257 / 81) - 2)
    assert torch.allclose(total[inner], torch.ones_like(total[inner]), atol=1e-4)
    assert (filters.argmax(0).diff() > 0).all()
    assert filters[last + 1 :].abs().sum() == 0


def test_a_filterbank_is_log_energy_without_its_mean_and_does_not_hear_gain():
    samples = torch.from_numpy(speech(0.5, 0))[None]
    bank = Filterbank("linear")
    expected = torch.log(power_spectrum(samples) @ linear_filters() + FLOOR)
    assert torch.allclose(bank(samples), expected - expected.mean(1, keepdim=True))
    scaled = bank(scale_loudness(samples)), bank(scale_loudness(0.1 * samples))
    assert torch.allclose(*scaled, atol=1e-3)
    assert scale_loudness(samples).square().mean().sqrt().item() == pytest.approx(0.06, rel=1e-4)


def test_cepstra_are_scipys_dct_and_deltas_are_slopes():
    expected = dct(ENERGIES.numpy(), type=2, norm="ortho", axis=-1)[..., :40]
    found = Cepstra()(ENERGIES)
    assert found.shape == (2, 30, 120)
    assert np.allclose(found[..., :40], expected, atol=1e-4)
    assert torch.allclose(cosine_transform().T @ cosine_transform(), torch.eye(40), atol=1e-5)
    ramp = torch.arange(10.0)[None, :, None] * 3
    assert torch.allclose(deltas(ramp)[:, 2:-2], torch.full((1, 6, 1), 3.0))
