"""What a documents recipe holds: how a fold's network is built and trained."""

from typing import Annotated, Literal

from pydantic import Field

from reprise.core.recipe import Fraction, TrainParams

TASK = "documents"


class Recipe(TrainParams):
    """How a fold's network is built and trained; params.yaml says what each key means."""

    model: str
    weights: str
    model_options: dict[str, str | float | bool]
    image_size: Annotated[int, Field(ge=8, le=4096)]
    pooling: str
    frozen_blocks: Annotated[int, Field(ge=0)]
    recalibrate: Annotated[int, Field(ge=0)]
    frozen_norms: bool
    probe: Annotated[int, Field(ge=0)]
    standardise: bool
    channels_last: bool

    optimizer: str
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    schedule: Literal["constant", "linear", "cosine", "plateau"]  # type: ignore[assignment]  # one more than others have
    plateau_patience: Annotated[int, Field(ge=0)]
    plateau_factor: Annotated[float, Field(gt=0, lt=1)]
    monitor: Literal["valid_loss", "macro_f1"]

    loss: Literal["cross_entropy", "focal", "logit_adjusted"]
    focal_gamma: Annotated[float, Field(ge=0)]
    logit_adjustment: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[Fraction, Field(lt=1)]
    balanced_sampling: bool

    orientation: Literal["fixed", "augment", "recognise"]
    turned: Fraction
    augmentation: Literal["none", "light", "hard"]
    strength: Annotated[float, Field(ge=0)]
    ramp: Fraction
    erasing: Fraction
    mixup: Annotated[float, Field(ge=0)]
    cutmix: Annotated[float, Field(ge=0)]
