import gc
import importlib
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


def test_the_garbage_collector_rests_in_the_block_and_is_then_as_it_was():
    with pytest.raises(ModuleNotFoundError), without_garbage_collection():
        importlib.import_module("no_such_module")
    assert gc.isenabled()
    with without_garbage_collection():
        assert not gc.isenabled()
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
