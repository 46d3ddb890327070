"""What a deepfake recipe holds, and the stage that resolves the chosen one.

    python -m reprise.deepfake.recipe

Merges `train` with `deepfake.recipes.<deepfake.recipe>` into models/deepfake/recipe.yaml.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reprise.core.recipe import Fraction, TrainParams

TASK = "deepfake"

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Recipe(TrainParams):
    """How the detector is made and trained."""

    front_end: Literal["lfcc", "logmel", "ssl"]
    ssl_model: str  # a wav2vec2-type model: a hub name, or a folder
    ssl_config: dict[str, Any]  # of a transformers configuration, for random weights in that shape; {}: ssl_model's
    ssl_weights: bool  # false: random weights
    ssl_trained: bool  # whether it learns too
    embedding: Count  # dimensions of the Conformer
    encoders: Count  # Conformer blocks
    heads: Count
    kernel: Count  # frames of the convolutions, odd
    dropout: Fraction
    statistics_branch: bool  # how cepstra and filters vary over the utterance, beside the Conformer
    loss: Literal["cross_entropy", "one_class"]
    one_class_dimensions: Count  # of the vector whose length is the evidence, with loss one_class
    balanced_classes: bool  # weigh the classes of the loss by the inverse of their share
    frame_loss: NotNegative  # weight of the loss of the frames that are most like a synthesis
    frame_share: Annotated[float, Field(gt=0, le=1)]  # of the frames, which that loss looks at

    crop_seconds: tuple[Positive, Positive]  # shortest and longest; one length a batch
    twins: bool  # a spoof comes with the natural utterance that it was made of, at the same crop
    partial_spoofs: Fraction  # of the spoofs with a twin, of which only a stretch is spoofed
    partial_seconds: tuple[Positive, Positive]
    rawboost: Fraction  # probability of RawBoost (Tak et al. 2022)
    band_limit: Fraction  # probability of a band limit
    noise: Fraction  # probability of noise
    gain: NotNegative  # decibels either way, before loudness is scaled

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.embedding % self.heads:
            raise ValueError(f"embedding {self.embedding} is no multiple of heads {self.heads}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even; expected an odd number of frames")
        for name in ("crop_seconds", "partial_seconds"):
            shortest, longest = getattr(self, name)
            if shortest > longest:
                raise ValueError(f"{name}: {shortest} ... {longest}; expected the shortest first")
        return self
