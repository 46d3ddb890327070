"""Batch sizes of evaluation and prediction, which do not depend on that of a training."""

import logging
import sys
from collections.abc import Callable
from typing import Literal, TypeVar

from reprise.core.errors import out_of_memory

logger = logging.getLogger("reprise")

Result = TypeVar("Result")
EvalBatchSize = int | Literal["auto"]  # `hardware.eval_batch_size`


def eval_batch_size(setting: EvalBatchSize, preferred: int) -> int:
    """The batch size to begin with: the setting, or `preferred` where that is auto."""
    return preferred if setting == "auto" else setting


class BatchSize:
    """A batch size that is halved whenever memory runs out, and stays so.

    Args:
        setting: a number is kept as it is; auto starts at `preferred` and may be halved.
        preferred: what is fastest where memory allows.
    """

    def __init__(self, setting: EvalBatchSize, preferred: int) -> None:
        self.halves = setting == "auto"
        self.size = eval_batch_size(setting, preferred)

    def run(self, compute: Callable[[int], Result]) -> Result:
        """Call `compute` with this batch size; where memory runs out, start over with half of it.

        Args:
            compute: takes the batch size.
        """
        while True:
            try:
                return compute(self.size)
            except Exception as error:  # torch has several for memory that ran out
                if not self.halves or self.size == 1 or out_of_memory(error) is None:
                    raise
            self.size //= 2  # after the block, whose error still held the tensors
            logger.info("out of memory: going on with batches of %d", self.size)
            if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
                sys.modules["torch"].cuda.empty_cache()
