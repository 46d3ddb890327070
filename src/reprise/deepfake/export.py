"""The deepfake task's export: detector, baseline, decisions and explainers, and all of them as ONNX graphs."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.baseline import Baseline, PooledStatistics, load_baseline
from reprise.deepfake.detector.decision import read_decisions
from reprise.deepfake.detector.features import BINS, FLOOR, HOP, WINDOW, Filterbank
from reprise.deepfake.detector.frames import hear_precisely
from reprise.deepfake.detector.front_ends import WhisperFrontEnd
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.pieces import CHUNK_SECONDS, LENGTHS
from reprise.deepfake.detector.scoring import score_utterance
from reprise.deepfake.detector.whisper import BINS as WHISPER_BINS
from reprise.deepfake.detector.whisper import HOP as WHISPER_HOP
from reprise.deepfake.detector.whisper import LogMel
from reprise.deepfake.detector.windows import describe, joined
from reprise.deepfake.explainer.model import Explainer, importance_of
from reprise.deepfake.explainer.model_file import load_explainer, published_mode
from reprise.deepfake.onnx_models import BASELINE as BASELINE_GRAPH
from reprise.deepfake.onnx_models import DETECTOR as DETECTOR_GRAPH
from reprise.deepfake.onnx_models import JUDGE, LISTEN, OnnxModels, explainer_graph
from reprise.deepfake.paths import BASELINE, DECISION, DETECTOR, EXPLAINER, MODES, Mode, explainer_path
from reprise.deepfake.recipe import Recipe
from reprise.onnx.graphs import Agreement, Contents, Graph, Pretrained, timed

LEAST, MOST = min(LENGTHS), CHUNK_SECONDS  # seconds of a piece
HEARD = "samples at 16 kHz, mono, in [-1, 1]; the Fourier transform is in the graph, as a convolution"

EXAMPLE = """import json

import numpy as np
import onnxruntime
import soundfile

about = json.load(open("onnx/prediction.json"))
samples, rate = soundfile.read("call.wav", dtype="float32", always_2d=True)
assert rate == 16_000 and 0.4 <= len(samples) / rate <= 8, "resample other rates, and cut longer recordings"
given = samples.mean(1)[None]
by_baseline = onnxruntime.InferenceSession("onnx/baseline.onnx").run(["scores"], {"samples": given})[0][0]
if about["framed"]:
    given = onnxruntime.InferenceSession("onnx/listen.onnx").run(["frames"], {"samples": given})[0]
detector = onnxruntime.InferenceSession("onnx/judge.onnx" if about["framed"] else "onnx/detector.onnx")
score = -detector.run(["logits"], {detector.get_inputs()[0].name: given})[0][0]
decisions = about["decisions"]
ratio = lambda system, score: decisions[system]["scale"] * score + decisions[system]["offset"]
if decisions["published"] == "fused":
    score = (ratio("detector", score) + ratio("baseline", by_baseline)) / 2
