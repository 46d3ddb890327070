"""Any network of timm as a classifier of pages: pooling, weights, normalisation, frozen blocks."""

from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from timm.layers import SelectAdaptivePool2d
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from reprise.core.errors import InputError
from reprise.core.pretrained import packaged_weights
from reprise.core.weights import load_state, read_state_dict
from reprise.documents.recipe import Recipe

POOLINGS = ("avg", "max", "avgmax", "catavgmax", "fast", "token", "map", "prr")  # of timm, for one model or another

HUB = "timm/"  # what the names of timm's weights on the model hub start with

# Arguments of timm.create_model that load files, reach a hub, or are decided by keys of their own.
RESERVED = (
    *("cache_dir", "checkpoint_path", "exportable", "features_only", "global_pool", "img_size", "in_chans"),
    *("model_name", "num_classes", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"),
    "scriptable",
)
LARGEST_OPTION = 4096  # layers, channels, ...: descriptions of models come from strangers, too

LEAST_CONTRAST = 0.02  # an empty page is not blown up to noise


class GeM(nn.Module):
    """Generalised-mean pooling (Radenović, Tolias and Chum, TPAMI 2019, equation 3) with one learned exponent.

    Args:
        pool: timm's average pooling, which it takes the place of.
        exponent: p at the start; 1 is the mean, infinity the maximum.
    """

    def __init__(self, pool: nn.Module, exponent: float = 3.0) -> None:
        super().__init__()
        self.pool, self.p = pool, nn.Parameter(torch.tensor(exponent))

    def forward(self, features: Tensor) -> Tensor:
        """Pool features as timm lays them out for the model, such as (B, C, H, W), to what `pool` makes of them."""
        return self.pool(features.clamp(min=1e-6).pow(self.p)).pow(1 / self.p)


def count_outputs(recipe: Recipe, classes: int) -> int:
    """Outputs of the network: one a class, and one more for "not upright" where orientation is recognised."""
    return classes + (recipe.orientation == "recognise")


def build_network(recipe: Recipe, classes: int) -> nn.Module:
    """Build a recipe's network, with the weights that it starts from.

    Args:
        recipe: model, model_options, image_size, pooling, weights.
        classes: C.

    Returns:
        (B, 3, S, S) -> (B, K), K as `count_outputs` says.

    Raises:
        InputError: a model, option or pooling that timm does not have, or weights that do not fit or cannot be had.
    """
    outputs = count_outputs(recipe, classes)
    check_network(recipe, outputs)
    if (file := weights_file(recipe)) is not None:
        network = create(recipe, outputs, recipe.pooling)
        state = read_state_dict(file)
        named = in_timms_names(state, recipe.model) if hub_name(recipe) else state
        load_state(network, named, file, optional_names(network))
        return network
    if (name := hub_name(recipe)) is None:
        return create(recipe, outputs, recipe.pooling)
    try:
        return create(recipe, outputs, recipe.pooling, from_hub=True)
    except Exception as error:  # the hub's client raises many kinds; the network itself was found sound above
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"weights {name}: {reason}; or give weights as a path, or none") from None


def weights_file(recipe: Recipe) -> Path | None:
    """The file whose weights a recipe starts from, a path's or a package's; None: they are random or the hub's."""
    if (name := hub_name(recipe)) is not None:
        return packaged_weights(name)
    return None if recipe.weights == "none" else Path(recipe.weights)


def hub_name(recipe: Recipe) -> str | None:
    """Name on the model hub of the weights that a recipe starts from; None: they are random or a file's.

    Raises:
        InputError: timm has no such weights, or they are of another model.
    """
    if recipe.weights == "hub":
        config: Any = timm.get_pretrained_cfg(recipe.model)
        return getattr(config, "hf_hub_id", None) or f"{HUB}{recipe.model}"
    if not recipe.weights.startswith(HUB):
        return None
    name = recipe.weights.removeprefix(HUB)
    known = timm.list_pretrained(f"{recipe.model}.*")
    if name not in known:
        raise InputError(
            f"weights {recipe.weights}: not for {recipe.model}; timm has "
            f"{', '.join(HUB + each for each in known) or 'none for it'}"
        )
    return recipe.weights


def in_timms_names(state: dict[str, Tensor], model: str) -> dict[str, Tensor]:
    """Give a packaged file's tensors the names of timm's model: they stand in the same order, under other names.

    The order was checked once for the file with the expected hash; `load_state` checks every shape.
    """
    with torch.device("meta"):
        names = timm.create_model(model).state_dict()
    return dict(zip(names, state.values(), strict=True))


