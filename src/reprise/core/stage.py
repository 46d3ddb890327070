"""Run a stage's `main`: a log that can be followed, one line for the user's mistakes, exit code 0 or 1.

A stage is a module `reprise.<task>.stages.<stage>` with a function `main`. DVC, or a person at the root of the
repository, starts it with `python src/run.py <task>.<stage>`; what follows on the command line are `main`'s arguments,
as strings. The log goes to the console and to `.logs/<stage>/<time>.log`; the newest is `.logs/<stage>.log`, too. With
REPRISE_NAME_LINES in the environment, as `make repro` sets it, each line on the console begins with the stage's name.
"""

import atexit
import contextlib
import errno
import gc
import importlib
import inspect
import logging
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from reprise.core import kernels
from reprise.core.closure import Sources, code_path
from reprise.core.code import changed_modules
from reprise.core.errors import InputError, out_of_memory
from reprise.core.files import read_json, write_json
from reprise.core.light_imports import import_torchmetrics_light, without_garbage_collection
from reprise.core.params import Hardware, LogParams, load_params
from reprise.core.processes import rank
from reprise.core.text import for_terminal

logger = logging.getLogger("reprise")

LOG_FOLDER = Path(".logs")
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)  # the system names no file with these


class Terminated(BaseException):
    """The process was asked to end with SIGTERM; passes through `except Exception` as KeyboardInterrupt does."""


def run_stage(command_line: Sequence[str]) -> NoReturn:
    """Run the stage that a command line names and end the process with exit code 0 or 1, which the log says.

    Args:
        command_line: `<task>.<stage>`, then the arguments of its `main`.
    """
    name = stage_name(command_line)
    set_up_logging(name)
    signal.signal(signal.SIGTERM, _raise_terminated)
    started = time.perf_counter()
    logger.info("%s: started, log in %s", name, log_path(name))
    try:
        choose_kernels()
        prune_logs(name, load_params("log", LogParams).files)
        with without_garbage_collection():
            main, arguments = find_stage(command_line)
        gc.freeze()  # modules stay until the process ends
        check_recorded_code(command_line[0])
        main(*arguments)
        refuse_changed_code()
    except InputError as error:
        _end(1, f"{name}: {error}")
    except (KeyboardInterrupt, Terminated):
        _end(1, f"{name}: interrupted after {time.perf_counter() - started:.1f} s")
    except OSError as error:
        if error.filename is None and error.strerror is None:
            logger.exception("%s: failed", name)
            _end(1)
        logger.debug("traceback", exc_info=True)
        where = error.filename or ("the disk" if error.errno in OF_THE_DISK else "the system")
        _end(1, f"{name}: {where}: {error.strerror}")
    except Exception as error:
        if os.strerror(errno.ENOSPC) in str(error):  # libraries with errors of their own
            _end(1, f"{name}: the disk: {os.strerror(errno.ENOSPC)}")
        if wanted := out_of_memory(error):
            _end(1, f"{name}: {wanted}")
        logger.exception("%s: failed, which is a defect of the code", name)
        _end(1)
    _end(0, f"{name}: done in {time.perf_counter() - started:.1f} s")


