import threading

import pytest
import torch

from reprise.core.threads import map_on_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_with_one_of_torchs_own(two_threads):
    both = threading.Barrier(2, timeout=30)  # passed only where two items are worked on at once

    def square(number):
        both.wait()
        return number**2, torch.get_num_threads()

    assert map_on_threads(square, [3, 1, 2, 5], 2) == [(9, 1), (1, 1), (4, 1), (25, 1)]
    assert torch.get_num_threads() == 2


def test_an_error_is_raised_and_the_number_of_threads_restored(two_threads):
    with pytest.raises(ZeroDivisionError):
        map_on_threads(lambda number: 1 / number, [1, 0, 2], 2)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("items", "threads"), [([], 2), ([4], 2), ([4, 5], 1)])
def test_one_item_or_one_thread_stays_on_the_callers(two_threads, items, threads):
    caller = threading.get_ident()
    found = map_on_threads(lambda _: (threading.get_ident(), torch.get_num_threads()), items, threads)
    assert found == [(caller, 2)] * len(items)
