"""Whether a recording is like those that the detector learnt from, and what sets it apart.

A recording is described by its spectrum over time: for each of BANDS bands the mean level, the spread, and how far the
quiet moments lie below the mean. Its distance is the mean one to its NEAREST nearest training recordings, natural and
synthesised alike, each value in training deviations; it is unlike them from the dev recordings' QUANTILE on. Nothing
of the detector enters, so that the measure is the same for every recipe. docs/serving.md says what it notices.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reprise.core.code import hash_modules, versions
from reprise.core.files import fingerprint
from reprise.core.kept import kept_array
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, read_corpus
from reprise.deepfake.detector.copies import distort
from reprise.deepfake.detector.features import FILTERS, FLOOR, HIGHEST, linear_filters, power_spectrum, scale_loudness
from reprise.deepfake.paths import PREPARED
from reprise.tools.demo.work import Report

CACHE = Path(".cache/demo")
DESCRIBING = (  # the modules that make copies and describe them
    "reprise.core.seed",
    "reprise.deepfake.data.corpus",
    *(f"reprise.deepfake.detector.{name}" for name in ("channel", "copies", "features")),
    "reprise.tools.demo.familiarity",
)
BANDS = 40  # of 200 Hz
NEAREST = 5
QUANTILE = 0.99  # of the dev recordings' distances
QUIET = 0.05  # quantile of a band's levels that counts as its quiet moments
MISSING = 2.3  # natural logarithm of the power: 10 dB below the quietest training recordings
DECIBELS = 10 / np.log(10)
MOST_SECONDS = 60  # of a recording that are described; a long one is as alike in its first minute


@dataclasses.dataclass(frozen=True)
class Familiarity:
    """What training recordings are like.

    Attributes:
        described: (N, 3 BANDS) of the training recordings.
        threshold: distance from which on a recording is unlike them.
    """

    described: np.ndarray
    threshold: float

    def distance(self, description: np.ndarray) -> float:
        """Mean distance of a description (3 BANDS,) to the nearest training recordings, in training deviations."""
        return float(distances(description[None], self.described)[0])


def describe_sound(samples: np.ndarray) -> np.ndarray:
    """Describe samples (N,) at any loudness: mean, spread and depth of the quiet moments of each band, (3 BANDS,)."""
    piece = torch.from_numpy(np.ascontiguousarray(samples[: MOST_SECONDS * RATE], dtype=np.float32))[None]
    energies = torch.log(power_spectrum(scale_loudness(piece)) @ linear_filters() + FLOOR)[0].numpy()  # (T, FILTERS)
    levels = energies.reshape(len(energies), BANDS, FILTERS // BANDS).mean(2)  # (T, BANDS)
    mean = levels.mean(0)
    return np.concatenate([mean, levels.std(0), np.quantile(levels, QUIET, axis=0) - mean]).astype(np.float32)


def distances(descriptions: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Mean distances (M,) of descriptions (M, D) to the NEAREST rows of (N, D), in deviations of those."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(training)
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(training))).fit(scaler.transform(training))
    return nearest.kneighbors(scaler.transform(descriptions))[0].mean(axis=1) / np.sqrt(training.shape[1])


def open_familiarity(channel_copies: int, seed: int, report: Report, prepared: Path = PREPARED) -> Familiarity | None:
    """Describe the training recordings and find the threshold on dev, or read both from the cache.

    Args:
        channel_copies: of the detector's recipe; as many copies of each training recording went through channels.
        seed: of those copies.
        report: called after each recording.
        prepared: folder of the prepared splits.

    Returns:
        None where the recordings are not here, as beside models that were fetched alone.

    Raises:
        InputError: the recordings are damaged, or in part missing.
    """
    folders = [prepared / split for split in ("train", "dev")]
    if not all((folder / "manifest.parquet").is_file() for folder in folders):
        return None
    recordings = [folder / name for folder in folders for name in ("manifest.parquet", "audio.npy")]
    code = f"{hash_modules(*DESCRIBING)} {versions('numpy', 'scipy', 'torch')}"
    key = fingerprint(code, f"{channel_copies} {seed}", *recordings)[:24]
    training, dev = (
        described_corpus(CACHE / f"speech-{key}-{folder.name}.npy", folder, copies, seed, report)
        for folder, copies in zip(folders, (channel_copies, 0), strict=True)
    )
    return Familiarity(training, float(np.quantile(distances(dev, training), QUANTILE)))


def described_corpus(path: Path, folder: Path, copies: int, seed: int, report: Report) -> np.ndarray:
    """Descriptions (N (1 + copies), 3 BANDS) of a split's recordings and their copies, once."""

    def describe() -> np.ndarray:
        corpus = read_corpus(folder)
        rows = []
        for row in range(len(corpus)):
            report(row, len(corpus), f"listening to the {folder.name} recordings, once")
            rows += [describe_sound(samples) for samples in forms(corpus, row, copies, seed)]
        return np.stack(rows)

    return np.asarray(kept_array(path, describe))


