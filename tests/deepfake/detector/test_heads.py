import torch
from torch.nn import functional as F

from reprise.deepfake.detector.heads import OneClassHead, SeparateHead


def test_the_one_class_logit_grows_with_the_distance_from_the_centre():
    head = OneClassHead(6, 4)
    readout = torch.randn(5, 6)
    logits, z = head(readout)
    expected = F.softplus(head.gain) * (z**2).sum(-1) - head.bias
    assert torch.allclose(logits, expected)
    with torch.no_grad():
        head.projection.bias.zero_()
    assert (head(2 * readout)[0] > head(readout)[0]).all()


def test_what_is_spoof_to_any_view_is_spoof():
    """Odds of the views add up; summed evidence is that of the views without their biases, less one bias."""
    readouts = [torch.randn(5, 6), torch.randn(5, 3)]
    head = SeparateHead([6, 3], 4, "any")
    logits, vectors, each = head(readouts)
    assert vectors.shape == (5, 8)
    assert torch.allclose(logits.exp(), each.exp().sum(1))
    head = SeparateHead([6, 3], 4, "summed")
    logits, _, each = head(readouts)
    evidence = [view.bias + logit for view, logit in zip(head.views, each.unbind(1), strict=True)]
    assert torch.allclose(logits, sum(evidence) - head.bias)
