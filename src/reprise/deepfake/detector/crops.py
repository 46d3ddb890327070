"""Training batches: crops of spoofs with their natural twins at the same place, some spoofed in a stretch alone."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.data.splice import fit_length, replace, splice
from reprise.deepfake.detector.copies import Copies
from reprise.deepfake.detector.pieces import FRAME_RATE
from reprise.deepfake.recipe import Recipe

Form = TypeVar("Form")


class CropMaker:
    """Cuts batches out of training utterances: of samples, or of the frames that a frozen encoder has heard.

    Args:
        corpus: the utterances.
        recipe: lengths, twins, partial spoofs, shares of channel copies and of re-syntheses.
        copies: their forms, at each speed; none: samples as they are.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, copies: Sequence[Copies] = ()) -> None:
        self.corpus, self.recipe, self.copies = corpus, recipe, copies
        self.natural = np.flatnonzero(~corpus.spoof)
        self.spoof, self.twin = corpus.spoof, corpus.twin
        self.framed = bool(copies) and copies[0].forms[0][0].ndim == 2
        self.rate = FRAME_RATE if self.framed else RATE  # of what crops are cut of, a second

    def rows(self) -> Tensor:
        """The rows that an epoch goes through: the spoofs, where natural ones come with them, else all utterances."""
        rows = np.flatnonzero(self.spoof) if self.recipe.twins else np.arange(len(self.corpus))
        return torch.from_numpy(rows)

    def batches(self) -> int:
        """Batches of an epoch: a pass over the rows, or more, so that a small corpus is learned in as many steps."""
        return max(self.recipe.least_batches, math.ceil(len(self.rows()) / self.recipe.batch_size))

    def __call__(self, rows: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Cut a batch.

        Args:
            rows: (B,) of the corpus.
            generator: of copies, lengths, places, splices.

        Returns:
            Samples (B', N) or frames (B', M, C), float, and labels (B',), 1 for a spoof; B' = 2 B where natural
            utterances come with spoofs.
        """
        length = int(generator.uniform(*self.recipe.crop_seconds) * self.rate)
        if not self.recipe.twins:
            wholes = [self._form(row, self._copies(generator), generator) for row in rows.tolist()]
            crops = [self._cut(whole, length, generator)[0] for whole in wholes]
            return torch.from_numpy(np.stack(crops)).float(), torch.from_numpy(self.spoof[rows.numpy()]).float()
        pairs = [self._pair(row, length, generator) for row in rows.tolist()]
        spoofs, naturals = (np.stack(column) for column in zip(*pairs, strict=True))
        labels = torch.cat([torch.ones(len(rows)), torch.zeros(len(rows))])
        return torch.from_numpy(np.concatenate([spoofs, naturals])).float(), labels

    def _pair(self, row: int, length: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Cut a spoof and a natural crop, of the twin at the same place or of any other utterance.

        The spoof is that of the row, or a re-synthesis of a natural utterance. Both have the same speed, so that one
        place means the same moment in both.
        """
        twin, copies = int(self.twin[row]), self._copies(generator)
        if self.recipe.resynthesis_share and generator.random() < self.recipe.resynthesis_share:
            assert copies is not None
            twin = int(generator.choice(self.natural))
            whole = _pick(copies.resyntheses[twin], generator)
        else:
            whole = self._form(row, copies, generator)
        if twin < 0:
            other = self._form(int(generator.choice(self.natural)), copies, generator)
            return self._cut(whole, length, generator)[0], self._cut(other, length, generator)[0]
        whole_natural = self._form(twin, copies, generator)
        spoof, start = self._cut(whole, length, generator, min(len(whole), len(whole_natural)))
        natural, _ = self._cut(whole_natural, length, generator, start=start)
        if generator.random() < self.recipe.partial_spoofs:
            seconds = generator.uniform(*self.recipe.partial_seconds)
            count = min(length, int(seconds * self.rate))
            first = int(generator.integers(0, length - count + 1))
            spoof = (replace if self.framed else splice)(natural, spoof, first, first + count)
        return spoof, natural

    def _copies(self, generator: np.random.Generator) -> Copies | None:
        """Those at a random speed; None where there are none."""
        return _pick(self.copies, generator) if self.copies else None

    def _form(self, row: int, copies: Copies | None, generator: np.random.Generator) -> np.ndarray:
        """The utterance as it is, or one of its copies through channels."""
        if copies is None:
            return self.corpus.waveform(row)
        original, *changed = copies.forms[row]
        if changed and generator.random() < self.recipe.channel_share:
            return _pick(changed, generator)
        return original

    def _cut(
        self,
        whole: np.ndarray,
        length: int,
        generator: np.random.Generator,
        available: int | None = None,
        start: int | None = None,
    ) -> tuple[np.ndarray, int]:
        """Cut at a random place of the first `available`, or at `start`; short utterances are repeated."""
        if start is None:
            free = (len(whole) if available is None else available) - length
            start = int(generator.integers(0, free + 1)) if free > 0 else 0
        return fit_length(whole[start : start + length], length), start


def _pick(forms: Sequence[Form], generator: np.random.Generator) -> Form:
    return forms[int(generator.integers(len(forms)))] if len(forms) > 1 else forms[0]
