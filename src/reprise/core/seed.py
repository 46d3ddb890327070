"""Seeds, threads and deterministic kernels."""

import hashlib
import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive an independent seed from `seed` and names, such as an epoch's number: the same on every machine.

    Returns:
        An integer in [0, 2**32).
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch on all devices."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries still draw from the global generator
    torch.manual_seed(seed)


def use_deterministic_kernels(threads: int) -> None:
    """Fix the thread count and refuse kernels whose result depends on scheduling.

    The count matters: a matrix product sums in another order with another number of threads.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from reprise.core.equal_ops import use_equal_operations

    use_equal_operations()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # On by default with the line above, it writes NaN into all new memory, to show who reads it too early: a fifth of
    # the time of a training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at run time
    torch.backends.cudnn.benchmark = False


def limit_threads(threads: int) -> "threadpool_limits":
    """Fix the thread count of NumPy's and scikit-learn's linear algebra for a block, for stages without torch."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=threads)
