import numpy as np
import pytest
import torch
from scipy.special import softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from reprise.documents.network.out_of_fold import OutOfFold
from reprise.documents.quality.calibration import (
    TEMPERATURES,
    at_bound,
    calibration_error,
    calibration_error_interval,
    compare,
    cross_fitted_temperatures,
    fit_temperature,
    joint_loss,
    negative_log_likelihood,
    reliability,
)


def overconfident(count=600, scale=3.0, seed=0, folds=3):
    """Logits whose right temperature is `scale`: labels are drawn from the softmax of logits / scale."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 5)) * 2
    targets = np.array([generator.choice(5, p=row) for row in softmax(logits, axis=1)])
    ids = np.arange(count).astype(str).astype(object)
    logits = (logits * scale).astype(np.float32)
    return OutOfFold(ids, logits, logits[None], targets, np.arange(count) % folds, {})


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 12.0])
def test_the_temperature_is_the_likeliest_of_a_fine_grid(scale):
    data = overconfident(scale=scale)
    grid = np.geomspace(*TEMPERATURES, 2001)
    likelihoods = [negative_log_likelihood(data.logits.astype(float), data.targets, value) for value in grid]
    found = fit_temperature(data.logits, data.targets)
    assert found == pytest.approx(grid[np.argmin(likelihoods)], rel=3e-3)
    assert found == pytest.approx(scale, rel=0.15)
    assert not at_bound(found)


def test_the_temperature_is_scikit_learns_where_no_logarithm_is_cut_short():
    """Its detour over log(p + 1e-12) does no harm to unsure logits."""
    from sklearn.calibration import _TemperatureScaling

    data = overconfident(scale=1.5)
    reference = _TemperatureScaling().fit(data.logits.astype(float), data.targets)
    assert fit_temperature(data.logits, data.targets) == pytest.approx(1 / float(reference.beta_), rel=1e-3)


def test_logits_that_are_always_right_meet_the_bound_instead_of_nought():
    logits = 5 * np.eye(4)[np.arange(40) % 4]
    temperature = fit_temperature(logits, np.arange(40) % 4)
    assert temperature == pytest.approx(TEMPERATURES[0], rel=1e-3)
    assert at_bound(temperature)


def test_very_sure_logits_are_not_cut_short():
    """Where a wrong class's probability is under 1e-12, each unit of its logit still counts."""
    data = overconfident(scale=12.0)
    assert np.median(np.ptp(data.logits, axis=1)) > -np.log(1e-12)
    assert fit_temperature(data.logits, data.targets) == pytest.approx(12.0, rel=0.15)


def test_one_fold_takes_its_own_pages():
    data = overconfident(folds=1)
    fitted = cross_fitted_temperatures(data.logits, data.targets, data.folds, [0])
    assert fitted == {0: fit_temperature(data.logits, data.targets)}


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


def test_without_calibration_the_temperature_is_one_and_nothing_changes():
    data = overconfident()
    report, _ = compare(data, data.damaged, None, np.arange(600), 0)
    assert report["temperature"] == 1
    assert report["temperature_by_fold"] == {"0": 1.0, "1": 1.0, "2": 1.0}
    for name in ("ece", "nll"):
        assert report[f"{name}_after"] == pytest.approx(report[f"{name}_before"])


def test_after_is_cross_fitted_and_better_where_logits_are_overconfident():
    data = overconfident()
    temperatures = cross_fitted_temperatures(data.logits, data.targets, data.folds, [0, 1, 2])
    others = data.folds != 1
    assert temperatures[1] == pytest.approx(fit_temperature(data.logits[others], data.targets[others]))
    report, curves = compare(data, data.damaged, temperatures, np.arange(600), 0)
    each = np.array([temperatures[fold] for fold in data.folds])[:, None]
    own = softmax(data.logits.astype(np.float64) / each, axis=1)
    assert report["ece_after"] == pytest.approx(calibration_error(own, data.targets))
    assert report["ece_after"] < report["ece_before"]
    low, high = report["ece_after_ci95"]
    assert low < report["ece_after"] < high
    assert report["nll_after"] < report["nll_before"]
    assert curves.keys() == {"before", "after"}


def test_the_temperature_stays_one_where_other_folds_do_not_gain():
    data = overconfident()
    report, _ = compare(
        data, data.damaged, {0: 0.05, 1: 0.05, 2: 0.05}, np.arange(600), 0
    )  # as if the other folds had misled
    assert report["temperature"] == 1.0
    assert report["nll_after"] == report["nll_before"]
    assert report["ece_after"] == report["ece_before"]


def test_pages_and_their_damaged_copies_count_alike():
    data, generator = overconfident(scale=1.5), np.random.default_rng(1)
    damaged = data.logits + generator.normal(size=(8, *data.logits.shape)) * 4  # eight views, each unsure in its way
    grid = np.geomspace(*TEMPERATURES, 801)
    losses = []
    for value in grid:
        pages = np.log(softmax(data.logits.astype(float) / value, axis=1))[np.arange(600), data.targets]
        views = np.log(softmax(damaged / value, axis=-1).mean(0))[np.arange(600), data.targets]
        losses.append(-(pages.mean() + views.mean()) / 2)
    found = fit_temperature(data.logits, data.targets, damaged)
    assert found == pytest.approx(grid[np.argmin(losses)], rel=1e-2)
    assert found > fit_temperature(data.logits, data.targets)
    assert joint_loss(data.logits, damaged, data.targets, found) == pytest.approx(min(losses), abs=1e-5)


def test_a_mean_of_calibrated_forecasts_is_less_sure_than_one_of_their_logits():
    """Five views of one truth, each right as often as it says: what the ensemble is spared."""
    generator = np.random.default_rng(0)
    targets = generator.integers(3, size=4000)
    logits = 2 * np.eye(3)[targets] + generator.normal(size=(5, 4000, 3)) * 1.0
    logits = logits * 2.0  # the log-likelihood ratio of unit Gaussians two apart
    one = calibration_error(softmax(logits[0], axis=1), targets)
    by_probabilities = calibration_error(softmax(logits, axis=-1).mean(0), targets)
    by_logits = calibration_error(softmax(logits.mean(0), axis=1), targets)
    assert one < 0.02
    assert by_logits < by_probabilities
    assert by_probabilities > 0.08


def test_the_interval_of_the_calibration_error_is_that_of_drawing_groups_less_their_bias():
    data, generator = overconfident(count=120), np.random.default_rng(2)
    probabilities, groups = softmax(data.logits.astype(np.float64), axis=1), np.arange(120) // 3
    found = []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in generator.integers(0, 40, 40)])
        found.append(calibration_error(probabilities[rows], data.targets[rows]))
    bias = np.mean(found) - calibration_error(probabilities, data.targets)
    interval = calibration_error_interval(probabilities, data.targets, groups, 0)
    assert interval == pytest.approx(np.quantile(found, [0.025, 0.975]) - bias, abs=0.02)


def test_the_interval_of_the_calibration_error_holds_the_figure_beside_which_it_stands():
    """Also of calibrated forecasts, of which nearly all draws have a higher error."""
    for seed in range(10):
        data = overconfident(count=150, scale=1.0, seed=seed)
        probabilities = softmax(data.logits.astype(np.float64), axis=1)
        low, high = calibration_error_interval(probabilities, data.targets, np.arange(150), seed)
        assert 0 <= low < calibration_error(probabilities, data.targets) < high
