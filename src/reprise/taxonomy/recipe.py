"""The keys of a taxonomy recipe, with their types and bounds; params.yaml says what each one does."""

from typing import Annotated, Literal

from pydantic import Field

from reprise.core.recipe import Fraction, TrainParams

TASK = "taxonomy"


class Recipe(TrainParams):
    """How the classifier is built and trained."""

    encoder: str
    weights: str
    max_tokens: Annotated[int, Field(ge=2, le=1_000_000)]
    trained_layers: Annotated[int, Field(ge=-1)]
    encoder_lr_scale: Annotated[float, Field(gt=0)]
    graph: Literal["GCN", "GraphSAGE", "GAT", "GIN"]
    graph_layers: Annotated[int, Field(ge=0, le=100)]
    graph_hidden: Annotated[int, Field(ge=1, le=1_000_000)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    logit_scale: Annotated[float, Field(gt=0)]
    loss: Literal["soft", "bce"]
    target_power: Annotated[float, Field(gt=0)]
    abstain_odds: Fraction
    valid_fraction: Annotated[float, Field(gt=0, lt=1)]
