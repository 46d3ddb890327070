"""Work that tells how far it is and can be stopped, for functions that know nothing of a page.

A function of the demo takes a `Report` and calls it between its steps. `in_steps` runs such a function in a thread of
its own and hands out what it reports; whoever stops asking makes the next report raise `Stopped`.
"""

import queue
import threading
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

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


def unwatched(done: int, total: int, what: str) -> None:
    """A report that nobody reads."""


def in_steps(work: Callable[[Report], Result]) -> Generator[Step, None, Result]:
    """Run work in a thread, one at a time, and yield its steps; the generator returns its result.

    Closing the generator returns at once; the thread ends at its next report.

    Raises:
        Exception: whatever the work raises.
    """
    told: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
    stop = threading.Event()
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def report(done: int, total: int, what: str) -> None:
        if stop.is_set():
            raise Stopped
        told.put(Step(done, total, what))

    def run() -> None:
        try:
            with _one_at_a_time:
                report(0, 0, "starting")
                outcome.append(work(report))
        except Stopped:
            pass
        except BaseException as error:  # raised again below, in the thread that asked
            failure.append(error)
        finally:
            told.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        while (step := told.get()) is not None:
            yield step
    finally:
        stop.set()
    if failure:
        raise failure[0]
    return outcome[0]
