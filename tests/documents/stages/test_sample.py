import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from reprise.documents.sample.pages import KINDS
from reprise.documents.stages import prepare, recipe, sample

SAMPLE = Path("data/documents/sample")


def digest(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_sample_is_a_folder_that_prepare_takes_and_the_seed_decides_it(workspace, change_params):
    sample.main()
    first = digest(SAMPLE)
    recipe.main()
    prepare.main()
    data = json.loads(Path("metrics/documents/data.json").read_text())
    assert data["train"]["pages"] == 85
    assert list(data["train"]["classes"]) == list(KINDS)
    assert min(data["train"]["classes"].values()) >= 2
    assert data["test"]["pages"] == 10
    sample.main()
    assert digest(SAMPLE) == first
    change_params("seed", 1)
    sample.main()
    assert digest(SAMPLE).keys() != first.keys()


def test_wrong_labels_of_the_sample_are_written_down(workspace, change_params):
    change_params("documents.sample.mislabelled", 0)
    sample.main()
    right = pd.read_csv(SAMPLE / "train.csv")
    change_params("documents.sample.mislabelled", 0.1)
    sample.main()
    labels, wrong = pd.read_csv(SAMPLE / "train.csv"), pd.read_csv(SAMPLE / "mislabelled.csv")
    changed = right[right["target"] != labels["target"]]
    assert changed.to_numpy().tolist() == wrong.to_numpy().tolist()
    assert len(wrong) == 8  # of 85


def test_test_pages_are_damaged_and_training_pages_are_not(workspace):
    sample.main()

    def rough(part):
        """Mean difference of neighbouring pixels in the margin: noise."""
        pages = [np.asarray(Image.open(path).convert("L"), dtype=float) for path in sorted((SAMPLE / part).iterdir())]
        return np.mean([np.abs(np.diff(page[:12])).mean() for page in pages])

    assert rough("test") > 1.5 * rough("train")
