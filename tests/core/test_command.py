"""How a command ends: a line for what a person can put right, a traceback for what is our own mistake."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.core.errors import InputError


def end(act):
    """Exit code and errors of a command that does something."""

    def main() -> None:
        act()

    result = CliRunner().invoke(typer_app(main), [])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def fail(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (fail(InputError("a.txt:3: wrong\x1b[2J")), "a.txt:3: wrong\\x1b[2J"),
        (lambda: Path("y" * 300).exists(), f"{'y' * 300}: File name too long"),
        (lambda: Path(__file__, "folder").mkdir(), f"{__file__}/folder: Not a directory"),
        (lambda: torch.empty(2**60, dtype=torch.uint8), f"out of memory ({2**60} bytes asked for); end other programs"),
        (fail(MemoryError()), "out of memory; end other programs"),
    ],
)
def test_what_a_person_can_put_right_is_one_line(act, line):
    code, errors = end(act)
    assert code == 1
    assert errors.startswith(line)
    assert errors.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError("of a library"), KeyError("x")])
def test_our_own_mistakes_keep_their_traceback(error):
    with pytest.raises(type(error)):
        end(fail(error))
