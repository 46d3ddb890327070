"""Networks of timm as classifiers, and whether every promise of a recipe is wired."""

import copy

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.documents.network.augment import Augmentation
from reprise.documents.network.dataset import PageDataset, open_pages
from reprise.documents.network.learner import Learner, logit_adjustment, make_loaders, soft_focal_loss
from reprise.documents.network.model import (
    Classifier,
    GeM,
    build_network,
    freeze_blocks,
    pixel_statistics,
    recalibrate_batch_norm,
)
from reprise.documents.stages.train import calibration_batches, make_learner, refuse_chance
from reprise.training.fit import fit
from tests.conftest import read_params
from tests.documents.helpers import KINDS, draw_page, tiny_recipe
from tests.training.toy_training import HARDWARE


def dataset(count=24, size=36):
    drawn = [np.asarray(draw_page(KINDS[number % 3], number, size)) for number in range(count)]
    return PageDataset(np.stack(drawn), np.arange(count) % 3, np.arange(count))


def train(tmp_path, monkeypatch, rows=None, **changes):
    """A few steps of fit(); returns the learner and the result."""
    monkeypatch.chdir(tmp_path)
    small = {"image_size": 32, "epochs": 3, "batch_size": 8, "log_every_n_steps": 1}
    recipe = tiny_recipe(**(small | changes))
    data = dataset()
    torch.manual_seed(0)
    learner = make_learner(recipe, data, 3, 0)
    result = fit(
        learner,
        *make_loaders(data, data, recipe.batch_size, recipe.balanced_sampling, 0, HARDWARE),
        settings=recipe,
        hardware=HARDWARE,
        seed=0,
        name="documents",
        fingerprint="",
        live_folder=tmp_path / "live",
        monitor=recipe.monitor,
        mode="max" if recipe.monitor == "macro_f1" else "min",
    )
    return learner, result


def step_values(tmp_path, name="lr"):
    rows = (tmp_path / f"live/plots/metrics/{name}.tsv").read_text().splitlines()[1:]
    return [float(row.split("\t")[1]) for row in rows]


def test_gem_is_the_mean_at_one_and_nears_the_maximum():
    features = torch.rand(2, 5, 4, 4) + 0.1
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert torch.allclose(GeM(pool, 1.0)(features), features.mean((2, 3)), atol=1e-6)
    assert torch.allclose(GeM(pool, 200.0)(features), features.amax((2, 3)), rtol=0.03)
    expected = (features.double() ** 3).mean((2, 3)) ** (1 / 3)
    assert torch.allclose(GeM(pool)(features).double(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "pooling", "size"),
    [
        ("mobilenetv3_small_050", "gem", 32),
        ("mobilenetv3_small_050", "catavgmax", 32),
        ("resnet10t", "max", 64),
        ("vit_tiny_patch16_224", "token", 32),
        ("vit_tiny_patch16_224", "avg", 224),
    ],
)
def test_poolings_that_a_model_takes(model, pooling, size):
    network = build_network(tiny_recipe(model=model, pooling=pooling, image_size=size), 3)
    assert network(torch.rand(2, 3, size, size)).shape == (2, 4)
    assert any(isinstance(module, GeM) for module in network.modules()) == (pooling == "gem")


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
        make_learner(tiny_recipe(**changes), dataset(), 3, 0).configure_optimizers()
    assert "\n" not in str(caught.value)


def test_the_hub_without_a_network_is_one_clear_line():
    with pytest.raises(InputError, match=r"^resnet10t: weights hub: .*or give weights as a path"):
        build_network(tiny_recipe(model="resnet10t", weights="hub"), 3)


def test_weights_of_another_task_load_but_for_the_classifier(tmp_path):
    other = timm.create_model("mobilenetv3_small_050", num_classes=10)
    path = tmp_path / "w.safetensors"
    save_file({name: value for name, value in other.state_dict().items() if "classifier" not in name}, path)
    network = build_network(tiny_recipe(weights=str(path), pooling="gem"), 3)
    assert torch.equal(network.state_dict()["conv_stem.weight"], other.state_dict()["conv_stem.weight"])
    state = other.state_dict()
    state["conv_stam.weight"] = state.pop("conv_stem.weight")
    save_file(state, path)
    with pytest.raises(InputError, match=r"missing: conv_stem\.weight; extra: conv_stam\.weight"):
        build_network(tiny_recipe(weights=str(path)), 3)


