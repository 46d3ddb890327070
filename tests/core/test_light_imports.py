import gc
import subprocess
import sys

import pytest

from reprise.core.light_imports import without_garbage_collection
from tests.conftest import ROOT

SCRIPT = """
import sys, torch
from reprise.core.light_imports import import_torchmetrics_light
import_torchmetrics_light()
import lightning.pytorch
print([name for name in ("transformers", "torchvision", "matplotlib", "scipy.signal") if name in sys.modules])
from torchmetrics.classification import MulticlassF1Score
print(float(MulticlassF1Score(3, average="macro")(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2]))))
import transformers, torchvision
from torchmetrics.utilities.imports import _SCIPY_AVAILABLE
"""


@pytest.mark.slow
def test_lightning_comes_without_what_only_other_metrics_need():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, score = done.stdout.splitlines()
    assert loaded == "[]"
    assert float(score) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)  # by hand: 1, 2/3, 2/3


def test_what_is_made_without_garbage_collection_stays_out_of_it():
    before = gc.get_freeze_count()
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()