print("spoof" if score < decisions[decisions["published"]]["threshold"] else "bonafide")
print("probability of a spoof", 1 / (1 + np.exp(ratio(decisions["published"], score))))
"""


def contents(models: Path) -> Contents:
    """Gather what prediction needs.

    Raises:
        InputError: a model is missing or damaged.
    """
    detector, recipe = load_detector(models / DETECTOR.name)
    baseline, decisions = load_baseline(models / BASELINE.name), read_decisions(models / DECISION.name)
    explainers = {mode: load_explainer(mode, models) for mode in MODES if explainer_path(mode, models).exists()}
    if not explainers:
        raise InputError(f"{explainer_path(MODES[-1], models)}: no such file; run `dvc repro`")
    published = published_mode(models)
    names = [DETECTOR.name, BASELINE.name, DECISION.name, EXPLAINER]
    paths = [*(models / name for name in names), *(explainer_path(mode, models) for mode in explainers)]
    return Contents(
        files={path.relative_to(models).as_posix(): path for path in paths},
        recipe=recipe.model_dump(mode="json"),
        pretrained=pretrained_of(recipe),
        graphs=lambda: graphs_of(detector, baseline, explainers),
        description={
            "task": "deepfake",
            "framed": detector.framed,
            "modes": list(explainers),
            "published": published,
            "decisions": decisions.model_dump(),
        },
        agreement=lambda folder, count, seed: compare(detector, baseline, explainers, folder, count, seed),
        onnx_input=HEARD,
        onnx_example=EXAMPLE,
    )


def pretrained_of(recipe: Recipe) -> list[Pretrained]:
    """The speech encoder; none where there is none, or its weights were random."""
    if recipe.front_end not in ("ssl", "whisper") or not recipe.ssl_weights:
        return []
    part = "speech encoder, trained further" if recipe.ssl_trained else "speech encoder, unchanged"
    return [Pretrained(recipe.ssl_model, part)]


def fourier_kernel(window: int, bins: int) -> Tensor:
    """Convolution kernel (2 (bins / 2 + 1), 1, window) of real and imaginary parts, under a Hann window."""
    times = torch.arange(window, dtype=torch.float64)
    angles = 2 * torch.pi / bins * torch.arange(bins // 2 + 1, dtype=torch.float64)[:, None] * times
    hann = torch.hann_window(window, dtype=torch.float64)
    return torch.cat([torch.cos(angles) * hann, torch.sin(angles) * hann]).float()[:, None]


def power_by_convolution(samples: Tensor, kernel: Tensor, hop: int, padding: str) -> Tensor:
    """Power (B, bins / 2 + 1, T) of samples (B, N), as of a centred torch.stft, which ONNX lacks with these windows."""
    around = kernel.shape[-1] // 2
    padded = F.pad(samples[:, None], (around, around), mode=padding)
    real, imaginary = F.conv1d(padded, kernel, stride=hop).chunk(2, 1)
    return real.square() + imaginary.square()


class ExportableFilterbank(nn.Module):
    """`Filterbank` with the Fourier transform as a convolution."""

    def __init__(self, filterbank: Filterbank) -> None:
        super().__init__()
        self.register_buffer("filters", filterbank.filters)
        self.register_buffer("kernel", fourier_kernel(WINDOW, BINS))
        self.filters: Tensor
        self.kernel: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, T, FILTERS)."""
        power = power_by_convolution(samples, self.kernel, HOP, "constant").transpose(1, 2)
        energies = torch.log(power @ self.filters + FLOOR)
        return energies - energies.mean(1, keepdim=True)


class ExportableLogMel(nn.Module):
    """`LogMel` with the Fourier transform as a convolution."""

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.register_buffer("bank", log_mel.bank)
        self.register_buffer("kernel", fourier_kernel(WHISPER_BINS, WHISPER_BINS))
        self.bank: Tensor
        self.kernel: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, filters, N // HOP)."""
        power = power_by_convolution(samples, self.kernel, WHISPER_HOP, "reflect")[..., :-1]
        levels = (self.bank.T @ power).clamp(min=1e-10).log10()
        levels = torch.maximum(levels, levels.amax((1, 2), keepdim=True) - 8.0)
        return (levels + 4.0) / 4.0


class ExportablePooledStatistics(PooledStatistics):
    """`PooledStatistics` with the Fourier transform as a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", fourier_kernel(WINDOW, BINS))
        self.kernel: Tensor

    def power(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, T, BINS / 2 + 1)."""
        return power_by_convolution(samples, self.kernel, HOP, "constant").transpose(1, 2)


def exportable(detector: Detector) -> Detector:
    """Copy a detector with its Fourier transforms, which ONNX cannot express, as convolutions."""
    detector = copy.deepcopy(detector)
    detector.filterbank = ExportableFilterbank(detector.filterbank)  # type: ignore[assignment]
    if isinstance(detector.front_end, WhisperFrontEnd):
        detector.front_end.log_mel = ExportableLogMel(detector.front_end.log_mel)  # type: ignore[assignment]
    return detector.eval()


def exportable_baseline(baseline: Baseline) -> Baseline:
    """Copy a baseline, with the Fourier transform as a convolution."""
    baseline = copy.deepcopy(baseline)
    baseline.statistics = ExportablePooledStatistics()
    return baseline.eval()


class Samples(nn.Module):
    """Samples (B, N) -> logits (B,), vectors (B, V)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Judge whole pieces."""
        output = self.detector(samples)
        return output.logits, output.vectors


