"""Error rates of the same recordings through codecs, noise, rooms and bands, each alone and all together."""

from collections.abc import Callable

import numpy as np

from reprise.core.seed import derive_seed
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.quality.metrics import equal_error_rate

CODECS = ("mu_law", "a_law", "gsm", "mp3", "vorbis", "opus")

Score = Callable[[np.ndarray], dict[str, float]]  # samples (N,) -> scores by system, high for natural speech
Fuse = Callable[[np.ndarray, np.ndarray], np.ndarray]  # scores (N,) of detector and baseline -> (N,)


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


def robustness(corpus: Corpus, rows: np.ndarray, score: Score, fuse: Fuse, seed: int) -> dict[str, dict[str, float]]:
    """Equal error rate of each system on rows of a corpus: by kind (`clean`, each channel, `all`) and system.

    Nothing where no row is asked for. Every system hears the same samples.

    Args:
        corpus: the utterances.
        rows: those that are heard.
        score: by `detector` and `baseline`.
        fuse: makes the scores of `fused` of theirs.
        seed: of the channels.
    """
    spoof = corpus.spoof[rows]
    if not len(rows):
        return {}
    report = {}
    for kind in ("clean", *CHANNELS, "all"):
        found = []
        for row in rows.tolist():
            generator = np.random.default_rng(derive_seed(seed, "robust", kind, row))
            samples = corpus.waveform(row)
            found.append(score(samples if kind == "clean" else through(kind, samples, generator)))
        scores = {system: np.array([each[system] for each in found]) for system in ("detector", "baseline")}
        scores["fused"] = fuse(scores["detector"], scores["baseline"])
        report[kind] = {system: equal_error_rate(values, spoof) for system, values in scores.items()}
    return report
