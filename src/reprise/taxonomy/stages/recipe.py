"""Resolve the chosen recipe into models/taxonomy/recipe.yaml.

python src/run.py taxonomy.recipe
"""

from reprise.core.recipe import write_recipe
from reprise.taxonomy.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
