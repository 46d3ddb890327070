from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reprise.core.params import parse_params
from reprise.deepfake.detector.pieces import moment_centres
from reprise.deepfake.explainer.curve import importance_by_frame
from reprise.deepfake.explainer.model import (
    NATURAL,
    SPOOF,
    Explainer,
    ExplainerParams,
    explainer_loss,
    localisation_loss,
)
from reprise.deepfake.paths import MODES
from tests.conftest import read_params


def params(**changes: Any) -> ExplainerParams:
    return parse_params(read_params()["deepfake"]["explainer"]["train"] | changes, ExplainerParams, "explainer")


def data(count=6, moments=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    spoof = torch.arange(count) % 2 == 1
    windows = torch.randn(count, moments, 3, 5, generator=generator) + spoof[:, None, None, None] * 0.8
    mask = torch.ones(count, moments, dtype=torch.bool)
    mask[0, 5:] = False
    return windows, mask, spoof


def made(mode="ema", dropout=0.0, smoothing=0.0) -> Explainer:
    torch.manual_seed(0)
    explainer = Explainer(15, params(hidden=16, dropout=dropout, temperature=0.07, smoothing=smoothing), mode)
    windows, _, spoof = data()
    explainer.start(list(windows), spoof)
    return explainer


@pytest.mark.parametrize("mode", MODES)
def test_prototypes_start_at_the_training_classes_means(mode):
    explainer = made(mode).eval()
    windows, _, spoof = data()
    for row, chosen in ((NATURAL, ~spoof), (SPOOF, spoof)):
        mean = torch.stack([explainer.queries(part).mean(0) for part in windows[chosen]]).mean(0)
        assert torch.allclose(explainer.prototypes[row], F.normalize(mean, dim=0), atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_evidence_and_logit_are_those_of_the_formula_and_padding_is_not_heard(mode):
    explainer = made(mode).eval()
    windows, mask, _ = data()
    explanation = explainer(windows, mask)
    for row in range(len(windows)):
        values = []
        for moment in range(int(mask[row].sum())):
            q = explainer.queries(windows[row, moment][None])[0]
            nearer = F.cosine_similarity(q, explainer.prototypes[SPOOF], dim=0)
            nearer = nearer - F.cosine_similarity(q, explainer.prototypes[NATURAL], dim=0)
            values.append(F.softplus(explainer.scale) * nearer / 0.07 + explainer.offset)
        evidence = torch.stack(values)
        assert torch.allclose(explanation.evidence[row][mask[row]], evidence, atol=1e-4)
        assert explanation.logits[row].item() == pytest.approx(float((evidence.softmax(0) * evidence).sum()), abs=1e-3)
    other = windows.clone()
    other[0, 5:] = 1e3
    assert explainer(other, mask).logits[0] == explanation.logits[0]


def test_importance_is_drawn_in_straight_lines_between_moments():
    assert importance_by_frame(np.array([0.0, 1.0]), 3200).tolist() == pytest.approx(
        [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1]  # centres at 0.05 and 0.15 s; frames at 0.01, 0.03, ... s
    )


@pytest.mark.parametrize("samples", [100, 16_000, 24_160, 47_248])
def test_importance_stands_where_its_moment_is(samples):
    centres = moment_centres(samples)
    found = importance_by_frame(centres / 16_000, samples)  # each moment's importance is its time
    times = np.arange(max(1, samples // 320)) * 0.02 + 0.01
    assert found == pytest.approx(np.clip(times, centres[0] / 16_000, centres[-1] / 16_000))


def test_evidence_is_averaged_over_the_moments_that_there_are():
    explainer = made(smoothing=1.0)
    generator = torch.Generator().manual_seed(0)
    evidence, mask = torch.randn(2, 9, generator=generator), torch.ones(2, 9, dtype=torch.bool)
    mask[1, 4:] = False
    smooth = explainer.smooth(evidence, mask)
    for row, count in ((0, 9), (1, 4)):
        for moment in range(count):
            weights = np.exp(-0.5 * (np.arange(count) - moment) ** 2) * (np.abs(np.arange(count) - moment) <= 3)
            expected = (weights * evidence[row, :count].numpy()).sum() / weights.sum()
            assert smooth[row, moment].item() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(made().smooth(evidence, torch.ones(2, 9, dtype=torch.bool)), evidence)


def step(explainer, training=True):
    windows, mask, spoof = data(seed=1)
    explainer.train(training)
    optimizer = torch.optim.SGD(explainer.parameters(), lr=0.1)
    explanation = explainer(windows, mask)
    loss = explainer_loss(explanation, mask, spoof, params())
    if training:
        loss.backward()
        optimizer.step()
    explainer.update(explanation, mask, spoof, 0.2)


@pytest.mark.parametrize("mode", MODES)
def test_prototypes_change_as_their_mode_says_and_never_while_validating(mode):
    explainer = made(mode)
    before = explainer.prototypes.detach().clone()
    step(explainer, training=False)
    assert torch.equal(explainer.prototypes, before)
    step(explainer)
    assert torch.equal(explainer.prototypes, before) == (mode == "fixed")
    assert ("prototypes" in dict(explainer.named_parameters())) == (mode == "learnable")


def test_ema_prototypes_follow_the_batch_at_their_rate():
    explainer = made("ema")
    windows, mask, spoof = data(seed=1)
    explanation = explainer(windows, mask)
    before = explainer.prototypes.clone()
    explainer.update(explanation, mask, spoof, 0.25)
    means = []
    for row in (~spoof).nonzero()[:, 0]:
        q = F.normalize(explanation.queries[row][mask[row]], dim=-1)
        means.append(q.mean(0))
    target = F.normalize(torch.stack(means).mean(0), dim=0)
    expected = F.normalize(0.75 * before[NATURAL] + 0.25 * target, dim=0)
    assert torch.allclose(explainer.prototypes[NATURAL], expected, atol=1e-5)


def test_places_are_learned_of_known_moments_alone():
    evidence = torch.tensor([[2.0, -1.0, 5.0], [0.5, 9.0, -9.0]], requires_grad=True)
    spoofed = torch.tensor([[1.0, 0.0, torch.nan], [0.0, torch.nan, torch.nan]])
    loss = localisation_loss(evidence, spoofed)
    expected = [np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0)), np.log1p(np.exp(0.5))]
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-6)
    loss.backward()
    assert evidence.grad is not None
    assert evidence.grad[spoofed.isnan()].eq(0).all()
    nothing = localisation_loss(evidence, torch.full((2, 3), torch.nan))
    assert nothing.item() == 0
    nothing.backward()


def test_known_moments_count_the_same_in_every_process(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    evidence, spoofed = torch.randn(5, 6, generator=generator), torch.full((5, 6), torch.nan)
    spoofed[0, :2], spoofed[1], spoofed[3, :1] = 1.0, 0.0, 1.0
    whole = localisation_loss(evidence, spoofed)
    both = torch.tensor([9.0, 5.0])  # known moments, utterances
    monkeypatch.setattr("reprise.deepfake.explainer.model.sum_over_processes", lambda own: both)
    shares = [localisation_loss(evidence[rows], spoofed[rows]) * len(rows) / 5 for rows in ([0, 1], [2, 3, 4])]
    assert (shares[0] + shares[1]).item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("key", ["lambda_bonafide_reg", "lambda_temporal_smooth", "lambda_sparsity"])
def test_every_lambda_is_read(key):
    windows, mask, spoof = data()
    explanation = made().eval()(windows, mask)
    none = dict.fromkeys(("lambda_bonafide_reg", "lambda_temporal_smooth", "lambda_sparsity"), 0.0)
    plain = explainer_loss(explanation, mask, spoof, params(**none))
    assert plain.item() == pytest.approx(
        F.binary_cross_entropy_with_logits(explanation.logits, spoof.float()).item(), rel=1e-5
    )
    importance = explanation.evidence.sigmoid()
    means = torch.stack([importance[row][mask[row]].mean() for row in range(len(spoof))])
    jumps = torch.stack([importance[row][mask[row]].diff().abs().sum() / mask[row].sum() for row in range(len(spoof))])
    expected = {
        "lambda_bonafide_reg": means[~spoof].mean(),
        "lambda_temporal_smooth": jumps.mean(),
        "lambda_sparsity": means[spoof].mean(),
    }[key]
    more = explainer_loss(explanation, mask, spoof, params(**(none | {key: 2.0})))
    assert (more - plain).item() == pytest.approx(2 * expected.item(), rel=1e-4)


def test_no_importance_anywhere_is_not_the_best_answer():
    """The published loss has its minimum there."""
    windows, mask, spoof = data(40, seed=3)
    explainer = made("learnable")
    optimizer = torch.optim.Adam(explainer.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        explanation = explainer(windows, mask)
        explainer_loss(explanation, mask, spoof, params()).backward()
        optimizer.step()
    importance = (explanation.importance * mask).sum(1) / mask.sum(1)
    assert importance[spoof].mean() > importance[~spoof].mean() + 0.2
