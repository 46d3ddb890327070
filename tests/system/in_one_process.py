"""Run several stages one after the other in this process: `python -m tests.system.in_one_process a.b "a.c 0"`."""

import sys

from reprise.core.stage import find_stage


def main() -> None:
    for command in sys.argv[1:]:
        stage, arguments = find_stage(command.split())
        stage(*arguments)


if __name__ == "__main__":
    main()
