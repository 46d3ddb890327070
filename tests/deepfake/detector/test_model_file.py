import pytest
import torch

from reprise.core.errors import InputError
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector, save_detector
from tests.deepfake.helpers import tiny_recipe


@pytest.mark.parametrize("name", ["small", "wav2vec2-tiny"])
def test_a_saved_detector_needs_nothing_but_its_file(tmp_path, name):
    recipe = tiny_recipe(name)
    detector = Detector(recipe).eval()
    save_detector(tmp_path / "d.safetensors", detector, recipe, {})
    loaded, again = load_detector(tmp_path / "d.safetensors")
    samples = torch.randn(2, 8000)
    assert torch.equal(loaded(samples).logits, detector(samples).logits)
    assert again == recipe
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


def test_without_a_detector_the_line_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="train the detector first: dvc repro deepfake-detector"):
        load_detector(tmp_path / "none.safetensors")
