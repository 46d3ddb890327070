"""The explainer's parts against their definitions, and the traps of the published one."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.explainer.faithfulness import (
    FRACTIONS,
    FRAME,
    faithfulness,
    frame_labels,
    localisation,
    most_important,
    pointing_hit,
    replace_frames,
    resample_importance,
)
from reprise.deepfake.explainer.model import MODES, NATURAL, SPOOF, Explainer, ExplainerParams, explainer_loss
from reprise.deepfake.explainer.windows import LENGTHS, cut_windows, describe, moment_centres
from reprise.deepfake.stages.explain import frame_means, gradient_importance, replacements
from reprise.deepfake.stages.explainer import refuse_collapse
from tests.conftest import read_params
from tests.deepfake.helpers import make_corpus, speech, tiny_recipe


def settings(**changes: Any) -> ExplainerParams:
    return parse_params(read_params()["deepfake"]["explainer"] | changes, ExplainerParams, "explainer")


def data(count=6, moments=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    spoof = torch.arange(count) % 2 == 1
    windows = torch.randn(count, moments, 3, 5, generator=generator) + spoof[:, None, None, None] * 0.8
    mask = torch.ones(count, moments, dtype=torch.bool)
    mask[0, 5:] = False
    return windows, mask, spoof


def made(mode="ema", dropout=0.0, smoothing=0.0) -> Explainer:
    torch.manual_seed(0)
    explainer = Explainer(15, 16, dropout, 0.07, smoothing, mode)
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
    loss = explainer_loss(explanation, mask, spoof, settings())
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


@pytest.mark.parametrize("key", ["lambda_bonafide_reg", "lambda_temporal_smooth", "lambda_sparsity"])
def test_every_lambda_is_read(key):
    windows, mask, spoof = data()
    explanation = made().eval()(windows, mask)
    none = dict.fromkeys(("lambda_bonafide_reg", "lambda_temporal_smooth", "lambda_sparsity"), 0.0)
    plain = explainer_loss(explanation, mask, spoof, settings(**none))
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
    more = explainer_loss(explanation, mask, spoof, settings(**(none | {key: 2.0})))
    assert (more - plain).item() == pytest.approx(2 * expected.item(), rel=1e-4)


def test_no_importance_anywhere_is_not_the_best_answer():
    """The published loss has its minimum there."""
    windows, mask, spoof = data(40, seed=3)
    explainer = made("learnable")
    optimizer = torch.optim.Adam(explainer.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        explanation = explainer(windows, mask)
        explainer_loss(explanation, mask, spoof, settings()).backward()
        optimizer.step()
    importance = (explanation.importance * mask).sum(1) / mask.sum(1)
    assert importance[spoof].mean() > importance[~spoof].mean() + 0.2


def test_a_collapsed_explainer_is_refused():
    good = {"importance_std": 0.3, "importance_spoof_mean": 0.6, "importance_bonafide_mean": 0.1}
    refuse_collapse("ema", good)
    for bad in ({"importance_std": 0.001}, {"importance_bonafide_mean": 0.58}, {"importance_spoof_mean": 0.1}):
        with pytest.raises(InputError, match="explainer-ema collapsed: its importance on dev varies by"):
            refuse_collapse("ema", good | bad)


def test_windows_lie_around_their_moments_and_inside_the_recording():
    samples = np.arange(20_000, dtype=np.float32)
    centres = moment_centres(len(samples))
    assert centres.tolist() == list(range(800, 20_000, 1600))
    windows = cut_windows(samples, 0.4)
    assert windows.shape == (12, 6400)
    assert windows[5][0] == centres[5] - 3200
    assert windows[0][0] == 0
    assert windows[-1][-1] == 19_999
    assert cut_windows(samples[:3000], 0.4).shape[1] == 6400


@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.5, 1.3])
def test_a_moments_description_is_what_the_detector_says_of_its_windows(seconds):
    detector = Detector(tiny_recipe()).eval()
    samples = speech(seconds, 0)
    described = describe(samples, detector)
    assert described.shape == (len(moment_centres(len(samples))), len(LENGTHS), 33)
    window = cut_windows(samples, LENGTHS[0])[0]
    with torch.no_grad():
        output = detector(torch.from_numpy(window)[None])
    assert np.allclose(described[0, 0, :-1], output.vectors[0].numpy(), atol=1e-3)
    assert described[0, 0, -1] == pytest.approx(float(output.logits[0]), abs=1e-3)


def test_what_happens_far_away_does_not_move_a_moment():
    detector = Detector(tiny_recipe()).eval()
    samples = speech(3, 0)
    other = samples.copy()
    other[-RATE:] = speech(1, 9)
    first, second = describe(samples, detector), describe(other, detector)
    assert np.allclose(first[:14], second[:14], atol=1e-4)
    assert not np.allclose(first[-3:], second[-3:], atol=1e-2)


def test_frames_labels_and_importance():
    labels = frame_labels(10 * FRAME, 3 * FRAME, 6 * FRAME + FRAME // 4)
    assert labels.nonzero()[0].tolist() == [3, 4, 5]
    importance = np.linspace(0, 1, 10)
    assert localisation(importance, labels) == pytest.approx(roc_auc_score(labels, importance))
    assert pointing_hit(np.where(labels, 1.0, 0.5), labels) == 1.0
    assert pointing_hit(np.ones(10), labels) == pytest.approx(0.3)
    assert resample_importance(np.array([0.0, 1.0]), 4).tolist() == [0.0, 0.25, 0.75, 1.0]
    assert most_important(np.array([0.1, 0.9, 0.5, 0.9]), 0.5).tolist() == [False, True, False, True]


def test_replacing_frames_puts_the_others_samples_there():
    samples, other = np.zeros(10 * FRAME, np.float32), np.ones(10 * FRAME, np.float32)
    frames = np.zeros(10, bool)
    frames[4:7] = True
    made_of_both = replace_frames(samples, other, frames)
    assert (made_of_both[: 4 * FRAME - 50] == 0).all()
    assert np.allclose(made_of_both[4 * FRAME + 50 : 7 * FRAME - 50], 1, atol=1e-5)
    assert np.allclose(replace_frames(samples, other, np.ones(10, bool)), 1, atol=1e-5)
    assert (
        len(replace_frames(np.zeros(FRAME + 7, np.float32), np.ones(FRAME + 7, np.float32), np.ones(1, bool)))
        == FRAME + 7
    )


def test_the_true_order_is_the_most_faithful():
    """A detector that hears the third frame alone."""
    samples, natural = np.ones(10 * FRAME, np.float32), np.zeros(10 * FRAME, np.float32)

    def probability(recordings):
        return np.array([recording[3 * FRAME + 100 : 4 * FRAME - 100].mean() for recording in recordings])

    truth, wrong = np.eye(10)[3], 1 - np.eye(10)[3]
    right, false = (faithfulness(samples, natural, importance, probability) for importance in (truth, wrong))
    assert right["deletion_auc"] < 0.1 < 0.7 < false["deletion_auc"]
    assert right["insertion_auc"] > 0.9
    assert right["comprehensiveness"] == pytest.approx(1, abs=1e-3)
    assert false["comprehensiveness"] == pytest.approx(0, abs=1e-3)
    assert right["sufficiency"] == pytest.approx(0, abs=1e-3)
    assert FRACTIONS[0] == 0
    assert FRACTIONS[-1] == 1


def test_frames_are_replaced_by_twins_else_by_the_speaker_else_by_anyone():
    corpus = make_corpus(4)
    corpus.table.loc[5, "twin"] = -1
    corpus.table.loc[6, "twin"] = -1
    corpus.table.loc[6, "speaker"] = "nobody"
    found, kinds = replacements(corpus, np.array([4, 5, 6]), 0)
    assert dict(kinds) == {"twin": 1, "same_speaker": 1, "other_speaker": 1}
    assert np.array_equal(found[0], corpus.waveform(0))
    assert np.corrcoef(found[1], corpus.waveform(1))[0, 1] > 0.99


def test_baselines_by_their_definitions():
    samples = np.repeat(np.arange(5, dtype=np.float32), FRAME)
    assert frame_means(samples).tolist() == [0, 1, 2, 3, 4]
    importance = gradient_importance(speech(0.6, 0), Detector(tiny_recipe()).eval(), "cpu")
    assert importance.shape == (30,)
    assert (importance >= 0).all()
    assert importance.max() > 0
