"""What a deepfake recipe holds: how the detector is made and trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reprise.core.recipe import Fraction, TrainParams

TASK = "deepfake"

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Speed = Annotated[float, Field(ge=0.5, le=2)]
Count = Annotated[int, Field(ge=1, le=65_536)]


class Recipe(TrainParams):
    """`deepfake.train` with the chosen recipe's differences; params.yaml explains the keys."""

    front_end: Literal["lfcc", "logmel", "ssl", "whisper"]
    ssl_model: str
    ssl_config: dict[str, Any]
    ssl_weights: bool
    ssl_trained: bool
    weights: str | Annotated[tuple[str, ...], Field(min_length=1)]
    embedding: Count
    encoders: Annotated[int, Field(ge=1, le=256)]
    heads: Count
    kernel: Count
    dropout: Fraction
    statistics_branch: bool
    pooled_states: bool
    loss: Literal["cross_entropy", "one_class"]
    one_class_dimensions: Count
    evidence: Literal["joint", "summed", "any"]
    view_loss: NotNegative
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
    channel_copies: Annotated[int, Field(ge=0)]
    channel_share: Fraction
    resyntheses: Annotated[int, Field(ge=0)]
    resynthesis_share: Fraction
    speeds: tuple[Speed, ...]
    least_batches: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.embedding % self.heads:
            raise ValueError(f"embedding {self.embedding} is no multiple of heads {self.heads}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even; expected an odd number of frames")
        if self.evidence != "joint" and not (self.loss == "one_class" and self.statistics_branch):
            raise ValueError(
                f"evidence {self.evidence} needs loss one_class and the statistics_branch, a view of its own"
            )
        if self.pooled_states and self.front_end != "whisper":
            raise ValueError(f"pooled_states are Whisper's, and front_end is {self.front_end}")
        if self.resynthesis_share and not (self.resyntheses and self.twins):
            raise ValueError("resynthesis_share needs resyntheses, and twins to compare them with")
        if self.front_end == "whisper" and not self.ssl_trained and self.augments_crops:
            raise ValueError(
                "rawboost, band_limit, noise and gain change samples, and a frozen Whisper hears each once"
            )
        if 1 in self.speeds or len(set(self.speeds)) < len(self.speeds):
            raise ValueError(f"speeds {self.speeds}: expected others than 1, which is always there, each once")
        ranges = {"crop_seconds": self.crop_seconds, "partial_seconds": self.partial_seconds}
        for name, (shortest, longest) in ranges.items():
            if shortest > longest:
                raise ValueError(f"{name}: {shortest} ... {longest}; expected the shortest first")
        return self

    @property
    def augments_crops(self) -> bool:
        """Whether crops are changed beside being cut."""
        return bool(self.rawboost or self.band_limit or self.noise or self.gain)
