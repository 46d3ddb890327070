"""Parameters, recipes and a folder of pages, small enough for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image, ImageDraw

from reprise.core.params import parse_params
from reprise.documents.learning.dataset import PageDataset
from reprise.documents.recipe import Recipe
from tests.conftest import read_params, tiny_params

KINDS = ("bars", "columns", "dots")
FOLDS = (0, 1)


def tiny(**changes: Any) -> dict[str, Any]:
    """The tests' parameters with two folds, and a recipe with changes."""
    params = tiny_params(Path("none"))
    params["documents"]["folds"] = list(FOLDS)
    params["documents"]["prepare"]["folds"] = len(FOLDS)
    params["documents"]["recipes"]["quick"] |= changes
    return params


def tiny_recipe(name: str = "quick", **changes: Any) -> Recipe:
    """One of the true recipes, with changes."""
    documents = read_params()["documents"]
    return parse_params(documents["train"] | documents["recipes"][name] | changes, Recipe, name)


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


def page_dataset(count: int = 24, size: int = 36) -> PageDataset:
    """Pages of the three kinds in turn."""
    drawn = [np.asarray(draw_page(KINDS[number % 3], number, size)) for number in range(count)]
    return PageDataset(np.stack(drawn), np.arange(count) % 3, np.arange(count))


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


def write_own(folder: Path = Path("own")) -> None:
    """A person's folder with a list of the test pages, their labels, and one wrong label."""
    write_folder(folder, pages_per_kind=20, test_pages=6)
    table = pd.read_csv(folder / "train.csv")
    table.loc[table["ID"] == "dots3", "target"] = 0
    table.to_csv(folder / "train.csv", index=False)
    names = [f"page{number}" for number in (4, 2, 0, 5, 1, 3)]
    pd.DataFrame({"ID": names, "target": 0}).to_csv(folder / "sample_submission.csv", index=False)
    targets = [int(name[4:]) % 3 for name in names]
    pd.DataFrame({"ID": names, "target": targets}).iloc[::-1].to_csv(folder / "test_labels.csv", index=False)


def with_statistics(name: str) -> torch.nn.Module:
    """A network of timm whose batch norms have statistics of their own, in evaluation mode."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3)
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(4, 3, 64, 64) + 1)
    return network.eval()