def create(recipe: Recipe, outputs: int, pooling: str, from_hub: bool = False) -> nn.Module:
    """Build a network with timm, whose models raise errors of many kinds.

    Raises:
        InputError: timm has no such model (some names would have it load from a hub) or no such weights of it, or an
            option that is not the model's own.
    """
    if not timm.is_model(recipe.model):
        near = timm.list_models(f"{recipe.model[:6]}*")[:8] or timm.list_models()[::150]
        raise InputError(f"model {recipe.model!r} is not one of timm's; it has, among others, {', '.join(near)}")
    for name, value in recipe.model_options.items():
        if name in RESERVED:
            raise InputError(f"model_options: {name}: not an option of a model; the recipe's other keys decide it")
        if not isinstance(value, str) and not abs(value) <= LARGEST_OPTION:
            raise InputError(f"model_options: {name}: {value:g}; expected at most {LARGEST_OPTION}")
    hub_name(recipe)  # refuses what is no name of the model's weights: some would have timm load from a hub
    named = recipe.weights.removeprefix(HUB) if recipe.weights.startswith(HUB) else recipe.model
    options: dict[str, Any] = dict(recipe.model_options)
    if getattr(timm.get_pretrained_cfg(named), "fixed_input_size", False):
        options["img_size"] = recipe.image_size
    timms = "avg" if pooling == "gem" else pooling
    network: nn.Module = timm.create_model(
        named, pretrained=from_hub, num_classes=outputs, global_pool=timms, **options
    )
    if pooling == "gem":
        name = pooling_name(network)
        network.set_submodule(name, GeM(network.get_submodule(name)))
    return network


def pooling_name(network: nn.Module) -> str:
    """Name of the one global pooling over a network's feature map.

    Raises:
        ValueError: there is none, as in vision transformers, or several.
    """
    found = [name for name, module in network.named_modules() if isinstance(module, SelectAdaptivePool2d)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} global poolings over a feature map")
    return found[0]


def check_network(recipe: Recipe, outputs: int) -> None:
    """Build a network of shapes alone, without memory or arithmetic, and see what comes out.

    Raises:
        InputError: it cannot be built; where the pooling is to blame, the line lists those that can.
    """
    if (problem := problem_of(recipe, outputs, recipe.pooling)) is None:
        return
    choices = [choice for choice in (*POOLINGS, "gem") if problem_of(recipe, outputs, choice) is None]
    if choices:
        raise InputError(f"pooling {recipe.pooling!r} is not for {recipe.model}; choose from {', '.join(choices)}")
    raise InputError(f"{recipe.model} at {recipe.image_size} px, options {recipe.model_options}: {problem}")


def problem_of(recipe: Recipe, outputs: int, pooling: str) -> str | None:
    """Why a network cannot be built with a pooling; None: it can."""
    try:
        network = outline(recipe, outputs, pooling)
        logits = network(torch.empty(2, 3, recipe.image_size, recipe.image_size, device="meta"))
    except InputError:
        raise
    except Exception as error:  # AssertionError, TypeError, RuntimeError, ...: timm has no one kind for it
        return " ".join(str(error).split())[:200] or type(error).__name__
    return None if logits.shape == (2, outputs) else f"gives {tuple(logits.shape)}, not (2, {outputs})"


def outline(recipe: Recipe, outputs: int, pooling: str) -> nn.Module:
    """Build a network of shapes alone, in evaluation mode, without memory for its weights."""
    with torch.device("meta"):
        return create(recipe, outputs, pooling).eval()


def optional_names(network: nn.Module) -> tuple[str, ...]:
    """Prefixes of the weights that another task's file need not have: the classifier, and GeM's exponent."""
    head = network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr,operator]
    pools = tuple(name for name, module in network.named_modules() if isinstance(module, GeM))
    return (*((head,) if isinstance(head, str) else head), *(f"{name}.p" for name in pools))


def pixel_statistics(network: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (1, 3, 1, 1) of the pixels in [0, 1] that a network's weights were made for."""
    config = resolve_model_data_config(network)
    mean, deviation = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    return mean, deviation


class Classifier(nn.Module):
    """A network with the normalisation of its input.

    Args:
        network: (B, 3, S, S) -> (B, K).
        channels_last: keep weights and images in that memory format.
        standardise: give every page the same mean and contrast, instead of what the weights were made for.
    """

    def __init__(self, network: nn.Module, channels_last: bool, standardise: bool) -> None:
        super().__init__()
        self.network, self.standardise = network, standardise
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        network.to(memory_format=self.format)
        mean, deviation = pixel_statistics(network)
        self.register_buffer("scale", 1 / deviation, persistent=False)
        self.register_buffer("offset", -mean / deviation, persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [0, 1] -> what the network takes."""
        if self.standardise:
            mean = images.mean((1, 2, 3), keepdim=True)
            deviation = (images.square().mean((1, 2, 3), keepdim=True) - mean.square()).clamp(min=0).sqrt()
            scale = 1 / (deviation + LEAST_CONTRAST)
            return torch.addcmul(-mean * scale, images, scale).contiguous(memory_format=self.format)
        assert isinstance(self.offset, Tensor)
        assert isinstance(self.scale, Tensor)
        return torch.addcmul(self.offset, images, self.scale).contiguous(memory_format=self.format)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [0, 1] -> logits (B, K)."""
        return self.network(self.normalise(images))


def freeze_blocks(network: nn.Module, blocks: int) -> list[nn.Module]:
    """Keep the first groups of layers, in timm's order (stem, blocks, ..., head), from learning.

    Returns:
        Their batch norms, which have to stay in evaluation mode.

    Raises:
        InputError: as many as the network has, or more.
    """
    if blocks == 0:
        return []
    depths = group_parameters(network, network.group_matcher(coarse=True), reverse=True)  # type: ignore[operator]
    order = sorted(set(depths.values()))
    if blocks >= len(order):
        raise InputError(f"frozen_blocks {blocks}: the network has {len(order)} groups, and one has to learn")
    frozen = {name for name, depth in depths.items() if depth in order[:blocks]}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, BatchNorm) and f"{name}.weight" in frozen
    ]
