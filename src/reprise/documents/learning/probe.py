"""A new classifier fitted to the features of the pretrained network before anything else learns.

A random classifier sends random gradients through the network and spoils features that were good. Fitted first, it
leaves fine-tuning little to move, which helps most on pages that differ from the training pages (Kumar et al.,
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from reprise.core.errors import InputError

PENALTY = 1e-3  # of the weights' squares: there are more features than pages of a class
STEPS = 60  # of L-BFGS; the loss moves no more


@torch.no_grad()
def pooled_features(network: Any, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (B, D) that the classifier of a network of timm sees, and labels (B, K), batch by batch.

    Args:
        network: in evaluation mode.
        batches: normalised images (B, 3, S, S) with label distributions (B, K).
    """
    for images, labels in batches:
        yield network.forward_head(network.forward_features(images), pre_logits=True), labels


def fit_classifier(classifier: nn.Module, features: Tensor, labels: Tensor, smoothing: float) -> None:
    """Fit a linear classifier in place, by multinomial logistic regression.

    Args:
        classifier: D -> K.
        features: (N, D).
        labels: (N, K) distributions.
        smoothing: share of each label that is spread over all K.

    Raises:
        InputError: the classifier is not one linear layer.
    """
    if not isinstance(classifier, nn.Linear):
        raise InputError(f"probe: the model's classifier is {type(classifier).__name__}, not one linear layer; set 0")
    labels = labels * (1 - smoothing) + smoothing / labels.shape[1]
    weight, bias = (nn.Parameter(torch.zeros_like(value)) for value in (classifier.weight, classifier.bias))
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        logits = nn.functional.linear(features, weight, bias)
        value = -(labels * logits.log_softmax(1)).sum(1).mean() + PENALTY * weight.square().sum()
        value.backward()
        return float(value.detach())

    optimizer.step(loss)
    with torch.no_grad():
        classifier.weight.copy_(weight)
        classifier.bias.copy_(bias)