class Listen(nn.Module):
    """Samples (1, N) -> frames (1, M, C) of `condense`."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, samples: Tensor) -> Tensor:
        """Hear a chunk."""
        return self.detector.condense(self.detector.listen(samples))


class Judge(nn.Module):
    """Frames (B, M, C) -> logits (B,), vectors (B, V)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Judge slices of what was heard."""
        output = self.detector.judge(frames)
        return output.logits, output.vectors


class Importance(nn.Module):
    """Windows (M, W, V + 1) of one recording -> importance (M,)."""

    def __init__(self, explainer: Explainer) -> None:
        super().__init__()
        self.explainer = explainer

    def forward(self, windows: Tensor) -> Tensor:
        """Explain a recording."""
        present = torch.ones_like(windows[None, :, 0, 0], dtype=torch.bool)
        return self.explainer(windows[None], present).importance[0]


def graphs_of(detector: Detector, baseline: Baseline, explainers: dict[Mode, Explainer]) -> list[Graph]:
    """The graphs of a detector of either kind, of the baseline, and one for each explainer."""
    replaced = exportable(detector)
    least, most = int(LEAST * RATE), int(MOST * RATE) + 1
    samples = 0.1 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    outputs = ["logits", "vectors"]
    if detector.framed:
        frames = detector.condense(detector.listen(samples))
        piece = {0: ("batch", 1, None), 1: ("pieces", 4, None)}
        graphs = [
            Graph(
                LISTEN,
                Listen(replaced),
                {"samples": samples[:1]},
                {"samples": {1: ("length", least, most)}},
                ["frames"],
            ),
            Graph(JUDGE, Judge(replaced), {"frames": frames}, {"frames": piece}, outputs),
        ]
        described = joined(detector.judge(frames))
    else:
        sizes = {0: ("batch", 1, None), 1: ("length", least, most)}
        graphs = [Graph(DETECTOR_GRAPH, Samples(replaced), {"samples": samples}, {"samples": sizes}, outputs)]
        described = joined(detector(samples))
    whole = {"samples": {1: ("length", least, None)}}
    graphs.append(
        Graph(BASELINE_GRAPH, exportable_baseline(baseline), {"samples": samples[:1]}, whole, ["scores"])  # any length
    )
    windows = torch.zeros(5, len(LENGTHS), described.shape[1])
    moments = {"windows": {0: ("moments", 1, None)}}
    return graphs + [
        Graph(explainer_graph(mode), Importance(explainer), {"windows": windows}, moments, ["importance"])
        for mode, explainer in explainers.items()
    ]


def compare(
    detector: Detector,
    baseline: Baseline,
    explainers: dict[Mode, Explainer],
    folder: Path,
    count: int,
    seed: int,
) -> Agreement:
    """Compare the ONNX graphs of a folder with torch on swelling noise: scores, and the last explainer's importance."""
    mode = list(explainers)[-1]
    recordings = [random_recording(np.random.default_rng([seed, number])) for number in range(count)]
    onnx = OnnxModels(folder, mode, threads=1)

    def by_torch() -> list[tuple[tuple[float, float], np.ndarray]]:
        return [
            (
                (score_utterance(samples, detector, listen=hear_precisely), baseline.score(samples)),
                importance_of(explainers[mode], describe(samples, detector, listen=hear_precisely), len(samples)),
            )
            for samples in recordings
        ]

    expected, torch_seconds = timed(by_torch)
    found, onnx_seconds = timed(lambda: [onnx.hear(samples) for samples in recordings])
    difference = max(
        max(float(np.abs(np.subtract(scores, others)).max()), float(np.abs(curve - same).max()))
        for (scores, curve), (others, same) in zip(expected, found, strict=True)
    )
    return Agreement(count, difference, torch_seconds, onnx_seconds)


def random_recording(generator: np.random.Generator) -> np.ndarray:
    """Noise and a hum that swell and fade, (N,) float32, of 0.1 to 12 s, mostly short."""
    length = int(np.exp(generator.uniform(np.log(0.1), np.log(12))) * RATE)
    swell = np.interp(np.arange(length), np.linspace(0, length, 12), generator.uniform(0.02, 1, 12))
    hum = np.sign(np.sin(2 * np.pi * generator.uniform(90, 250) * np.arange(length) / RATE))
    mixed = swell * (0.2 * generator.standard_normal(length) + generator.uniform(0, 0.3) * hum)
    return mixed.astype(np.float32)
