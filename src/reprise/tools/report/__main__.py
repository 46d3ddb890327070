"""`python -m reprise.tools.report` builds the report, as `reprise report` does."""

from reprise.core.command import run_command
from reprise.tools.report.build import main

run_command(main)
