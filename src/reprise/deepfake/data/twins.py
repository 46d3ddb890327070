"""Natural utterances and the syntheses made of them, found by ear.

Copy-synthesis keeps the timing: a spoof whose length and course of loudness are those of a natural utterance was made
of it. Such pairs teach a detector what synthesis adds, apart from voice and words, and give partial spoofs with known
places.
"""

import numpy as np

from reprise.deepfake.data.audio import RATE

HOP = 160  # samples between values of the course of loudness
LENGTH_TOLERANCE = 0.015  # seconds; vocoders cut or pad to whole frames
LARGEST_SHIFT = 2  # hops
LEAST_CORRELATION = 0.7


def loudness_course(samples: np.ndarray) -> np.ndarray:
    """Logarithm of the energy every 10 ms, (N // 160,), in float32 with mean 0 and length 1."""
    pieces = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float64)
    energy = np.square(pieces).mean(1)
    course = np.log10(energy + 1e-4 * energy.mean() + 1e-12)
    course -= course.mean()
    return (course / max(np.linalg.norm(course), 1e-9)).astype(np.float32)


def find_twins(courses: list[np.ndarray], lengths: np.ndarray, spoof: np.ndarray) -> np.ndarray:
    """For each spoof the natural utterance that it was made of, (N,) row numbers; -1: none found.

    Args:
        courses: N courses of loudness.
        lengths: (N,) samples.
        spoof: (N,) bool.
    """
    natural = np.flatnonzero(~spoof)
    natural = natural[np.argsort(lengths[natural], kind="stable")]
    twins = np.full(len(courses), -1)
    tolerance = LENGTH_TOLERANCE * RATE
    for row in np.flatnonzero(spoof).tolist():
        low, high = np.searchsorted(lengths[natural], [lengths[row] - tolerance, lengths[row] + tolerance + 1])
        scores = [correlation(courses[row], courses[candidate]) for candidate in natural[low:high].tolist()]
        if scores and max(scores) >= LEAST_CORRELATION:
            twins[row] = natural[low + int(np.argmax(scores))]
    return twins


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Largest correlation of two courses over small shifts."""
    count = min(len(first), len(second)) - LARGEST_SHIFT
    if count <= LARGEST_SHIFT:
        return -1.0
    return max(
        float(first[max(0, shift) : count + min(0, shift)] @ second[max(0, -shift) : count - max(0, shift)])
        for shift in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    )
