"""Train one explainer on the frozen detector's windows.

    python src/run.py deepfake.explainer ema

Reads data/deepfake/windows and the hash of models/deepfake/detector.safetensors; writes
models/deepfake/explainers/ema.safetensors and metrics/deepfake/explainer-ema (DVCLive: losses, dev EER, importance by
class each epoch). The stage fails where the explainer has collapsed: where importance hardly varies, or is no higher on
spoofs than on natural speech.
"""

import logging

import torch

from reprise.core.errors import InputError
from reprise.core.params import Hardware, LogParams, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.windows import read_windows
from reprise.deepfake.explainer.learner import Learner, refuse_collapse
from reprise.deepfake.explainer.model import ExplainerParams, make_explainer
from reprise.deepfake.explainer.model_file import save_explainer
from reprise.deepfake.paths import DETECTOR, METRICS, MODES, TIMING, WINDOWS, Mode
from reprise.training.fit import Run, fit
from reprise.training.sampler import epoch_loader

logger = logging.getLogger("reprise")

DEV_BATCH = 64


def main(name: str) -> None:
    mode = find_mode(name)
    if not DETECTOR.exists():
        raise InputError(f"{DETECTOR}: no such file; train the detector first: dvc repro deepfake-detector")
    params, hardware = load_params("deepfake.explainer.train", ExplainerParams), load_params("hardware", Hardware)
    seed = derive_seed(load_seed(), "deepfake-explainer", mode)
    use_deterministic_kernels(hardware.training_threads)
    train, dev = read_windows(WINDOWS / "train"), read_windows(WINDOWS / "dev")
    with timed(TIMING / f"explainer-{mode}.json") as figures:
        seed_everything(derive_seed(seed, "weights"))
        described = [train.utterance(row) for row in range(len(train))]
        learner = Learner(make_explainer(params, mode, described, train.spoof), params, train, dev)
        run = Run(
            name=f"deepfake-explainer-{mode}",
            params=params,
            hardware=hardware,
            log=load_params("log", LogParams),
            seed=seed,
            inputs=(mode, DETECTOR, WINDOWS / "train", WINDOWS / "dev"),
            live_folder=METRICS / f"explainer-{mode}",
            model=learner.explainer,
            labels={"natural": int((~train.spoof).sum()), "spoof": int(train.spoof.sum())},
            configuration=f"explainer-{mode}",
        )
        rows = epoch_loader(torch.arange(len(train)), params.batch_size, seed)  # type: ignore[arg-type]
        dev_rows = epoch_loader(torch.arange(len(dev)), DEV_BATCH, seed, shuffle=False)  # type: ignore[arg-type]
        result = fit(learner, rows, dev_rows, run)
        if not goes_on_alone():
            return
        best = result.best
        if params.epochs:
            refuse_collapse(mode, best)
        save_explainer(mode, learner.explainer.cpu(), params, result.best_epoch)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info(
        "best epoch %d, dev EER %.4f; importance %.3f on spoofs, %.3f on natural speech",
        *(result.best_epoch, best["dev_eer"], best["importance_spoof_mean"], best["importance_bonafide_mean"]),
    )


def find_mode(name: str) -> Mode:
    for mode in MODES:
        if mode == name:
            return mode
    raise InputError(f"no mode {name!r}; the modes are {', '.join(MODES)}")
