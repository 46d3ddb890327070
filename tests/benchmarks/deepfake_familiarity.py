"""Which recordings the demo calls unlike the training recordings: eval as it is, and copies of it through channels.

`python -m tests.benchmarks.deepfake_familiarity` prints the shares, after `make repro`; it takes 10 s.
"""

import numpy as np

from reprise.deepfake.data.corpus import read_corpus
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.paths import PREPARED
from reprise.tools.demo.familiarity import compare_sound, open_familiarity
from tests.tools.demo.reports import unwatched

COPIES = 40  # recordings that go through each channel


def main() -> None:
    familiarity = open_familiarity(0, 0, unwatched)
    assert familiarity is not None, "no prepared recordings; run `dvc repro deepfake-prepare`"
    corpus = read_corpus(PREPARED / "eval")
    unlike = np.array([compare_sound(corpus.waveform(row), familiarity)["unlike"] for row in range(len(corpus))])
    print(f"natural {unlike[~corpus.spoof].mean():.2f}, spoofs {unlike[corpus.spoof].mean():.2f}")
    rows = np.random.default_rng(0).permutation(len(corpus))[:COPIES].tolist()
    for name, channel in CHANNELS.items():
        copies = [channel(corpus.waveform(row), np.random.default_rng(row)) for row in rows]
        print(f"{name} {np.mean([compare_sound(samples, familiarity)['unlike'] for samples in copies]):.2f}")


if __name__ == "__main__":
    main()
