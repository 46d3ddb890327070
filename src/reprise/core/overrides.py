"""The command that runs stages with other values, as a person would type it."""

import re
import shlex
from collections.abc import Mapping

PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")  # what DVC's overrides take for text without quotes
WORDS = ("true", "false", "null", "nan", "inf", "on", "off", "yes", "no", "y", "n")


def experiment(values: Mapping[str, str], *stages: str) -> str:
    """The command that runs stages with values by dotted key."""
    options = [part for key, value in values.items() for part in ("-S", override(key, value))]
    return shlex.join(["dvc", "exp", "run", *options, *stages])


def override(key: str, value: str) -> str:
    """One value as DVC's `-S` reads it: in quotes where it would be taken for something else."""
    if value.startswith("[") or (PLAIN.fullmatch(value) and value.lower() not in WORDS):
        return f"{key}={value}"
    escaped = re.sub(r'(\\*)"', lambda match: match[1] * 2 + r"\"", value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f'{key}="{escaped}{escaped[len(escaped) - trailing :]}"'
