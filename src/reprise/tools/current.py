"""Say whether dvc.lock is what the code, the parameters and the data come to: the exit code is 1 if stages would run.

    python -m reprise.tools.current

Data that is not here is no matter: what is compared are checksums. (`dvc repro --dry` exits with 0 either way.)
"""

import sys

from reprise.core.errors import InputError
from reprise.tools.repository import stale_stages


def main() -> int:
    """Run the command; returns the exit code."""
    try:
        stale = stale_stages()
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if stale:
        print(f"dvc.lock is behind: {', '.join(stale)} would run; `make repro`, and commit what it changes")
        return 1
    print("dvc.lock is current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
