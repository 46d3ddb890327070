"""Checkpoints of a run: where they lie, how they are written, and how the published weights are chosen among them."""

import io
import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from reprise.core import kernels
from reprise.core.code import code_fingerprint
from reprise.core.files import atomic_path, hash_bytes
from reprise.core.processes import rank
from reprise.core.recipe import TrainParams

logger = logging.getLogger("reprise")

CHECKPOINT_FOLDER = Path(".checkpoints")


def checkpoint_folder(name: str, inputs: str, params: TrainParams, seed: int) -> Path:
    """Make the folder of one run's checkpoints; those of other runs of the same name are deleted, to bound the disk.

    The folder's name hashes everything that decides the result, so that a run never resumes another one's checkpoint;
    and where the folder lies, since Lightning forgets the best epochs' checkpoints once their path has changed.

    Args:
        name: of the training.
        inputs: hash of its data and of whatever else decides the result.
        params: the recipe.
        seed: of the training.
    """
    recipe = json.dumps(params.model_dump(mode="json"), sort_keys=True)
    decisive = (inputs, recipe, str(seed), code_fingerprint(), kernels.chosen(), str(Path.cwd()))
    key = hash_bytes(*(part.encode() for part in decisive))[:16]
    folder = CHECKPOINT_FOLDER / name / key
    if rank() == 0:
        for other in folder.parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def set_aside_damaged(path: Path) -> Path | None:
    """Return a checkpoint's path where it can be read, and None where there is none.

    A damaged one is renamed to `<name>.damaged`, and named in the log: the training then starts over.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if wrong := archive.testzip():  # torch compares no checksum
                raise ValueError(f"the checksum of {wrong} does not match")
        # Only our own checkpoints lie in this folder, and they hold callbacks' states, which are more than tensors.
        held = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
        if not isinstance(held, dict) or not {"state_dict", "epoch", "optimizer_states"} <= held.keys():
            raise ValueError("not a checkpoint of a training")
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, KeyError, ... for a damaged file
        damaged = path.with_suffix(".damaged")
        path.replace(damaged)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        logger.warning("%s: damaged (%s); kept as %s, training starts over", path, reason, damaged)
        return None
    return path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces, since a kill can cut Lightning's own short."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()  # given a file, torch does not say that the disk is full
        torch.save(checkpoint, content)
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())


class EpochStartCheckpoint(Checkpoint):
    """Saves everything as an epoch starts.

    At an epoch's end, where Lightning's own checkpoints are written, schedulers that step once an epoch have not
    stepped yet, and a run resumed from there skips the hook `on_train_epoch_start`: it would not repeat exactly.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a resumed epoch like any other.

        Lightning would go on with the iterator that it made before the sampler knew its epoch, and count the batches
        of the epoch before as done.
        """
        trainer.fit_loop.restarting = False
        trainer.fit_loop._resuming_from_checkpoint = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the checkpoint of the epoch before."""
        if trainer.current_epoch > 0:
            trainer.save_checkpoint(self.path)


def load_published(module: LightningModule, best: ModelCheckpoint) -> bool:
    """Give the module the weights to publish: the mean of the k best epochs' (k = 1: the best epoch's).

    The mean is taken even where its metric is worse than the best epoch's: the best of many noisy figures is too good.

    Args:
        module: takes the weights.
        best: holds the k best checkpoints.

    Returns:
        Whether it is a mean.
    """
    sign = -1 if best.mode == "max" else 1
    paths = sorted(best.best_k_models, key=lambda path: sign * float(best.best_k_models[path]))
    # Only our own checkpoints lie in this folder; whole ones hold more than tensors.
    checkpoints = [torch.load(path, map_location="cpu", weights_only=False) for path in paths]
    for checkpoint in checkpoints:
        module.on_load_checkpoint(checkpoint)  # puts back what the module has left out
    states = [checkpoint["state_dict"] for checkpoint in checkpoints]
    module.load_state_dict(states[0])
    if len(states) == 1:
        return False
    mean = {
        key: torch.stack([state[key] for state in states]).mean(0)
        if states[0][key].is_floating_point()
        else states[0][key]
        for key in states[0]
    }
    module.load_state_dict(mean)
    return True
