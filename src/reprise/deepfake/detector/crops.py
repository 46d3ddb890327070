"""Training batches: crops of spoofs with their natural twins at the same place, some spoofed in a stretch alone."""

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.data.splice import fit_length, splice
from reprise.deepfake.recipe import Recipe


class CropMaker:
    """Cuts batches out of a corpus.

    Args:
        corpus: the training utterances.
        recipe: lengths, twins, partial spoofs.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.corpus, self.recipe = corpus, recipe
        self.natural = np.flatnonzero(~corpus.spoof)
        self.spoof, self.twin = corpus.spoof, corpus.twin

    def rows(self) -> Tensor:
        """The rows that an epoch goes through: the spoofs, where natural ones come with them, else all utterances."""
        rows = np.flatnonzero(self.spoof) if self.recipe.twins else np.arange(len(self.corpus))
        return torch.from_numpy(rows)

    def __call__(self, rows: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Cut a batch.

        Args:
            rows: (B,) of the corpus.
            generator: of lengths, places, splices.

        Returns:
            Samples (B', N) float and labels (B',), 1 for a spoof; B' = 2 B where natural utterances come with spoofs.
        """
        length = int(generator.uniform(*self.recipe.crop_seconds) * RATE)
        if not self.recipe.twins:
            crops = [self._crop(int(row), length, generator)[0] for row in rows.tolist()]
            return torch.from_numpy(np.stack(crops)), torch.from_numpy(self.spoof[rows.numpy()]).float()
        pairs = [self._pair(row, length, generator) for row in rows.tolist()]
        spoofs, naturals = (np.stack(column) for column in zip(*pairs, strict=True))
        labels = torch.cat([torch.ones(len(rows)), torch.zeros(len(rows))])
        return torch.from_numpy(np.concatenate([spoofs, naturals])), labels

    def _pair(self, row: int, length: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A spoof and a natural crop (N,) each: of the twin at the same place, or of any other utterance."""
        twin = int(self.twin[row])
        if twin < 0:
            other = int(generator.choice(self.natural))
            return self._crop(row, length, generator)[0], self._crop(other, length, generator)[0]
        spoof, start = self._crop(row, length, generator, min(self.corpus.samples[[row, twin]]))
        natural, _ = self._crop(twin, length, generator, start=start)
        if generator.random() < self.recipe.partial_spoofs:
            seconds = generator.uniform(*self.recipe.partial_seconds)
            count = min(length, int(seconds * RATE))
            first = int(generator.integers(0, length - count + 1))
            spoof = splice(natural, spoof, first, first + count)
        return spoof, natural

    def _crop(
        self,
        row: int,
        length: int,
        generator: np.random.Generator,
        available: int | None = None,
        start: int | None = None,
    ) -> tuple[np.ndarray, int]:
        """Cut (N,) samples at a random place of the first `available`, or at `start`; short utterances are repeated."""
        waveform = self.corpus.waveform(row)
        if start is None:
            free = (len(waveform) if available is None else int(available)) - length
            start = int(generator.integers(0, free + 1)) if free > 0 else 0
        return fit_length(waveform[start:], length), start
