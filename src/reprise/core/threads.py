"""Work on several threads of Python, each with one of torch's own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Apply a function of torch to independent items, on as many threads as torch has.

    Small layers gain little from a second thread; two items side by side gain nearly all of it, and the results are the
    same for any number of threads. Inference mode belongs to a thread: the function has to enter it.

    Args:
        function: does most of its work in torch, which then lets the other threads run.
        items: what it is applied to, on the calling thread where there is one item or one thread.

    Returns:
        The results, in order.
    """
    threads = torch.get_num_threads()
    if min(threads, len(items)) < 2:
        return [function(item) for item in items]
    try:
        with ThreadPoolExecutor(min(threads, len(items)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)  # MKL has one number for all threads
