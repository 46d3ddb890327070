import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.documents.learning import learner as learner_module
from reprise.documents.learning.augment import Augmentation
from reprise.documents.learning.dataset import PageDataset, make_loaders
from reprise.documents.learning.learner import (
    Learner,
    augmented_batches,
    logit_adjustment,
    make_learner,
    soft_focal_loss,
)
from reprise.documents.network.batch_norm import recalibrated_batch_norms
from reprise.documents.network.model import (
    Classifier,
    build_network,
    freeze_blocks,
)
from reprise.training.fit import Run, fit
from tests.documents.helpers import KINDS, draw_page, page_dataset, tiny_recipe
from tests.training.toy_training import HARDWARE, LOG


def train(tmp_path, monkeypatch, data=None, hardware=HARDWARE, **changes):
    """A few steps of fit(); returns the learner and the result."""
    monkeypatch.chdir(tmp_path)
    small = {"image_size": 32, "epochs": 3, "batch_size": 8}
    return fit_in(tmp_path, tiny_recipe(**(small | changes)), page_dataset() if data is None else data, hardware)


def fit_in(folder, recipe, data, hardware=HARDWARE, prepare=lambda learner: None):
    torch.manual_seed(0)
    learner = make_learner(recipe, data, 3, 0)
    prepare(learner)
    run = Run(
        name="documents",
        params=recipe,
        hardware=hardware,
        log=LOG.model_copy(update={"every_n_steps": 1}),
        seed=0,
        inputs=["pages"],
        live_folder=folder / "live",
        monitor=recipe.monitor,
        mode="max" if recipe.monitor == "macro_f1" else "min",
    )
    loaders = make_loaders(data, data, recipe.batch_size, recipe.balanced_sampling, 0, hardware)
    return learner, fit(learner, *loaders, run)


