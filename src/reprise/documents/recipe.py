"""What a documents recipe holds, and the stage that resolves the chosen one.

    python -m reprise.documents.recipe

Merges `train` with `documents.recipes.<documents.recipe>` into models/documents/recipe.yaml.
"""

from typing import Annotated, Literal

from pydantic import Field

from reprise.core.recipe import Fraction, TrainParams

TASK = "documents"


class Recipe(TrainParams):
    """How a fold's network is made and trained."""

    model: str  # a name that timm knows
    weights: str  # none: random; hub: timm's pretrained; or a path to a safetensors file of the same model
    model_options: dict[str, str | float | bool]  # what else timm.create_model takes, such as pad_type: same
    image_size: Annotated[int, Field(ge=8)]  # pixels of the square that the network sees
    pooling: str  # what timm's global_pool takes for the model, or gem
    frozen_blocks: Annotated[int, Field(ge=0)]  # timm's first groups of layers (stem, blocks, ...) that do not train
    recalibrate: Annotated[int, Field(ge=0)]  # images from which batch norm's statistics are measured anew; 0: none
    standardise: bool  # every page to the same mean and contrast; else the mean and deviation of the weights' images
    channels_last: bool  # memory format; faster for convolutions

    optimizer: str  # a name that timm's factory knows
    layer_decay: Annotated[float, Field(gt=0, le=1)]  # learning rate of a layer over that of the next; 1: equal
    # plateau: lr is cut when valid_loss stalls; it takes no warm-up
    schedule: Literal["constant", "linear", "cosine", "plateau"]  # type: ignore[assignment]
    plateau_patience: Annotated[int, Field(ge=0)]  # epochs without a better valid_loss before a cut
    plateau_factor: Annotated[float, Field(gt=0, lt=1)]  # what a cut leaves of lr
    monitor: Literal["valid_loss", "macro_f1"]  # chooses the epoch

    loss: Literal["cross_entropy", "focal", "logit_adjusted"]
    focal_gamma: Annotated[float, Field(ge=0)]  # Lin et al. 2017
    logit_adjustment: Annotated[float, Field(ge=0)]  # tau of Menon et al. 2021
    label_smoothing: Annotated[Fraction, Field(lt=1)]
    balanced_sampling: bool  # every class as often as the others

    orientation: Literal["fixed", "augment", "recognise"]
    augmentation: Literal["none", "light", "hard"]
    strength: Annotated[float, Field(ge=0)]  # of the augmentation; 1: as strong as the corruptions of the evaluation
    ramp: Fraction  # of the epochs, over which hard augmentation grows to its full probability
    erasing: Fraction  # probability of a random rectangle of noise
    mixup: Annotated[float, Field(ge=0)]  # alpha of Zhang et al. 2018; 0: none
    cutmix: Annotated[float, Field(ge=0)]  # alpha of Yun et al. 2019; 0: none; with both, either is as likely
