"""Resolve the chosen recipe into models/taxonomy/recipe.yaml, and hash the stages' code into code.json beside it.

python src/run.py taxonomy.recipe
"""

from reprise.core.closure import write_code
from reprise.core.recipe import write_recipe
from reprise.taxonomy.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
    write_code(TASK)