def step_values(tmp_path, name="lr"):
    rows = (tmp_path / f"live/plots/metrics/{name}.tsv").read_text().splitlines()[1:]
    return [float(row.split("\t")[1]) for row in rows]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "median"}, r"pooling 'median' is not for mobilenetv3_small_050; choose from avg, max, .*gem$"),
        (
            {"model": "vit_tiny_patch16_224", "pooling": "gem"},
            r"'gem' is not for vit_tiny\S+; choose from avg, .*token",
        ),
        ({"model": "mobilnet"}, r"model 'mobilnet' is not one of timm's; it has, among others, "),
        ({"model_options": {"wings": 2.0}}, r"mobilenetv3_small_050 at 64 px, options \{'wings': 2.0\}: .*wings"),
        ({"weights": "none.safetensors"}, r"none\.safetensors: no such weights file"),
        ({"optimizer": "sgdd"}, r"optimizer 'sgdd'.*sgd"),
        ({"frozen_blocks": 99}, r"frozen_blocks 99: the network has \d+ groups"),
    ],
)
def test_what_timm_does_not_have_is_one_clear_line(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        make_learner(tiny_recipe(**changes), page_dataset(), 3, 0).configure_optimizers()
    assert "\n" not in str(caught.value)


def test_frozen_blocks_do_not_change_and_the_others_do(tmp_path, monkeypatch):
    before = build_network(tiny_recipe(frozen_blocks=2), 3)
    assert freeze_blocks(before, 2)
    frozen = {name for name, parameter in before.named_parameters() if not parameter.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"conv_stem", "bn1", "blocks"}
    assert all(name.startswith("blocks.0.") for name in frozen if name.startswith("blocks"))
    torch.manual_seed(0)
    start = make_learner(
        tiny_recipe(image_size=32, frozen_blocks=2), page_dataset(), 3, 0
    ).classifier.network.state_dict()
    start = copy.deepcopy(start)
    learner, _ = train(tmp_path, monkeypatch, frozen_blocks=2, epochs=1)
    for name, value in learner.classifier.network.state_dict().items():
        still = name in frozen or name.startswith(("bn1.", "blocks.0."))  # batch norm's statistics too
        assert torch.equal(value, start[name]) == still or name.endswith("num_batches_tracked"), name


def test_frozen_norms_keep_their_statistics_and_learn_their_weights(tmp_path, monkeypatch):
    changes: dict[str, Any] = {"frozen_norms": True, "frozen_blocks": 2}
    torch.manual_seed(0)
    start = copy.deepcopy(
        make_learner(tiny_recipe(image_size=32, **changes), page_dataset(), 3, 0).classifier.network.state_dict()
    )
    learner, _ = train(tmp_path, monkeypatch, epochs=1, **changes)
    changed = {
        name for name, value in learner.classifier.network.state_dict().items() if not torch.equal(value, start[name])
    }
    assert not {name for name in changed if "running" in name or "tracked" in name}
    assert {"blocks.3.0.conv_dw.weight", "blocks.3.0.bn2.weight", "classifier.weight"} <= changed


@pytest.mark.parametrize("frozen_blocks", [0, 2])
def test_the_network_trains_on_after_a_validation(tmp_path, monkeypatch, frozen_blocks):
    """Dropout and batch norm would rest from the second epoch on."""
    modes, original = [], Learner.training_step

    def record(self, *arguments):
        modes.append([module.training for module in self.folded[0].modules() if isinstance(module, nn.BatchNorm2d)])
        return original(self, *arguments)

    monkeypatch.setattr(Learner, "training_step", record)
    train(tmp_path, monkeypatch, epochs=2, frozen_blocks=frozen_blocks)
    assert all(modes[0])
    assert len(modes) == 6
    assert modes == modes[:1] * 6


def test_pages_of_the_start_are_augmented_as_in_training():
    recipe = tiny_recipe(image_size=32, batch_size=8, recalibrate=16)
    torch.manual_seed(0)
    learner = make_learner(recipe, page_dataset(), 3, 0)
    assert all(module.training for module in learner.modules()), "it would train in evaluation mode"
    first, again = (
        list(augmented_batches(learner, page_dataset(), 8, torch.Generator().manual_seed(0))) for _ in range(2)
    )
    assert [len(images) for images, _ in first] == [12, 12, 12]
    assert all(torch.equal(one[0], other[0]) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("frozen_blocks", [0, 2])
@pytest.mark.parametrize(("recalibrate", "probe"), [(20, 2), (99, 1), (20, 0)])
def test_recalibration_and_the_fit_of_the_head_share_a_copy_of_the_pages(
    monkeypatch, recalibrate, probe, frozen_blocks
):
    """The first images measure the norms that learn, as in a plain pass over them; all fit the head."""
    data, seen, original = page_dataset(36), [], learner_module.augmented_batches

    def record(*arguments):
        for batch in original(*arguments):
            seen.append(batch[0])
            yield batch

    monkeypatch.setattr(learner_module, "augmented_batches", record)
    recipe = tiny_recipe(image_size=32, recalibrate=recalibrate, probe=probe, frozen_blocks=frozen_blocks)
    torch.manual_seed(0)
    network = make_learner(recipe, data, 3, 0).classifier.network
    measured = 2 if recalibrate == 20 else 3
    assert len(seen) == (3 * probe or measured)  # batches of 16 of 36 pages
    torch.manual_seed(0)
    plain = make_learner(recipe.model_copy(update={"recalibrate": 0, "probe": 0}), data, 3, 0).classifier.network
    with torch.no_grad(), recalibrated_batch_norms(plain):
        for images in seen[:measured]:
            plain(images)
    for (name, expected), value in zip(plain.state_dict().items(), network.state_dict().values(), strict=True):
        if not name.startswith("classifier."):
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5, msg=name)


def test_the_loss_is_torchs_with_smoothing_and_focal_by_its_formula():
    logits, targets = torch.randn(6, 4), torch.arange(6) % 4
    labels = F.one_hot(targets, 4).float()
    assert torch.allclose(
        soft_focal_loss(logits, labels, 0, 0.1), F.cross_entropy(logits, targets, label_smoothing=0.1)
    )
    own = logits.softmax(1)[torch.arange(6), targets]
    assert torch.allclose(soft_focal_loss(logits, labels, 2.0, 0), (-((1 - own) ** 2) * own.log()).mean())


def test_logit_adjustment_is_the_centred_log_prior_and_none_for_not_upright():
    counts = torch.tensor([10.0, 30.0, 60.0])
    adjustment = logit_adjustment(counts, 4, 2.0)
    expected = 2 * (counts / 100).log()
    assert torch.allclose(adjustment[:3], expected - expected.mean())
    assert adjustment[3] == 0
    logits, labels = torch.randn(5, 4), F.one_hot(torch.arange(5) % 3, 4).float()
    classifier = Classifier(build_network(tiny_recipe(), 3), True, True)
    learner = Learner(classifier, tiny_recipe(loss="logit_adjusted", logit_adjustment=2.0), counts, 0)
    assert torch.allclose(learner.loss(logits, labels), soft_focal_loss(logits + adjustment, labels, 0, 0.1))


def test_cosine_with_warm_up_ends_at_zero_over_steps_not_epochs(tmp_path, monkeypatch):
    _, result = train(tmp_path, monkeypatch, epochs=6, lr=1e-3, warmup=0.34)
    rates = step_values(tmp_path)
    last = (1 + math.cos(math.pi * 11 / 12)) / 2  # the last of 12 steps after the warm-up; it would be 0 after it
    assert rates[-1] == pytest.approx(1e-3 * last, rel=1e-5)
    assert rates[:2] == pytest.approx([3e-3 / 7, 6e-3 / 7])  # three steps an epoch; a third of 18 to warm up
    assert rates[2] == max(rates) == pytest.approx(1e-3, rel=0.1)
    assert rates[2] > rates[3] > rates[4] > rates[5]
    assert [row["lr"] for row in result.history] == pytest.approx(rates)


def test_plateau_cuts_the_rate_when_the_loss_stalls(tmp_path, monkeypatch):
    train(tmp_path, monkeypatch, epochs=8, lr=1e-6, schedule="plateau", plateau_patience=0, plateau_factor=0.5)
    rates = step_values(tmp_path)
    assert rates[-1] < rates[0] / 2


def test_the_logged_metrics_are_those_of_the_published_weights(tmp_path, monkeypatch):
    from sklearn.metrics import f1_score

    learner, result = train(tmp_path, monkeypatch, lr=8e-3, monitor="macro_f1")
    data = page_dataset()
    learner.eval()
    from reprise.documents.network.pages import upright

    with torch.no_grad():
        pages, targets = data[np.arange(len(data))]
        logits = learner.classifier(upright(pages, 32))[:, :3]
    expected = f1_score(targets, logits.argmax(1), average="macro")
    assert result.best["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert result.best["valid_loss"] == pytest.approx(float(F.cross_entropy(logits, targets)), rel=1e-4)


WIRED = [
    {"label_smoothing": 0.0},
    {"mixup": 1.0},
    {"cutmix": 1.0},
    {"erasing": 1.0},
    {"ema_decay": 0.5},
    {"average_best": 2, "lr": 8e-3},
    {"accumulate": 3},
    {"gradient_clip": 0.01},
    {"precision": "bf16-mixed"},
    {"layer_decay": 0.5},
    {"weight_decay": 0.9, "lr": 8e-3},
    {"balanced_sampling": True},
    {"loss": "focal"},
    {"loss": "logit_adjusted", "logit_adjustment": 3.0},
    {"standardise": False},
    {"optimizer": "sgd"},
    {"orientation": "fixed"},
    {"orientation": "augment"},
    {"augmentation": "light"},
    {"strength": 1.0},
    {"ramp": 0.0},
    {"recalibrate": 16},
    {"warmup": 0.0},
    {"schedule": "linear"},
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return trained(tmp_path_factory.mktemp("plain"), monkeypatch)


def trained(tmp_path, monkeypatch, data=None, **changes):
    """The published weights, and every epoch's metrics."""
    learner, result = train(tmp_path, monkeypatch, data, **changes)
    return weights_of(learner).tolist(), result.history


def weights_of(learner):
    return torch.cat([value.float().flatten() for value in learner.classifier.network.state_dict().values()])


@pytest.mark.parametrize("changes", WIRED, ids=lambda changes: "-".join(f"{k}={v}" for k, v in changes.items()))
def test_every_option_changes_what_is_trained(tmp_path, monkeypatch, plain, changes):
    """Offered and not wired is the classical trap: each option, alone, must leave its mark."""
    base = plain
    if "lr" in changes:
        base = trained(tmp_path, monkeypatch, lr=changes["lr"])
    data = None
    if changes == {"loss": "logit_adjusted", "logit_adjustment": 3.0} or changes == {"balanced_sampling": True}:
        data = uneven_dataset(np.array([0] * 12 + [1] * 8 + [2] * 4))
        base = trained(tmp_path, monkeypatch, data)
    weights, history = trained(tmp_path, monkeypatch, data, **changes)
    rates_alone = changes.keys() <= {"schedule", "warmup"}  # the first epoch, which may be the best, can be as before
    assert (history != base[1]) if rates_alone else (weights != base[0])


def uneven_dataset(targets):
    drawn = [np.asarray(draw_page(KINDS[target], number, 36)) for number, target in enumerate(targets)]
    return PageDataset(np.stack(drawn), targets, np.arange(len(targets)))


@pytest.mark.parametrize("level", ["none", "light", "hard"])
def test_pages_are_augmented_anew_in_every_epoch(tmp_path, monkeypatch, level):
    """All pages are one batch: without augmentation, its sum is the same in every order."""
    sums, original = [], Augmentation.__call__

    def record(self, *arguments):
        images, labels = original(self, *arguments)
        sums.append(images.sum().item())
        return images, labels

    monkeypatch.setattr(Augmentation, "__call__", record)
    train(tmp_path, monkeypatch, epochs=2, batch_size=24, ramp=0.0, orientation="fixed", augmentation=level)
    assert (sums[0] == pytest.approx(sums[1], rel=1e-6)) == (level == "none")


def test_early_stopping_stops(tmp_path, monkeypatch):
    _, result = train(tmp_path, monkeypatch, epochs=8, lr=1e-12, patience=1)
    assert len(result.history) < 8


def test_workers_change_nothing(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = weights_of(train(tmp_path / "a", monkeypatch, epochs=1)[0])
    two = HARDWARE.model_copy(update={"workers": 1})
    second = weights_of(train(tmp_path / "b", monkeypatch, hardware=two, epochs=1)[0])
    assert torch.equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["basic", "fast", "highperf"])
def test_the_large_recipes_build_train_and_resume(tmp_path, monkeypatch, name):
    """The networks themselves, with random weights; pages are few, and small where the model takes that.

    Not in mixed precision, for which AVX2 has no instructions: a step of Swin-B would take a minute.
    """
    recipe = tiny_recipe(name)
    size = {"basic": 64, "fast": 64, "highperf": recipe.image_size}[name]
    recipe = tiny_recipe(name, weights="none", image_size=size, epochs=2, batch_size=2, precision="32-true")
    data = page_dataset(2, 40)

    def run(folder, stop_at=None):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        before, steps = [], iter(range(9))

        def prepare(learner):
            before.append(weights_of(learner))

            def stop(*_):
                if next(steps) == stop_at:
                    raise InterruptedError

            learner.on_train_batch_end = stop

        learner, _ = fit_in(folder, recipe, data, prepare=prepare)
        return before[0], weights_of(learner)

    before, unbroken = run(tmp_path / "whole")
    assert not torch.equal(before, unbroken)
    with pytest.raises(InterruptedError):
        run(tmp_path / "broken", stop_at=1)
    assert torch.equal(run(tmp_path / "broken")[1], unbroken)
