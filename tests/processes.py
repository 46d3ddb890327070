"""Processes for tests: forks of one that has imported the libraries, which takes longer than most tests."""

import contextlib
import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

from tests.conftest import ROOT


def fork_context() -> Any:
    """The context of such processes. The process of a test has one server, so all tests preload the same."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.libraries"])
    # Python 3.11's server looks for `tests` in its working folder, and says nothing where it finds none.
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()
    return context


def in_process(target: Callable[..., object], *arguments: Any, **options: Any) -> int:
    """Run a function in a process of its own, and return its exit code (-9 where it was killed).

    Args:
        target: of a module's top level.
        arguments: of it.
        options: its keyword arguments.
    """
    return exit_code(fork_context().Process(target=target, args=arguments, kwargs=options))


def exit_code(process: Any) -> int:
    """Start a process, wait for its end, and return its exit code."""
    process.start()
    process.join()
    code: int = process.exitcode
    return code
