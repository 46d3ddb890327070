"""What a taxonomy recipe holds, and the stage that resolves the chosen one.

    python -m reprise.taxonomy.recipe

Merges `train` with `taxonomy.recipes.<taxonomy.recipe>` into models/taxonomy/recipe.yaml.
"""

from typing import Annotated, Literal

from pydantic import Field

from reprise.core.recipe import Fraction, TrainParams

TASK = "taxonomy"


class Recipe(TrainParams):
    """How the classifier is made and trained."""

    encoder: str  # a package's, the hub's or a folder's text encoder
    weights: str  # hub: the encoder's own; none: random; or a path to a whole classifier's weights
    max_tokens: Annotated[int, Field(ge=2)]  # of a document; the rest of it is cut
    trained_layers: Annotated[int, Field(ge=-1)]  # last layers of the encoder that train; 0: frozen; -1: all of it
    encoder_lr_scale: Annotated[float, Field(gt=0)]  # the encoder's learning rate as a fraction of lr
    graph: Literal["GCN", "GraphSAGE", "GAT", "GIN"]  # PyG's network over the hierarchy
    graph_layers: Annotated[int, Field(ge=0)]  # 0: class vectors are the names' embeddings
    graph_hidden: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]  # in the graph network
    logit_scale: Annotated[float, Field(gt=0)]  # of the logits at the start
    loss: Literal["soft", "bce"]  # soft: cross-entropy to the posterior; bce: the paper's, on core classes
    abstain_odds: Fraction  # probability from which on a text is about none of the classes; 1: none ever is
    valid_fraction: Annotated[Fraction, Field(gt=0, lt=1)]  # of the training documents, for choosing the epoch