def test_pages_are_normalised_as_the_weights_were_or_each_by_itself():
    network = build_network(tiny_recipe(), 3)
    images = torch.rand(4, 3, 64, 64) * 0.5 + 0.2
    mean, deviation = pixel_statistics(network)
    assert torch.allclose(Classifier(network, True, False).normalise(images), (images - mean) / deviation, atol=1e-5)
    own = Classifier(network, True, True).normalise(images)
    assert torch.allclose(own.mean((1, 2, 3)), torch.zeros(4), atol=1e-5)
    darker = Classifier(network, True, True).normalise(images * 0.5 + 0.1)
    assert torch.allclose(own, darker, rtol=0.15, atol=0.05)  # but for what keeps empty pages quiet
    assert Classifier(network, True, True).normalise(torch.ones(1, 3, 64, 64)).abs().max() < 1e-3
    assert own.is_contiguous(memory_format=torch.channels_last)


def test_frozen_blocks_do_not_change_and_the_others_do(tmp_path, monkeypatch):
    before = build_network(tiny_recipe(frozen_blocks=2), 3)
    assert freeze_blocks(before, 2)
    frozen = {name for name, parameter in before.named_parameters() if not parameter.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"conv_stem", "bn1", "blocks"}
    assert all(name.startswith("blocks.0.") for name in frozen if name.startswith("blocks"))
    torch.manual_seed(0)
    start = make_learner(tiny_recipe(image_size=32, frozen_blocks=2), dataset(), 3, 0).classifier.network.state_dict()
    start = copy.deepcopy(start)
    learner, _ = train(tmp_path, monkeypatch, frozen_blocks=2, epochs=1)
    for name, value in learner.classifier.network.state_dict().items():
        still = name in frozen or name.startswith(("bn1.", "blocks.0."))  # batch norm's statistics too
        assert torch.equal(value, start[name]) == still or name.endswith("num_batches_tracked"), name


def test_recalibration_measures_batch_norm_and_keeps_the_function():
    torch.manual_seed(0)
    network = build_network(tiny_recipe(), 3).eval()
    images = torch.rand(32, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
        recalibrate_batch_norm(network, images.split(8))
        assert torch.allclose(network(images), before, atol=1e-3 * before.abs().max().item())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, torch.Tensor] = {}
    handles = [
        norm.register_forward_pre_hook(lambda module, inputs: seen.__setitem__(module, inputs[0])) for norm in norms
    ]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert torch.allclose(norm.running_mean, seen[norm].mean((0, 2, 3)), atol=1e-4)
        assert torch.allclose(norm.running_var, seen[norm].var((0, 2, 3), correction=0), rtol=1e-2, atol=1e-5)


def test_recalibration_uses_augmented_pages_of_the_recipe():
    recipe = tiny_recipe(image_size=32, batch_size=8, recalibrate=16)
    torch.manual_seed(0)
    learner = make_learner(recipe, dataset(), 3, 0)
    assert all(module.training for module in learner.modules()), "it would train in evaluation mode"
    batches = calibration_batches(learner, dataset(), 0)
    assert [len(batch) for batch in batches] == [12, 12]
    assert all(torch.equal(*pair) for pair in zip(batches, calibration_batches(learner, dataset(), 0), strict=True))


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
    assert rates[-1] == 0
    assert rates[1] == max(rates) == pytest.approx(1e-3, rel=0.05)  # a third of 18 steps: two epochs
    assert rates[1] > rates[2] > rates[3] > rates[4] > rates[5]
    assert [row["lr"] for row in result.history] == pytest.approx(rates)


def test_plateau_cuts_the_rate_when_the_loss_stalls(tmp_path, monkeypatch):
    train(tmp_path, monkeypatch, epochs=8, lr=1e-6, schedule="plateau", plateau_patience=0, plateau_factor=0.5)
    rates = step_values(tmp_path)
    assert rates[-1] < rates[0] / 2


def test_the_logged_metrics_are_those_of_the_published_weights(tmp_path, monkeypatch):
    from sklearn.metrics import f1_score

    learner, result = train(tmp_path, monkeypatch, lr=8e-3, monitor="macro_f1")
    data = dataset()
    learner.eval()
    from reprise.documents.network.augment import upright

    with torch.no_grad():
        pages, targets = data[np.arange(len(data))]
        logits = learner.classifier(upright(pages, 32))[:, :3]
    expected = f1_score(targets, logits.argmax(1), average="macro")
    assert result.best_score == pytest.approx(expected, abs=1e-6)
    assert result.history[result.best_epoch]["valid_loss"] == pytest.approx(
        float(F.cross_entropy(logits, targets)), rel=1e-4
    )


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


def trained(tmp_path, monkeypatch, **changes):
    """The published weights, and every epoch's metrics."""
    learner, result = train(tmp_path, monkeypatch, **changes)
    return weights_of(learner).tolist(), result.history


def weights_of(learner):
    return torch.cat([value.float().flatten() for value in learner.classifier.network.state_dict().values()])


