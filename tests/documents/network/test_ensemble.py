"""Models that come from elsewhere: whatever their description says, they load as described or are one line."""

import json

import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model, write_checked_json
from reprise.documents.data.tables import Classes
from reprise.documents.network.ensemble import FoldModel, load_ensemble, load_fold, save_fold
from reprise.documents.network.model import Classifier, build_network
from tests.documents.helpers import page_dataset, tiny_recipe

CLASSES = Classes(("0", "1", "NA"), ("a", "b", "$x$"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "fold-0.safetensors"
    recipe = tiny_recipe(model="test_resnet", image_size=32)
    save_fold(path, build_network(recipe, 3), recipe, CLASSES, {"fold": 0, "best_epoch": 1})
    return path


def test_a_fold_is_read_as_it_was_written(model):
    fold = load_fold(model)
    assert fold.classes == CLASSES
    tensors, description = load_model(model)
    assert json.loads(json.dumps(description)) == description
    network = build_network(fold.recipe, 3)
    network.load_state_dict(tensors)
    written = FoldModel(Classifier(network, True, fold.recipe.standardise).eval(), fold.recipe, CLASSES)
    pages = page_dataset().pages
    assert torch.allclose(fold.logits(pages), written.logits(pages), atol=1e-4)


BAD = {
    "another task": (lambda d, t: d.update(task="deepfake"), r"\.task: input should be 'documents', got 'deepfake'"),
    "no recipe": (lambda d, t: d.pop("recipe"), r"\.recipe: missing"),
    "a recipe that is a list": (lambda d, t: d.update(recipe=[1]), r"\.recipe: .*"),
    "an absurd size": (lambda d, t: d["recipe"].update(image_size=10**9), r"image_size: .*less than or equal to 4096"),
    "absurd layers": (
        lambda d, t: d["recipe"].update(model="vit_tiny_patch16_224", model_options={"depth": 10**12}),
        r"model_options: depth: 1e\+12; expected at most 4096",
    ),
    "a name of a hub": (lambda d, t: d["recipe"].update(model="hf_hub:someone/model"), r"not one of timm's"),
    "a file to load": (
        lambda d, t: d["recipe"].update(model_options={"checkpoint_path": "elsewhere/x.pth"}),
        r"model_options: checkpoint_path: not an option",
    ),
    "an option that the model lacks": (
        lambda d, t: d["recipe"].update(model_options={"wings": 2}),
        r"its description makes no model",
    ),
    "classes of another number": (lambda d, t: d.update(classes=["a", "b"]), r"as many different classes as targets"),
    "a class twice": (lambda d, t: d.update(classes=["a", "b", "b"]), r"as many different classes as targets"),
    "classes that are numbers": (lambda d, t: d.update(classes=[1, 2, 3]), r"classes\.0: .*string"),
    "more classes than outputs": (
        lambda d, t: d.update(classes=list("abcd"), targets=list("0123")),
        r"fc\.(bias|weight): shape \(4,.*\), the model has \(5,",
    ),
    "a weight that is missing": (lambda d, t: t.pop("bn1.bias"), r"missing: bn1\.bias; extra: none"),
    "a weight too many": (lambda d, t: t.update(other=torch.zeros(1)), r"missing: none; extra: other"),
}


@pytest.mark.parametrize("case", BAD)
def test_descriptions_that_do_not_fit_are_one_line(model, tmp_path, case):
    change, message = BAD[case]
    tensors, description = load_model(model)
    change(description, tensors)
    path = tmp_path / "fold-0.safetensors"
    save_model(path, tensors, description)
    with pytest.raises(InputError, match=message) as caught:
        load_fold(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, r"temperature: .*greater than or equal to 0\.001"),
        ({"temperature": "hot"}, r"temperature: "),
        ({"folds": []}, r"folds: "),
        ({"folds": [0, "x"]}, r"folds\.1: "),
        ({"folds": [7]}, r"fold-7\.safetensors: no such file"),
        ({"views": "all"}, r"views: "),
        ({"weights": {}}, r"fold-0\.safetensors: not the weights that were calibrated"),
        ({"more": 1}, r"more: unknown key"),
    ],
)
def test_an_ensemble_that_makes_no_sense_is_one_line(model, change, message):
    value = {"folds": [0], "weights": {"0": "x"}, "temperature": 1.0, "views": "none"}
    write_checked_json(model.parent / "ensemble.json", value | change)
    with pytest.raises(InputError, match=message) as caught:
        load_ensemble(model.parent)
    assert "\n" not in str(caught.value)


def test_an_output_that_is_no_number_is_refused(model, tmp_path):
    tensors, description = load_model(model)
    tensors["fc.weight"].fill_(3e38)  # finite, and its sums are not
    save_model(tmp_path / "fold-0.safetensors", tensors, description)
    fold = load_fold(tmp_path / "fold-0.safetensors")
    with pytest.raises(InputError, match="a network's output is NaN or infinite"):
        fold.logits(torch.randint(256, (4, 36, 36, 3), dtype=torch.uint8).numpy())
