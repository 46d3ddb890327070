"""What tests of this task share: a small recipe, a small corpus of recordings, a way to call commands."""

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch

from reprise.core.params import parse_params
from reprise.deepfake.data.corpus import Corpus, starts_of
from reprise.deepfake.detector.baseline import STATISTICS, Baseline, save_baseline
from reprise.deepfake.detector.decision import Decision, Decisions, Published, write_decisions
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import save_detector
from reprise.deepfake.detector.windows import describe
from reprise.deepfake.explainer.model import ExplainerParams, make_explainer
from reprise.deepfake.explainer.model_file import publish_explainer, save_explainer
from reprise.deepfake.paths import DETECTOR
from reprise.deepfake.recipe import Recipe
from tests.conftest import TINY_WHISPER, WAV2VEC2_TINY, read_params
from tests.exported import call as call

# Both kinds of detector, for `tiny_recipe`: no weights of a package.
DETECTORS: dict[str, dict[str, Any]] = {"small": {}, "whisper": {"ssl_weights": False, "ssl_config": TINY_WHISPER}}


def tiny_recipe(name: str = "small", **changes: Any) -> Recipe:
    """One of the true recipes, made small, with changes."""
    params = copy.deepcopy(read_params())["deepfake"]
    small = {"embedding": 16, "encoders": 1, "heads": 2, "kernel": 5, "epochs": 2, "batch_size": 4, "average_best": 1}
    recipes = params["recipes"] | {"wav2vec2-tiny": WAV2VEC2_TINY}
    merged = params["train"] | recipes[name] | small | changes
    return parse_params(merged, Recipe, name)


def speech(seconds: float, seed: int) -> np.ndarray:
    """Noise that swells and fades, (N,) float32."""
    generator = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    swell = np.interp(np.arange(count), np.linspace(0, count, 12), generator.uniform(0.02, 1, 12))
    return (0.2 * swell * generator.standard_normal(count)).astype(np.float32)


def robot(natural: np.ndarray, seed: int = 0) -> np.ndarray:
    """A 'synthesis': the same course of loudness, with a hum for the noise."""
    generator = np.random.default_rng(seed)
    energy = np.sqrt(np.convolve(natural**2, np.ones(400) / 400, "same"))
    hum = np.sign(np.sin(2 * np.pi * generator.uniform(150, 250) * np.arange(len(natural)) / 16_000))
    return (energy * hum).astype(np.float32)


def make_corpus(count: int = 8, seconds: float = 1.2, seed: int = 0) -> Corpus:
    """`count` natural utterances and their syntheses, which know their twins."""
    natural = [speech(seconds, seed * 1000 + number) for number in range(count)]
    waveforms = natural + [robot(samples, number) for number, samples in enumerate(natural)]
    lengths = np.array([len(samples) for samples in waveforms])
    table = pd.DataFrame(
        {
            "utterance": [f"u{seed}-{number}" for number in range(2 * count)],
            "speaker": [f"s{seed}-{number % count}" for number in range(2 * count)],
            "attack": ["-"] * count + ["A01"] * count,
            "key": ["bonafide"] * count + ["spoof"] * count,
            "spoof": [False] * count + [True] * count,
            "twin": [-1] * count + list(range(count)),
            "start": starts_of(lengths),
            "samples": lengths,
        }
    )
    return Corpus(table, (np.concatenate(waveforms) * 32767).clip(-32768, 32767).astype(np.int16))


def write_recordings(folder: Path, corpus: Corpus, split: str) -> None:
    """Write a corpus as FLAC files and a protocol of ASVspoof 2019."""
    (folder / "flac").mkdir(parents=True, exist_ok=True)
    lines = []
    for row, entry in enumerate(corpus.table.itertuples()):
        soundfile.write(folder / "flac" / f"{entry.utterance}.flac", corpus.waveform(row), 16_000)
        lines.append(f"{entry.speaker} {entry.utterance} - {entry.attack} {entry.key}")
    (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")


FORMATS: dict[str, dict[str, Any]] = {
    "flac": {"format": "FLAC"},
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "float": {"format": "WAV", "subtype": "FLOAT"},
    "gsm": {"format": "WAV", "subtype": "GSM610"},
    "ima": {"format": "WAV", "subtype": "IMA_ADPCM"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
    "vbr": {"format": "MP3", "bitrate_mode": "VARIABLE"},
}


def encode(kind: str, samples: np.ndarray) -> bytes:
    """An audio file of samples (N,) at 16 kHz; GSM 6.10 is at 8 kHz."""
    content = io.BytesIO()
    rate = 8_000 if kind == "gsm" else 16_000
    soundfile.write(content, samples[:: 16_000 // rate], rate, **FORMATS[kind])
    return content.getvalue()


def write_models(recipe: Recipe, published: Published = "detector") -> None:
    """Write untrained models that fit each other to models/deepfake of the working folder."""
    torch.manual_seed(0)
    detector = Detector(recipe).eval()
    save_detector(DETECTOR, detector, recipe, 1)
    corpus = make_corpus(3)
    described = [describe(corpus.waveform(row), detector) for row in range(len(corpus))]
    params = ExplainerParams(**read_params()["deepfake"]["explainer"]["train"] | {"hidden": 16})
    save_explainer("learnable", make_explainer(params, "learnable", described, corpus.spoof), params, 1)
    publish_explainer("learnable")
    torch.manual_seed(1)
    baseline = Baseline(3)
    baseline.mean, baseline.vectors = (
        baseline.statistics(torch.from_numpy(speech(2, 9))[None])[0],
        torch.randn(3, STATISTICS),
    )
    baseline.gamma, baseline.weights = torch.tensor(1 / STATISTICS), torch.randn(3)
    save_baseline(baseline, 3.0, 0, 0)
    decision = Decision(threshold=0.1, scale=2.0, offset=-0.2)
    write_decisions(Decisions(published=published, detector=decision, baseline=decision, fused=decision))
