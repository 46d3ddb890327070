"""Resolve the chosen recipe into models/deepfake/recipe.yaml.

python src/run.py deepfake.recipe
"""

from reprise.core.recipe import write_recipe
from reprise.deepfake.recipe import TASK, Recipe


def main() -> None:
    write_recipe(TASK, Recipe)