@pytest.mark.parametrize("changes", WIRED, ids=lambda changes: "-".join(f"{k}={v}" for k, v in changes.items()))
def test_every_option_changes_what_is_trained(tmp_path, monkeypatch, plain, changes):
    """Offered and not wired is the classical trap: each option, alone, must leave its mark."""
    base = plain
    if "lr" in changes:
        base = trained(tmp_path, monkeypatch, lr=changes["lr"])
    if changes == {"loss": "logit_adjusted", "logit_adjustment": 3.0} or changes == {"balanced_sampling": True}:
        uneven = np.array([0] * 12 + [1] * 8 + [2] * 4)
        monkeypatch.setattr("tests.documents.test_model_and_learner.dataset", lambda: uneven_dataset(uneven))
        base = trained(tmp_path, monkeypatch)
    weights, history = trained(tmp_path, monkeypatch, **changes)
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


def test_balanced_sampling_draws_small_classes_as_often():
    targets = np.repeat([0, 1], [380, 20])
    data = PageDataset(np.zeros((400, 2, 2, 3), np.uint8), targets, np.arange(400))
    loader, _ = make_loaders(data, data, 400, True, 0, HARDWARE)
    drawn = next(iter(loader))[1]
    assert (drawn == 1).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_a_set_too_large_for_memory_streams_and_gives_the_same_batches(tmp_path):
    from reprise.core.files import new_npy

    data = dataset()
    with new_npy(tmp_path / "images.npy", data.pages.shape, "uint8") as array:
        array[:] = data.pages
    held, streamed = open_pages(tmp_path / "images.npy", 64), open_pages(tmp_path / "images.npy", 0)
    assert isinstance(streamed, np.memmap)
    assert not isinstance(held, np.memmap)
    pairs = [PageDataset(pages, data.targets.numpy(), data.rows)[[3, 1, 7]] for pages in (held, streamed)]
    assert torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(pairs[0][0], torch.from_numpy(data.pages[[3, 1, 7]]))


def test_workers_change_nothing(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = weights_of(train(tmp_path / "a", monkeypatch, epochs=1)[0])
    monkeypatch.setitem(HARDWARE.__dict__, "workers", 1)
    second = weights_of(train(tmp_path / "b", monkeypatch, epochs=1)[0])
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "predicted",
    [np.zeros(100, np.int64), np.tile([0, 1, 2, 3, 4], 20)],
    ids=["one class for all", "classes in turn"],
)
def test_a_fold_at_chance_is_refused(predicted):
    targets = np.repeat([0, 1, 2, 3, 4], 20)
    with pytest.raises(InputError, match=r"fold 3 ended at chance: 20 of 100 pages right, 20.0 expected by luck"):
        refuse_chance(3, predicted, targets)
    better = predicted.copy()
    better[:90:2] = targets[:90:2]
    refuse_chance(3, better, targets)


def test_one_class_for_all_is_chance_however_uneven_the_classes():
    targets = np.repeat([0, 1], [90, 10])
    with pytest.raises(InputError, match="ended at chance"):
        refuse_chance(0, np.zeros(100, np.int64), targets)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["basic", "fast", "highperf"])
def test_the_large_recipes_build_train_and_resume(tmp_path, monkeypatch, name):
    """The networks themselves, with random weights; pages are few, and small where the model takes that."""
    recipe = tiny_recipe(name)
    size = {"basic": 64, "fast": 64, "highperf": recipe.image_size}[name]
    recipe = tiny_recipe(name, weights="none", image_size=size, epochs=2, batch_size=2)
    data = dataset(2, 40)

    def run(folder, stop_at=None):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        torch.manual_seed(0)
        learner = make_learner(recipe, data, 3, 0)
        before, steps = weights_of(learner), iter(range(9))

        def stop(*_):
            if next(steps) == stop_at:
                raise InterruptedError

        learner.on_train_batch_end = stop  # type: ignore[method-assign]
        fit(
            learner,
            *make_loaders(data, data, 2, False, 0, HARDWARE),
            settings=recipe,
            hardware=HARDWARE,
            seed=0,
            name="documents",
            fingerprint="",
            live_folder=folder / "live",
        )
        return before, weights_of(learner)

    before, unbroken = run(tmp_path / "whole")
    assert not torch.equal(before, unbroken)
    with pytest.raises(InterruptedError):
        run(tmp_path / "broken", stop_at=1)
    assert torch.equal(run(tmp_path / "broken")[1], unbroken)


def test_the_true_recipes_are_all_readable():
    recipes = read_params()["documents"]["recipes"]
    assert list(recipes) == ["quick", "scratch", "finetune", "fast", "basic", "highperf"]
    assert [recipe.epochs for recipe in map(tiny_recipe, recipes)] == [22, 35, 6, 10, 10, 15]
