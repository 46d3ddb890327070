"""One stage in several processes, as torchrun starts them: who does what, and who writes.

    torchrun --standalone --nproc-per-node 2 src/run.py documents.train 0

The processes share trainings through Lightning, and embeddings through their cache. What each computes reaches the
first one, which alone writes outputs: a stage asks `goes_on_alone` once the shared work is done. Predictions are shared
by `reprise.bulk`.
"""

import atexit
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")

PATIENCE = timedelta(days=7)  # the wait for a slower process; torchrun ends all when one of them dies
# What tells a process that torchrun started it beside others.
TORCHRUN_VARIABLES = ("TORCHELASTIC_RUN_ID", "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


def rank() -> int:
    """The process's number; process 0 writes. Lightning's own launcher sets LOCAL_RANK, but not RANK."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0)))


def launched() -> bool:
    """Whether torchrun started this process beside others, which run the whole stage with it.

    Those that Lightning itself starts join for its training alone.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def world_size() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


def processes_per_machine() -> int:
    """How many of them run on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if launched() else 1


def goes_on_alone() -> bool:
    """Leave the process group, and tell whether this process writes the outputs.

    Returns:
        True in the first process, which from here on is as if it had been started alone; False in the others, whose
        stage returns.
    """
    leave_group()
    if rank() > 0:
        return False
    for name in TORCHRUN_VARIABLES:
        os.environ.pop(name, None)
    return True


def gather(value: Item) -> list[Item]:
    """Collect one value of each process, in the order of their numbers; every process gets all.

    Args:
        value: anything that can be pickled; tensors on the CPU.
    """
    if not _in_group():
        return [value]
    import torch.distributed as dist

    values: list[Item | None] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]  # all places are filled


def sum_over_processes(tensor: "Tensor") -> "Tensor":
    """Add up a tensor of any shape over the processes; alone, it is returned as it came."""
    if not _in_group():
        return tensor
    import torch.distributed as dist

    total = tensor.clone()
    dist.all_reduce(total)
    return total


def wait_for_all() -> None:
    """Block until every process has called this."""
    if _in_group():
        import torch.distributed as dist

        dist.barrier()


def _in_group() -> bool:
    """Whether this process is one of a group; joins it at the first call, where torchrun started the process."""
    if world_size() == 1 and "torch" not in sys.modules:
        return False
    import torch
    import torch.distributed as dist

    if world_size() > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if dist.is_nccl_available() and torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        atexit.register(leave_group)
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def leave_group() -> None:
    """Leave the process group, where this process is in one."""
    if "torch" not in sys.modules:
        return
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
