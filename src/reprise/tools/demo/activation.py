"""Where a network looked: its class-activation map, for any network of timm.

LayerCAM (Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", TIP 2021), by
torchcam, over the last layers whose maps are fine enough: the very last has only 2 x 2 cells for an image of 64 pixels.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.documents.network.ensemble import FoldModel

COARSEST = 4  # places a side; a layer with fewer is taken only where there is no other
FINE_ENOUGH = 8  # places a side, at which no earlier layer is taken in


def activation_map(model: FoldModel, image: Tensor, target: int) -> np.ndarray | None:
    """The map of one class.

    Args:
        model: of a fold.
        image: (1, 3, S, S) in [0, 1], as `pages.upright` and `views.turn` make it.
        target: the class.

    Returns:
        (h, w) in [0, 1], upright as the image; None where the network does not say where its features lie.

    Raises:
        InputError: torchcam is not installed.
    """
    try:
        from torchcam.methods import LayerCAM
    except ImportError:
        raise InputError("torchcam is not installed: `make demo` installs it") from None
    classifier = model.classifier
    network: Any = classifier.network
    layers = feature_layers(network, model.recipe.image_size)
    if not layers:
        return None
    places = spatial(network, model.recipe.image_size)
    with (
        torch.enable_grad(),
        LayerCAM(classifier, [f"network.{name}" for name in layers], reshape_transform=places) as extractor,
    ):
        # A gradient has to flow, though the weights take none.
        scores = classifier(image.clone().requires_grad_())
        maps = extractor(class_idx=target, scores=scores)
        fused = extractor.fuse_cams(maps)[0]  # (h, w)
    return np.nan_to_num(fused.detach().cpu().numpy().astype(np.float64)).clip(0, 1)


def feature_layers(network: nn.Module, image_size: int) -> list[str]:
    """Names in a timm network: the last layer of each resolution, from the coarsest usable one to FINE_ENOUGH."""
    layers: Any = getattr(network, "feature_info", None) or []
    last: dict[int, str] = {int(entry["reduction"]): str(entry["module"]) for entry in layers}  # later entries win
    chosen: list[str] = []
    for reduction in sorted(last, reverse=True):
        if image_size // reduction >= COARSEST:
            chosen.append(last[reduction])
        if image_size // reduction >= FINE_ENOUGH:
            break
    chosen = chosen or [last[reduction] for reduction in sorted(last)[-1:]]
    names = {name for name, _ in network.named_modules()}
    return chosen if names.issuperset(chosen) else []


def spatial(network: nn.Module, image_size: int) -> Callable[[Tensor], Tensor]:
    """What lays a layer's features out as (B, C, h, w), however the network does.

    Args:
        network: of timm; tokens (B, T, C) come with its prefix tokens first.
        image_size: pixels a side; pages are square, and so are the features' places.
    """
    prefix = int(getattr(network, "num_prefix_tokens", 0) or 0)
    channels_last = str(getattr(network, "output_fmt", "")) in ("NHWC", "Format.NHWC")

    def lay_out(features: Tensor) -> Tensor:
        if features.ndim == 3:
            tokens = features[:, prefix:]  # (B, T, C)
            side = math.isqrt(tokens.shape[1])
            return tokens.transpose(1, 2).unflatten(2, (side, tokens.shape[1] // side))
        return features.permute(0, 3, 1, 2) if channels_last else features

    return lay_out
