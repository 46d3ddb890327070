"""Work on several threads of Python, each with one of torch's own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_threads(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Apply a function of torch to independent items, several at a time.

    Small layers gain little from a second thread; two items side by side gain nearly all of it, and the results are the
    same for any number of threads. Inference mode belongs to a thread: the function has to enter it.

    Args:
        function: does most of its work in torch, which then lets the other threads run.
        items: what it is applied to.
        threads: how many are worked on at once; one, or one item, stays on the calling thread.

    Returns:
        The results, in order.
    """
    threads, before = min(threads, len(items)), torch.get_num_threads()
    if threads < 2:
        return [function(item) for item in items]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(before)  # MKL has one number for all threads
