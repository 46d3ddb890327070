"""What a deepfake recipe holds: how the detector is made and trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reprise.core.recipe import Fraction, TrainParams

TASK = "deepfake"

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Recipe(TrainParams):
    """`deepfake.train` with the chosen recipe's differences; params.yaml explains the keys."""

    front_end: Literal["lfcc", "logmel", "ssl"]
    ssl_model: str
    ssl_config: dict[str, Any]
    ssl_weights: bool
    ssl_trained: bool
    embedding: Count
    encoders: Count
    heads: Count
    kernel: Count
    dropout: Fraction
    statistics_branch: bool
    loss: Literal["cross_entropy", "one_class"]
    one_class_dimensions: Count
    balanced_classes: bool
    frame_loss: NotNegative
    frame_share: Annotated[float, Field(gt=0, le=1)]

    crop_seconds: tuple[Positive, Positive]
    twins: bool
    partial_spoofs: Fraction
    partial_seconds: tuple[Positive, Positive]
    rawboost: Fraction
    band_limit: Fraction
    noise: Fraction
    gain: NotNegative

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
