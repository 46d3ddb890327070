"""From functions that raise InputError and report their steps to events of gradio with progress, stop and toasts."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gradio as gr

from reprise.core.errors import InputError, out_of_memory
from reprise.core.text import for_terminal
from reprise.tools.demo.work import Job, Report

Result = TypeVar("Result")

Opening = Callable[[Sequence[Any]], Any]  # has events fill a tab, such as that of opening it

POLL = 0.1  # seconds between two looks at how far a job is


async def watch(work: Callable[[Report], Result], progress: gr.Progress) -> Result:
    """Run work in a thread and show how far it is; where the event is cancelled, the work is stopped.

    Raises:
        gr.Error: the one line of an InputError, which the page shows and programs get.
    """
    job = Job(work)
    try:
        while job.running():
            done, total, what = job.latest
            progress((done, total) if total else None, desc=what)
            await asyncio.sleep(POLL)
    finally:
        job.stop()
    return page_errors(job.result)


def page_errors(compute: Callable[[], Result]) -> Result:
    """Call a function; turn errors that the user can fix into the page's, with the line that the command line prints.

    Raises:
        gr.Error: an InputError, a path that the system refuses, or memory that ran out.
    """
    try:
        return compute()
    except InputError as error:
        raise gr.Error(for_terminal(error), print_exception=False) from None
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        refused = f"{os.fsdecode(error.filename)}: {error.strerror}"
        raise gr.Error(for_terminal(refused), print_exception=False) from None
    except (RuntimeError, MemoryError) as error:
        line = out_of_memory(error, "end other programs, or give less at once")
        if line is None:
            raise
        raise gr.Error(line, print_exception=False) from None


def example_set(component: Any, examples: Sequence[Any]) -> gr.Dataset | None:
    """Examples to click, each shown by a component of its own kind that is hidden; None where there are none."""
    if not examples:
        return None
    return gr.Dataset(components=[component], samples=[[each] for each in examples], label="Examples")


def stop_button() -> gr.Button:
    """A button beside others, for `stops`."""
    return gr.Button("Stop", variant="stop", scale=0, min_width=90)


def stops(button: gr.Button, *events: Any) -> None:
    """Have a button stop events."""
    button.click(None, cancels=list(events), api_visibility="private")


def key_button(label: str, key: str, name: str, variant: str = "secondary") -> gr.Button:
    """A button that a key presses, too (keys.js).

    Args:
        label: of the button.
        key: as keys.js names it.
        name: its id on the page; what follows the last hyphen is what it does.
        variant: of gradio.
    """
    shown = label if label in "←→" else f"{label} ({key})"
    return gr.Button(shown, elem_id=name, elem_classes=f"key-{key}", variant=variant, min_width=80)


def act_of(event: gr.EventData) -> str:
    """What the button that was pressed does."""
    return str(getattr(event.target, "elem_id", "")).rpartition("-")[2]
