"""Run one stage, with the package that lies beside this file.

    python src/run.py taxonomy.train
    torchrun --standalone --nproc-per-node 2 src/run.py documents.train 0

Python puts this file's folder first on its search path. So an experiment that DVC runs in a copy of the repository
(`dvc exp run --temp`, `dvc queue`) imports the copy's code, and not what is installed in the environment.
"""

import os
import sys

from reprise.core.stage import leave, run_stage

if __name__ == "__main__":
    try:
        run_stage(sys.argv[1:])
    except SystemExit as end:
        if "DVC_STAGE" not in os.environ or not isinstance(end.code, int):  # a person may profile or trace it
            raise
        leave(end.code)
