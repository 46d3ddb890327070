import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from reprise.deepfake.stages.windows import AHEAD, map_beside


def groups(count, read):
    for number in range(count):
        read.append(number)
        yield [np.array([number])]


def test_results_of_the_pool_and_of_this_process_come_in_order():
    def double(group):
        return [2 * part for part in group]

    with ThreadPoolExecutor(2) as pool:
        found = [int(group[0][0]) for group in map_beside(pool, 2, double, double, groups(50, []))]
    assert found == [2 * number for number in range(50)]


def test_this_process_works_while_the_pool_is_busy_and_reads_no_more_than_a_few_items_ahead():
    read: list[int] = []
    here: list[int] = []
    gate = threading.Event()

    def wait(group):
        gate.wait()
        return group

    def work(group):
        here.append(int(group[0][0]))
        if len(here) == AHEAD - 1:
            gate.set()
        return group

    with ThreadPoolExecutor(1) as pool:
        results = map_beside(pool, 1, wait, work, groups(50, read))
        first = next(results)
    assert first[0][0] == 0
    assert here == list(range(2, AHEAD + 1))
    assert len(read) == AHEAD + 1
