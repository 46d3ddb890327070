"""Jobs: results, errors, progress, stopping, and one at a time."""

import threading

import pytest

from reprise.core.errors import InputError
from reprise.tools.demo.work import Job, Step, Stopped, stop_all


def test_a_job_gives_its_result_and_its_last_step():
    def work(report):
        report(1, 3, "counting")
        return 7

    job = Job(work)
    assert job.result() == 7
    assert job.latest == Step(1, 3, "counting")
    assert not job.running()


def test_an_error_is_raised_where_the_result_is_asked_for():
    def work(report):
        raise InputError("a.txt: no text")

    with pytest.raises(InputError, match=r"a\.txt: no text"):
        Job(work).result()


def test_a_stopped_job_ends_at_its_next_report_and_lets_the_next_one_go_on():
    begun, seen, steps = threading.Event(), threading.Event(), []

    def endless(report):
        begun.set()
        seen.wait()
        while True:
            report(0, 0, "on and on")
            steps.append(1)

    job = Job(endless)
    begun.wait()
    job.stop()
    seen.set()
    with pytest.raises(Stopped):
        job.result()
    assert steps == []
    assert Job(lambda report: "next").result() == "next"


def test_jobs_compute_one_at_a_time():
    inside, most, lock = [0], [0], threading.Barrier(3)

    def work(report):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        for number in range(50):
            report(number, 50, "working")
        inside[0] -= 1

    def start():
        lock.wait()
        Job(work).result()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_job_that_was_stopped_while_it_waited_never_begins():
    go, begun = threading.Event(), threading.Event()

    def first(report):
        begun.set()
        go.wait()

    running = Job(first)
    begun.wait()
    called = []
    waiting = Job(lambda report: called.append(1))
    waiting.stop()
    go.set()
    running.result()
    with pytest.raises(Stopped):
        waiting.result()
    assert called == []


def test_all_jobs_end_with_the_page():
    begun = threading.Event()

    def endless(report):
        begun.set()
        while True:
            report(0, 0, "on and on")

    jobs = [Job(endless), Job(endless)]
    begun.wait()
    stop_all(30)
    assert not any(job.running() for job in jobs)
