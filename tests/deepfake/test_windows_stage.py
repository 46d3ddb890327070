import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from reprise.core.seed import use_deterministic_kernels
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.windows import describe_together
from reprise.deepfake.stages.windows import (
    AHEAD,
    describe_in_process,
    in_groups,
    load_in_process,
    map_beside,
    waveforms,
)
from tests.deepfake.helpers import DETECTORS, make_corpus, tiny_recipe, write_models


def groups(count, read):
    for number in range(count):
        read.append(number)
        yield [np.array([number])]


@pytest.mark.parametrize("processes", [1, 8])
def test_results_of_the_pool_and_of_this_process_come_in_order(processes):
    computed: set[int] = set()

    def double(group):
        computed.add(threading.get_ident())
        return [2 * part for part in group]

    def slow(group):
        threading.Event().wait(0.01)
        return double(group)

    with ThreadPoolExecutor(processes) as pool:
        found = [int(group[0][0]) for group in map_beside(pool, processes, slow, double, groups(100, []))]
    assert found == [2 * number for number in range(100)]
    assert threading.get_ident() in computed
    assert len(computed) > 1


def test_this_process_works_while_the_pool_is_busy_and_reads_no_more_than_a_few_items_ahead():
    read: list[int] = []
    here: list[int] = []
    gate = threading.Event()

    def wait(group):
        assert gate.wait(10)
        return group

    def work(group):
        here.append(int(group[0][0]))
        if len(here) == AHEAD + 1:
            gate.set()
        return group

    with ThreadPoolExecutor(1) as pool:
        results = map_beside(pool, 1, wait, work, groups(100, read))
        first = next(results)
    assert first[0][0] == 0
    assert here == list(range(2, AHEAD + 3))
    assert len(read) == AHEAD + 3


@pytest.mark.parametrize("broken", ["there", "here"])
def test_an_error_of_the_pool_or_of_this_process_comes_through(broken):
    def fail(group):
        raise ZeroDivisionError

    def pass_on(group):
        return group

    functions = (fail, pass_on) if broken == "there" else (pass_on, fail)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        list(map_beside(pool, 1, *functions, groups(500, [])))


@pytest.mark.slow
def test_the_pool_gives_the_bytes_of_this_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(tiny_recipe(**DETECTORS["whisper"] | {"front_end": "whisper"}))
    use_deterministic_kernels(1)
    detector, _ = load_detector()
    here = partial(describe_together, detector=detector, listen=hear_once)
    items = list(in_groups(waveforms(make_corpus(12))))  # three groups of eight
    expected = [each for group in items for each in here(group)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), load_in_process) as pool:
        found = [each for group in map_beside(pool, 1, describe_in_process, here, iter(items)) for each in group]
        there = [each for group in pool.map(describe_in_process, items) for each in group]
    for mixed, pooled, own in zip(found, there, expected, strict=True):
        assert mixed.tobytes() == pooled.tobytes() == own.tobytes()