def choose_kernels() -> None:
    """Pin the CPU kernels where params.yaml says so, and let waiting threads sleep, before libraries are imported.

    By default OpenMP's threads spin while they wait, which takes the cores from the stages beside this one.

    Raises:
        InputError: a wrong key or value under `hardware`.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if load_params("hardware", Hardware).same_bytes:
        kernels.pin()


def find_stage(command_line: Sequence[str]) -> tuple[Callable[..., None], Sequence[str]]:
    """Import the stage's module by its name, so that its file is among the modules that a fingerprint hashes.

    Returns:
        Its `main`, and the arguments.

    Raises:
        InputError: no such stage, or not the arguments that its `main` takes.
    """
    package = Path(__file__).parents[1]
    known = sorted(
        f"{path.parts[-3]}.{path.stem}" for path in package.glob("*/stages/*.py") if path.name != "__init__.py"
    )
    stage, *arguments = command_line or [""]
    if stage not in known:
        raise InputError(f"no stage {stage!r}; the stages are {', '.join(known)}")
    task, module = stage.split(".")
    import_torchmetrics_light()
    main: Callable[..., None] = importlib.import_module(f"reprise.{task}.stages.{module}").main
    parameters = inspect.signature(main).parameters
    if len(arguments) != len(parameters):
        raise InputError(f"{stage} takes {', '.join(parameters) or 'no argument'}; got {' '.join(arguments) or 'none'}")
    return main, arguments


def check_recorded_code(stage: str) -> None:
    """Fail where the code was edited after `recipe@<task>` hashed it: DVC would record that hash.

    A stage that a person starts is warned, since nothing is recorded unless `dvc commit` follows.

    Raises:
        InputError: DVC runs the stage, and the hash in `models/<task>/code.json` is of other code; or that file holds
            no hashes.
    """
    task, _, module = stage.partition(".")
    path = code_path(task)
    hashes = read_json(path) if path.is_file() else {}
    if not isinstance(hashes, dict):
        raise InputError(f"{path}: expected an object; run `dvc repro recipe@{task}`")
    recorded = hashes.get(module)
    if recorded is None or recorded == Sources().hash_stage(stage):
        return
    edited = f"{path}: {stage} was edited since; run `dvc repro recipe@{task}`"
    if "DVC_STAGE" in os.environ:
        raise InputError(f"{edited}, then this again")
    logger.warning("%s before `dvc commit`", edited)


def refuse_changed_code() -> None:
    """Fail where code was edited while it ran: DVC would record the hash of other code than what was imported.

    Raises:
        InputError: a loaded module's file was changed while the stage ran.
    """
    if changed := changed_modules():
        raise InputError(f"{', '.join(changed)}: changed while the stage ran; run it again")


def stage_name(command_line: Sequence[str]) -> str:
    """The stage's name as DVC knows it, or else as the command line does: `documents.train 0` -> documents-train-0."""
    return os.environ.get("DVC_STAGE") or "-".join(command_line).replace(".", "-").replace("_", "-")


def log_path(name: str) -> Path:
    """The newest log of a stage; of several processes each has its own."""
    process = f".{rank()}" if rank() > 0 else ""
    return LOG_FOLDER / f"{re.sub(r'[^A-Za-z0-9@._-]', '-', name)}{process}.log"


class NamedLines(logging.Formatter):
    """Begins each line with the stage's name, where it does not already: stages side by side share a console."""

    def __init__(self, name: str) -> None:
        super().__init__("%(message)s")
        self.name = f"{name}: "

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n".join(line if line.startswith(self.name) else f"{self.name}{line}" for line in lines)


def set_up_logging(name: str) -> None:
    """Send the project's log to the console and, with times, to the stage's log file."""
    console = logging.StreamHandler(sys.stdout)
    console.setLevel(logging.INFO if rank() == 0 else logging.ERROR)  # of several processes one speaks
    console.setFormatter(NamedLines(name) if os.environ.get("REPRISE_NAME_LINES") else logging.Formatter("%(message)s"))
    file = logging.FileHandler(start_log(name), encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.handlers = [console, file]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logging.getLogger().addHandler(file)  # what libraries warn about belongs in the file too
    logging.captureWarnings(True)


def start_log(name: str) -> Path:
    """Choose a run's own log file, and make the newest log's name a link to it."""
    newest = log_path(name)
    own = newest.with_suffix("") / f"{datetime.now():%Y-%m-%dT%H-%M-%S-%f}.log"
    own.parent.mkdir(parents=True, exist_ok=True)
    link = newest.with_name(f".{newest.name}.{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(own.relative_to(newest.parent))
    link.replace(newest)
    return own


def prune_logs(name: str, count: int) -> None:
    """Delete all but the newest `count` logs of a stage; their names sort by time."""
    for old in sorted(log_path(name).with_suffix("").glob("*.log"))[:-count]:
        old.unlink(missing_ok=True)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _end(code: int, line: str | None = None) -> NoReturn:
    if line is not None:
        logger.log(logging.INFO if code == 0 else logging.ERROR, "%s", for_terminal(line))
    logger.log(logging.DEBUG if code == 0 else logging.INFO, "exit code %d", code)
    logging.shutdown()
    gc.unfreeze()  # or libraries report leaks when the interpreter is taken apart
    sys.exit(code)


def leave(code: int) -> NoReturn:
    """End the process as the interpreter does, but do not take it apart, which after torch takes a second.

    Threads are waited for, exit functions run, and what was printed is written.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def timed(path: Path) -> Iterator[dict[str, Any]]:
    """Write the block's seconds and the process's peak memory to a JSON file; of several processes the first writes.

    Yields:
        A dict to which the block may add figures of its own, such as a rate.
    """
    figures: dict[str, Any] = {}
    started = time.perf_counter()
    yield figures
    if rank() > 0:
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # KiB on Linux -> MiB
    write_json(path, {"seconds": round(time.perf_counter() - started, 3), "peak_memory_mib": round(peak, 1), **figures})
