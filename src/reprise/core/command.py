"""Run a command's `main`: options from its signature, one line for the user's mistakes, exit code 0, 1 or 2.

A command is a module with a typed function `main`, whose parameters Typer turns into arguments and options. It ends
with

    if __name__ == "__main__":
        run_command(main)

and is listed in `reprise.cli`, so that `python -m reprise.tools.doctor` and `reprise doctor` do the same.
"""

import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from reprise.core.errors import InputError, out_of_memory
from reprise.core.text import for_terminal


def run_command(main: Callable[..., Any]) -> NoReturn:
    """Parse the command line for `main`, call it, and end the process.

    The exit code is 0, or what a `typer.Exit` that `main` raises says; 1 after an InputError, whose line goes to
    standard error; 2 where the command line itself is wrong.
    """
    typer_app(main)()
    raise AssertionError("Typer ends the process")


def typer_app(main: Callable[..., Any]) -> typer.Typer:
    """Make the command of `main`: its arguments from the signature, its help from the docstring."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' advice to programmers, between the lines of a person's result
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(one_line_errors(main))
    return app


def one_line_errors(main: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command so that what the user can put right becomes one line on standard error and exit code 1.

    That is an InputError, a path that the system refuses, or memory that ran out.
    """

    @functools.wraps(main)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return main(*arguments, **options)
        except InputError as error:
            typer.echo(for_terminal(error), err=True)
            raise typer.Exit(1) from None
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (OSError, RuntimeError, MemoryError, ImportError) as error:
            line = out_of_memory(error, "end other programs, or take another --accelerator")
            if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
                line = f"{os.fsdecode(error.filename)}: {error.strerror}"
            if line is None:
                raise
            typer.echo(for_terminal(line), err=True)
            raise typer.Exit(1) from None

    return wrapped
