"""Speed of the documents' stages, as ratios within one run or as seconds against a bound. Run by `make bench`."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reprise.core.files import new_npy
from reprise.documents.data.decoding import decode_all
from reprise.documents.learning.augment import Augmentation
from reprise.documents.learning.dataset import PageDataset, make_loaders
from reprise.documents.learning.learner import make_learner
from reprise.documents.network.model import Classifier, build_network
from reprise.training.fit import Run, fit
from tests.conftest import ROOT
from tests.documents.helpers import tiny_recipe
from tests.training.toy_training import HARDWARE, LOG

pytestmark = pytest.mark.benchmark

PAGES, BATCH, EPOCHS = 1024, 64, 3
PAIRS = 9


def bare_loop(recipe, pages, targets):
    """Images a second of the same network and augmentation, without fit(): the second epoch on."""
    torch.manual_seed(0)
    classifier = Classifier(build_network(recipe, 17), recipe.channels_last, recipe.standardise).train()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=recipe.lr)
    augmentation, generator = Augmentation(recipe, 17), torch.Generator().manual_seed(0)
    started = 0.0
    for epoch in range(EPOCHS):
        if epoch == 1:
            started = time.perf_counter()
        for rows in torch.randperm(PAGES).split(BATCH):
            images, labels = augmentation(pages[rows], targets[rows], 1.0, generator)
            loss = torch.nn.functional.cross_entropy(classifier(images), labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
            optimizer.step()
    return (EPOCHS - 1) * PAGES / (time.perf_counter() - started)


def through_fit(recipe, pages, targets, folder):
    """Images a second through fit(), validation and checkpoints taken off by a set of one page: the second epoch on."""
    dataset = PageDataset(pages.numpy(), targets.numpy(), np.arange(PAGES))
    valid = PageDataset(pages.numpy(), targets.numpy(), np.arange(1))
    learner = make_learner(recipe, dataset, 17, 0)
    times: list[float] = []
    begin = learner.on_train_epoch_start

    def clock():
        times.append(time.perf_counter())
        begin()

    learner.on_train_epoch_start = clock  # type: ignore[method-assign]
    run = Run(
        name="speed",
        params=recipe,
        hardware=HARDWARE,
        log=LOG,
        seed=0,
        inputs=["pages"],
        live_folder=folder / "live",
    )
    result = fit(learner, *make_loaders(dataset, valid, BATCH, False, 0, HARDWARE), run)
    times.append(time.perf_counter())
    result.discard_checkpoints()
    return (EPOCHS - 1) * PAGES / (times[-1] - times[1])


@pytest.mark.parametrize(("model", "size"), [("mobilenetv3_small_050", 96)])
def test_training_against_a_bare_loop(tmp_path, monkeypatch, model, size):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    recipe = tiny_recipe("scratch", model=model, image_size=size, epochs=EPOCHS, ramp=0.0)
    generator = torch.Generator().manual_seed(0)
    pages = torch.randint(0, 256, (PAGES, 108, 108, 3), generator=generator, dtype=torch.uint8)
    targets = torch.arange(PAGES) % 17
    ratios = []
    for turn in range(PAIRS):  # which side goes first alternates, so that a machine that slows down favours neither
        sides = [lambda: bare_loop(recipe, pages, targets), lambda: through_fit(recipe, pages, targets, tmp_path)]
        rates = [side() for side in (sides if turn % 2 == 0 else sides[::-1])]
        bare, fitted = rates if turn % 2 == 0 else rates[::-1]
        ratios.append(fitted / bare)
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    print(f"\ntraining through fit(): {median:.3f} of a bare loop's speed ({low:.3f} to {high:.3f}, {PAIRS} pairs)")
    assert median >= 0.95


def decode_plainly(path: Path) -> int:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).nbytes


def decode_at_half_size(path: Path) -> int:
    with Image.open(path) as image:
        image.draft("RGB", (216, 216))
        return np.asarray(image.convert("RGB")).nbytes


def decode_in_two_processes(paths: "list[Path]", decode: "Callable[[Path], int]") -> float:
    with ProcessPoolExecutor(2) as pool:
        started = time.perf_counter()
        for _ in pool.map(decode, paths, chunksize=64):
            pass
        return time.perf_counter() - started


def test_preparing_ten_thousand_jpegs_against_decoding_alone(tmp_path):
    generator = np.random.default_rng(0)
    rough = generator.integers(0, 256, (20, 60, 45, 3), np.uint8)
    for number, pixels in enumerate(rough):
        Image.fromarray(pixels).resize((443, 591)).save(tmp_path / f"{number}.jpg", quality=85)
    paths = []
    for number in range(10_000):
        paths.append(tmp_path / f"copy{number}.jpg")
        shutil.copyfile(tmp_path / f"{number % 20}.jpg", paths[-1])
    alone, half = (decode_in_two_processes(paths, decode) for decode in (decode_plainly, decode_at_half_size))
    started = time.perf_counter()
    with new_npy(tmp_path / "images.npy", (len(paths), 108, 108, 3), "uint8") as array:
        decode_all(paths, array, 100.0, 2)
    seconds = time.perf_counter() - started
    rates = f"{alone / seconds:.3f} of decoding alone ({half / seconds:.3f} of decoding at half size)"
    print(f"\npreparing: {len(paths) / seconds:.0f} pages a second, {rates}")
    assert alone / seconds >= 0.8


def test_the_default_pipeline_within_its_seconds_and_memory(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def dvc(*arguments: str) -> None:
        subprocess.run(["dvc", *arguments], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)

    started = time.perf_counter()
    dvc("repro", "documents-prepare")
    with ThreadPoolExecutor(2) as pool:  # as `make documents` does on two cores
        list(pool.map(lambda fold: dvc("repro", "--single-item", f"documents-train@{fold}"), range(5)))
    dvc("repro", "documents-evaluate")
    seconds = time.perf_counter() - started
    peaks = [
        float(re.findall(r'"peak_memory_mib": ([0-9.]+)', path.read_text())[0])
        for path in (clone / "metrics/documents/timing").glob("*.json")
    ]
    print(f"\ndefault pipeline: {seconds:.0f} s, peak memory of a stage {max(peaks):.0f} MiB")
    assert seconds <= 150
    assert max(peaks) < 3000
