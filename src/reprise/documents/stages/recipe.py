"""Resolve the chosen recipe into models/documents/recipe.yaml, and hash the stages' code into code.json beside it.

python src/run.py documents.recipe
"""

from reprise.core.closure import write_code
from reprise.core.recipe import write_recipe
from reprise.documents.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
    write_code(TASK)
