"""Resolve the chosen recipe into models/deepfake/recipe.yaml, and hash the stages' code into code.json beside it.

python src/run.py deepfake.recipe
"""

from reprise.core.closure import write_code
from reprise.core.recipe import write_recipe
from reprise.deepfake.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
    write_code(TASK)