def forms(corpus: Corpus, row: int, copies: int, seed: int) -> Sequence[np.ndarray]:
    """A recording (N,), and copies of it through random channels, as a detector's training makes them."""
    samples = corpus.waveform(row)
    generators = [np.random.default_rng(derive_seed(seed, "familiarity", row, number)) for number in range(copies)]
    return [samples, *(distort(samples, generator) for generator in generators)]


def compare_sound(samples: np.ndarray, familiarity: Familiarity) -> dict[str, Any]:
    """Say how far a recording is from the training recordings.

    Returns:
        `distance`, `threshold`, `unlike`, and then `reasons`, in words: what lies outside all that training had.
    """
    description = describe_sound(samples)
    distance = familiarity.distance(description)
    unlike = distance > familiarity.threshold
    return {
        "distance": round(distance, 3),
        "threshold": round(familiarity.threshold, 3),
        "unlike": unlike,
        "reasons": differences(description, familiarity.described) if unlike else [],
    }


def differences(description: np.ndarray, training: np.ndarray) -> list[str]:
    """Name what no training recording has: a band that is missing, noise in the quiet moments, silence in them.

    Args:
        description: (3 BANDS,) of a recording.
        training: (N, 3 BANDS).
    """
    mean, _, quiet = description.reshape(3, BANDS)
    means, _, quiets = training.reshape(len(training), 3, BANDS).transpose(1, 0, 2)
    lacking = mean < means.min(axis=0) - MISSING
    found = missing_bands(lacking)
    if lacking.all():
        return found
    # Bands that hold nothing have no quiet moments either.
    depth, depths = float(quiet[~lacking].mean()) * DECIBELS, quiets[:, ~lacking].mean(axis=1) * DECIBELS
    span = f"the training recordings': {-depths.max():.0f} to {-depths.min():.0f} dB"
    if depth > depths.max():
        found.append(f"steady noise: its quiet moments are {-depth:.0f} dB below the mean ({span})")
    if depth < depths.min():
        found.append(f"cut silences, as of a noise gate: quiet moments are {-depth:.0f} dB below the mean ({span})")
    return found


def missing_bands(lacking: np.ndarray) -> list[str]:
    """Words for a band limit, of bands (BANDS,) bool from low to high that hold next to nothing."""
    width = HIGHEST / BANDS / 1000  # kilohertz
    above = len(lacking) if not lacking[-1] else int(np.flatnonzero(~lacking).max(initial=-1)) + 1
    below = 0 if not lacking[0] else int(np.flatnonzero(~lacking).min(initial=len(lacking)))
    found = [f"next to nothing above {above * width:.1f} kHz"] if above < len(lacking) else []
    return found + ([f"next to nothing below {below * width:.1f} kHz"] if below else [])
