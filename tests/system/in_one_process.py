"""Run several stages one after the other in this process: `python -m tests.system.in_one_process src.a "src.b 0"`."""

import importlib
import sys


def main() -> None:
    """Call each module's main with its arguments, as its own process would."""
    for command in sys.argv[1:]:
        module, *arguments = command.split()
        sys.argv = [module, *arguments]
        importlib.import_module(module).main()


if __name__ == "__main__":
    main()
