import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import f1_score
from torchmetrics.functional.classification import multiclass_calibration_error

from reprise.documents.data.tables import Classes
from reprise.documents.quality.calibration import (
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from reprise.documents.quality.out_of_fold import OutOfFold
from reprise.documents.quality.suspects import confident_thresholds, find_suspects
from reprise.documents.stages.calibrate import compare, cross_fitted_temperatures
from reprise.documents.stages.evaluate import scores


def overconfident(count=600, scale=3.0, seed=0, folds=3):
    """Logits whose right temperature is `scale`: labels are drawn from the softmax of logits / scale."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 5)) * 2
    targets = np.array([generator.choice(5, p=row) for row in softmax(logits, axis=1)])
    return OutOfFold((logits * scale).astype(np.float32), targets, np.arange(count) % folds)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_the_temperature_is_the_likeliest(scale):
    data = overconfident(scale=scale)
    logits, targets = data.logits, data.targets

    def objective(log_temperature):
        return negative_log_likelihood(logits, targets, float(np.exp(log_temperature)))

    optimum = float(np.exp(minimize_scalar(objective, bounds=(-4, 4), method="bounded").x))
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(optimum, rel=2e-3)
    assert found == pytest.approx(scale, rel=0.15)


def test_a_class_without_a_page_does_not_disturb_the_temperature():
    data = overconfident()
    kept = data.targets != 2
    wide = np.concatenate([data.logits[kept], np.full((kept.sum(), 1), -1e3, np.float32)], axis=1)
    assert fit_temperature(wide, data.targets[kept]) == pytest.approx(
        fit_temperature(data.logits[kept], data.targets[kept]), rel=1e-3
    )


def test_the_calibration_error_is_torchmetrics():
    data = overconfident()
    probabilities = softmax(data.logits.astype(np.float64), axis=1)
    reference = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(data.targets), num_classes=5, n_bins=15
    )
    assert calibration_error(probabilities, data.targets) == pytest.approx(float(reference), abs=1e-6)
    confidence, accuracy, pages = reliability(probabilities, data.targets)
    assert pages.sum() == len(data.targets)
    filled = pages > 0
    assert (accuracy[filled] * pages[filled]).sum() == pytest.approx(
        (probabilities.argmax(1) == data.targets).sum(), abs=1e-6
    )
    assert np.isnan(confidence[~filled]).all()


def test_after_is_cross_fitted_and_better_where_logits_are_overconfident():
    data = overconfident()
    temperatures = cross_fitted_temperatures(data, 3)
    others = data.folds != 1
    assert temperatures[1] == pytest.approx(fit_temperature(data.logits[others], data.targets[others]))
    report, curves = compare(data, temperatures)
    own = softmax(data.logits.astype(np.float64) / temperatures[data.folds][:, None], axis=1)
    assert report["ece_after"] == pytest.approx(calibration_error(own, data.targets))
    assert report["ece_after"] < report["ece_before"]
    assert report["nll_after"] < report["nll_before"]
    assert curves.keys() == {"before", "after"}


def test_the_temperature_stays_one_where_other_folds_do_not_gain():
    data = overconfident()
    report, _ = compare(data, np.array([0.05, 0.05, 0.05]))  # as if the other folds had misled
    assert report["temperature"] == 1.0
    assert report["nll_after"] == report["nll_before"]
    assert report["ece_after"] == report["ece_before"]


def test_scores_are_scikit_learns():
    generator = np.random.default_rng(0)
    targets, predicted = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    result = scores(predicted, targets, Classes(("0", "1", "2", "3"), ("a", "b", "c", "d")))
    assert result["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    hits = ((predicted == 1) & (targets == 1)).sum()
    assert result["per_class"]["b"]["precision"] == pytest.approx(hits / (predicted == 1).sum())
    assert result["per_class"]["b"]["recall"] == pytest.approx(hits / (targets == 1).sum())
    assert result["per_class"]["b"]["support"] == (targets == 1).sum()
    assert result["accuracy"] == (targets == predicted).mean()


def test_thresholds_are_the_mean_confidence_of_each_label():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0]])
    assert confident_thresholds(probabilities, np.array([0, 0, 1])).tolist() == pytest.approx([0.8, 0.8, np.inf])


def test_flipped_labels_are_found_and_unsure_ones_are_not():
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 4, 400)
    logits = generator.normal(size=(400, 4)) + 5 * np.eye(4)[targets]
    probabilities = softmax(logits, axis=1)
    given = targets.copy()
    flipped = generator.choice(400, 20, replace=False)
    given[flipped] = (given[flipped] + 1) % 4
    found = find_suspects(probabilities, given)
    assert len(set(found["row"]) & set(flipped)) >= 15
    assert len(set(found["row"]) - set(flipped)) <= 4
    gaps = found["probability"] - found["label_probability"]
    assert (gaps.diff().dropna() <= 1e-12).all()
    assert (found["predicted"] != found["target"]).all()
    unsure = np.full((2, 4), 0.25) + np.eye(4)[:2] * 0.01
    rows = find_suspects(np.concatenate([probabilities, unsure]), np.concatenate([given, [2, 3]]))["row"]
    assert rows.tolist() == found["row"].tolist()
