"""A recipe and a folder of pages, small enough for tests."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from reprise.core.params import parse_params
from reprise.documents.recipe import Recipe
from tests.conftest import read_params

KINDS = ("bars", "columns", "dots")


def tiny_recipe(name: str = "quick", **changes: Any) -> Recipe:
    """One of the true recipes, with the open keys filled from `train`, and changes."""
    params = copy.deepcopy(read_params())
    own = params["documents"]["recipes"][name]
    merged = params["train"] | {key: value for key, value in own.items() if value is not None} | changes
    return parse_params(merged, Recipe, name)


def draw_page(kind: str, number: int, size: int = 80) -> Image.Image:
    """A white page with a pattern by its kind, whose places depend on the number; none looks alike when turned."""
    generator = np.random.default_rng(1000 * KINDS.index(kind) + number)
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((4, 4, size // 2, 14), fill="black")  # says which way is up
    for _ in range(9):
        x, y = (int(value) for value in generator.integers(6, size - 24, 2))
        box = {"bars": (x, y, x + 22, y + 4), "columns": (x, y, x + 4, y + 22), "dots": (x, y, x + 8, y + 8)}[kind]
        (pen.ellipse if kind == "dots" else pen.rectangle)(box, fill="black")
    return image


def write_folder(folder: Path, pages_per_kind: int = 8, test_pages: int = 4) -> Path:
    """Write a folder of documents in the layout that people have."""
    (folder / "train").mkdir(parents=True)
    (folder / "test").mkdir()
    rows = []
    for target, kind in enumerate(KINDS):
        for number in range(pages_per_kind):
            draw_page(kind, number).save(folder / "train" / f"{kind}{number}.png")
            rows.append((f"{kind}{number}", target))
    for number in range(test_pages):
        draw_page(KINDS[number % 3], 100 + number).save(folder / "test" / f"page{number}.png")
    pd.DataFrame(rows, columns=["ID", "target"]).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"target": range(3), "class_name": KINDS}).to_csv(folder / "meta.csv", index=False)
    return folder
