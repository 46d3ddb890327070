"""Error rates of the same recordings through codecs, noise, rooms and bands, each alone and all together."""

from collections.abc import Callable, Mapping

import numpy as np

from reprise.core.seed import derive_seed
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.quality.metrics import equal_error_rate

CODECS = ("mu_law", "a_law", "gsm", "mp3", "vorbis", "opus")

Score = Callable[[np.ndarray], float]  # samples (N,) -> score, high for natural speech


def choose_evenly(spoof: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw at most `count` rows, as many of both classes as there are."""
    generator = np.random.default_rng(derive_seed(seed, "robust"))
    rows = [generator.permutation(np.flatnonzero(spoof == label))[: count // 2] for label in (False, True)]
    return np.sort(np.concatenate(rows))


def through(kind: str, samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Send samples (N,) through a channel, or through a room, noise, a band and a random codec (`all`)."""
    chain = ("room", "noise", "band", str(generator.choice(CODECS))) if kind == "all" else (kind,)
    for name in chain:
        samples = CHANNELS[name](samples, generator)
    return samples


def robustness(
    corpus: Corpus, rows: np.ndarray, systems: Mapping[str, Score], seed: int
) -> dict[str, dict[str, float]]:
    """Equal error rate of each system on rows of a corpus: by kind (`clean`, each channel, `all`) and system.

    Nothing where no row is asked for. Every system hears the same samples.
    """
    spoof = corpus.spoof[rows]
    if not len(rows):
        return {}
    report = {}
    for kind in ("clean", *CHANNELS, "all"):
        scores: dict[str, list[float]] = {system: [] for system in systems}
        for row in rows.tolist():
            generator = np.random.default_rng(derive_seed(seed, "robust", kind, row))
            samples = corpus.waveform(row)
            heard = samples if kind == "clean" else through(kind, samples, generator)
            for system, score in systems.items():
                scores[system].append(score(heard))
        report[kind] = {system: equal_error_rate(np.array(values), spoof) for system, values in scores.items()}
    return report
