"""Work that tells how far it is and can be stopped, for functions that know nothing of a page.

A function of the demo takes a `Report` and calls it between its steps. A `Job` runs such a function in a thread of its
own; once it is stopped, the next report raises `Stopped` in there.
"""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

Result = TypeVar("Result")

_one_at_a_time = threading.Lock()  # models are not made for two threads, and two would share the same cores


class Step(NamedTuple):
    """How far work is: `done` of `total` (0: unknown), and what is being done."""

    done: int
    total: int
    what: str


Report = Callable[[int, int, str], None]


class Stopped(Exception):  # noqa: N818 -- no error: a person's wish
    """Nobody waits for the result any more."""


class Job(Generic[Result]):
    """Work that runs; of several jobs one computes at a time, and the others wait.

    Args:
        work: is called with a report.

    Attributes:
        latest: what it reported last.
    """

    def __init__(self, work: Callable[[Report], Result]) -> None:
        self.latest = Step(0, 0, "waiting for work that was begun before")
        self._work, self._stop = work, threading.Event()
        self._outcome: list[Result] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        _jobs.add(self)

    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Have the work end at its next report; returns at once."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait until the work has ended, so long at most."""
        self._thread.join(seconds)

    def result(self) -> Result:
        """Wait for the result.

        Raises:
            BaseException: whatever the work raised; `Stopped` where it was stopped.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._outcome[0]

    def _report(self, done: int, total: int, what: str) -> None:
        if self._stop.is_set():
            raise Stopped
        self.latest = Step(done, total, what)

    def _run(self) -> None:
        try:
            with _one_at_a_time:
                self._report(0, 0, "starting")
                self._outcome.append(self._work(self._report))
        except BaseException as error:  # raised again by `result`, in the thread that asks
            self._failure = error


_jobs: "weakref.WeakSet[Job[Any]]" = weakref.WeakSet()


def stop_all(seconds: float) -> None:
    """Stop all jobs, and wait until they have ended, so long at most: a thread in torch aborts a Python that ends."""
    running, until = list(_jobs), time.monotonic() + seconds
    for job in running:
        job.stop()
    for job in running:
        job.wait(max(0.0, until - time.monotonic()))
