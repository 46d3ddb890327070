"""Run several stages one after the other in this process: `python -m tests.system.in_one_process a.b "a.c 0"`."""

import sys
from collections.abc import Callable

from reprise.core.stage import find_stage


def main(before: Callable[[str], object] = lambda command: None) -> None:
    """Run them, after a call of `before` with each one's name."""
    for command in sys.argv[1:]:
        before(command)
        stage, arguments = find_stage(command.split())
        stage(*arguments)


if __name__ == "__main__":
    main()
