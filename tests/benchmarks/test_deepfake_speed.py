"""Speed of the deepfake task, as ratios within one run or as seconds against a bound. Run by `make bench`."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.learner import Learner
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.scoring import score_utterance
from reprise.training.fit import Run, fit
from reprise.training.sampler import epoch_loader
from tests.conftest import ROOT, read_params
from tests.deepfake.helpers import make_corpus, speech, tiny_recipe
from tests.training.toy_training import HARDWARE, LOG

pytestmark = pytest.mark.benchmark

SHAPE = ("embedding", "encoders", "heads", "kernel", "batch_size")
EPOCHS = 3
PAIRS = 9  # a bare loop, then fit(): other work on the machine slows both


def true_recipe(**changes):
    """The default recipe in its true size."""
    own = read_params()["deepfake"]["train"]
    return tiny_recipe(**({key: own[key] for key in SHAPE} | changes))


def test_scoring_against_real_time():
    torch.set_num_threads(1)
    detector = Detector(true_recipe()).eval()
    utterances = [speech(seconds, seed) for seed, seconds in enumerate(np.linspace(1, 10, 20))]
    score_utterance(utterances[0], detector)
    started = time.perf_counter()
    for samples in utterances:
        score_utterance(samples, detector)
    seconds = time.perf_counter() - started
    rate = sum(map(len, utterances)) / RATE / seconds
    print(f"\nscoring: {rate:.0f} times faster than real time on one core")
    assert rate >= 20


def bare_loop(learner, recipe):
    """Seconds of the same batches, network and loss without fit(): the second epoch on."""
    optimizer = torch.optim.AdamW(learner.detector.parameters(), lr=recipe.lr)
    learner.train()
    started = 0.0
    for epoch in range(EPOCHS):
        if epoch == 1:
            started = time.perf_counter()
        learner.generator = np.random.default_rng(epoch)
        for part in learner.crops.rows().split(recipe.batch_size):
            samples, labels = learner.crops(part, learner.generator)
            loss = learner.loss(learner.detector(samples), labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.detector.parameters(), 1.0)
            optimizer.step()
    return time.perf_counter() - started


def through_fit(learner, recipe, folder):
    """Seconds through fit(), with next to nothing to validate: the second epoch on."""
    times: list[float] = []
    begin = learner.on_train_epoch_start

    def clock():
        times.append(time.perf_counter())
        begin()

    learner.on_train_epoch_start = clock
    train = epoch_loader(learner.crops.rows(), recipe.batch_size, 0)
    dev = epoch_loader(torch.arange(len(learner.dev)), 64, 0, shuffle=False)  # type: ignore[arg-type]
    run = Run("speed", recipe, HARDWARE, LOG, seed=0, inputs=(), live_folder=folder / "live")
    result = fit(learner, train, dev, run)
    times.append(time.perf_counter())
    result.discard_checkpoints()
    return times[-1] - times[1]


def test_training_against_a_bare_loop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    recipe = true_recipe(epochs=EPOCHS, crop_seconds=[1.5, 1.5])
    train, dev = make_corpus(160, seconds=1.6), make_corpus(1, seconds=0.5, seed=1)

    def learner():
        torch.manual_seed(0)
        return Learner(Detector(recipe), recipe, train, dev, 0)

    through_fit(learner(), recipe, tmp_path)  # imports and warm-up
    ratios = [bare_loop(learner(), recipe) / through_fit(learner(), recipe, tmp_path) for _ in range(PAIRS)]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    print(f"\ntraining through fit(): {median:.3f} of a bare loop's speed (quartiles {low:.3f} to {high:.3f})")
    assert median >= 0.95


def test_the_default_pipeline_within_its_seconds(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    command = ["dvc", "repro", "deepfake-evaluate", "deepfake-explain"]
    subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    peaks = [
        float(re.findall(r'"peak_memory_mib": ([0-9.]+)', path.read_text())[0])
        for path in (clone / "metrics/deepfake/timing").iterdir()
    ]
    print(f"\ndefault pipeline: {seconds:.0f} s, peak memory of a stage {max(peaks):.0f} MiB")
    assert seconds <= 150
