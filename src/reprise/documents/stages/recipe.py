"""Resolve the chosen recipe into models/documents/recipe.yaml.

python src/run.py documents.recipe
"""

from reprise.core.recipe import write_recipe
from reprise.documents.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
