"""Generate document pages of 17 kinds in the task's file layout, so that a fresh clone runs.

    python src/run.py documents.sample

Training pages are nearly clean; test pages are turned, flipped, rotated, blurred, noisy and compressed, as a careless
scan is. A few training labels are wrong on purpose, for the evaluation to find. Writes data/documents/sample:
train.csv, meta.csv, train/, test/, sample_submission.csv, test_labels.csv and mislabelled.csv (the right targets).
"""

import io
import itertools
import logging
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from pydantic import Field

from reprise.core.files import write_text
from reprise.core.params import Hardware, Params, load_params, load_seed
from reprise.core.seed import derive_seed
from reprise.documents.paths import SAMPLE
from reprise.documents.sample.pages import KINDS, draw_page

logger = logging.getLogger("reprise")


class SampleParams(Params):
    """`documents.sample`: how many pages, and how worn."""

    train_pages: Annotated[int, Field(ge=1)]
    test_pages: Annotated[int, Field(ge=0)]
    unevenness: Annotated[float, Field(ge=0)]
    stained: Annotated[float, Field(ge=0, le=1)]
    stamped: Annotated[float, Field(ge=0, le=1)]
    mislabelled: Annotated[float, Field(ge=0, lt=1)]


def main() -> None:
    params, seed = load_params("documents.sample", SampleParams), load_seed()
    hardware = load_params("hardware", Hardware)
    shutil.rmtree(SAMPLE, ignore_errors=True)
    kinds = list(KINDS)
    with ProcessPoolExecutor(hardware.threads) as pool:
        for part, pages in (("train", params.train_pages), ("test", params.test_pages)):
            (SAMPLE / part).mkdir(parents=True)
            targets = draw_targets(pages, params.unevenness, derive_seed(seed, "documents-sample", part))
            names = page_names(part, pages, seed)
            paths, chosen = [SAMPLE / part / name for name in names], [kinds[target] for target in targets]
            same = [itertools.repeat(each) for each in (part, params, seed)]
            for _ in pool.map(write_page, paths, chosen, *same, chunksize=16):
                pass  # so that an error in a process is raised here
            labels = pd.DataFrame({"ID": names, "target": targets}).sort_values("ID", ignore_index=True)
            if part == "train":
                labels, right = mislabel(labels, params.mislabelled, derive_seed(seed, "documents-sample", "mislabel"))
                write_text(SAMPLE / "mislabelled.csv", right.to_csv(index=False))
            write_text(SAMPLE / ("train.csv" if part == "train" else "test_labels.csv"), labels.to_csv(index=False))
    meta = pd.DataFrame({"target": range(len(kinds)), "class_name": kinds})
    write_text(SAMPLE / "meta.csv", meta.to_csv(index=False))
    write_text(SAMPLE / "sample_submission.csv", labels.assign(target=0).to_csv(index=False))
    logger.info("%d training and %d test pages of %d kinds", params.train_pages, params.test_pages, len(kinds))


def draw_targets(pages: int, unevenness: float, seed: int) -> np.ndarray:
    """Classes of the pages: the n-th kind has ~ 1 / n**unevenness of them, in random order."""
    shares = 1.0 / np.arange(1, len(KINDS) + 1) ** unevenness
    places = (np.arange(pages) + 0.5) / max(1, pages)
    targets = np.searchsorted(np.cumsum(shares) / shares.sum(), places)
    return np.random.default_rng(seed).permutation(targets)


def mislabel(labels: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give a share of the pages a label of another kind.

    Returns:
        The labels, and the rows that were changed, as they were.
    """
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.choice(len(labels), round(share * len(labels)), replace=False))
    wrong, shift = labels.copy(), generator.integers(1, len(KINDS), len(rows))
    wrong.loc[rows, "target"] = (labels["target"].to_numpy()[rows] + shift) % len(KINDS)
    return wrong, labels.loc[rows]


def page_names(part: str, pages: int, seed: int) -> list[str]:
    """File names that say nothing about what is on the page."""
    return [f"{derive_seed(seed, part, 'name', page):08x}{page:04x}.jpg" for page in range(pages)]


def write_page(path: Path, kind: str, part: str, params: SampleParams, seed: int) -> None:
    """Draw, wear and write one page; a test page is damaged too."""
    generator = np.random.default_rng(derive_seed(seed, "documents-sample", path.name))
    page = wear(draw_page(kind, generator), params, generator)
    if part == "test":
        page = damage(page, generator)
    page.save(path, quality=90)


def wear(page: Image.Image, params: SampleParams, generator: np.random.Generator) -> Image.Image:
    """What a page has been through before it is scanned well: paper, stains, a stamp, a slight tilt."""
    draw = ImageDraw.Draw(page, "RGBA")
    width, height = page.size
    if generator.random() < params.stained:
        x, y, radius = generator.uniform(0, width), generator.uniform(0, height), generator.uniform(15, 60)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=(120, 80, 30, 70), width=6)
    if generator.random() < params.stamped:
        x, y = generator.uniform(0.2, 0.8) * width, generator.uniform(0.3, 0.9) * height
        colour = (*(int(value) for value in generator.integers(20, 170, 3)), 150)
        draw.rectangle([x - 34, y - 13, x + 34, y + 13], outline=colour, width=3)
        draw.text((x, y), generator.choice(["PAID", "COPY", "RECEIVED"]), fill=colour, anchor="mm")
    grain = generator.normal(0, generator.uniform(1, 4), (height, width, 1))
    shade = np.linspace(0, generator.uniform(-18, 18), width)[None, :, None]
    worn = Image.fromarray(np.clip(np.asarray(page) + grain + shade, 0, 255).astype(np.uint8))
    angle = generator.normal(0, 1.0)
    return worn.rotate(angle, Image.Resampling.BILINEAR, expand=True, fillcolor=(255, 255, 255))


def damage(page: Image.Image, generator: np.random.Generator) -> Image.Image:
    """What a careless scan does: turn or flip, tilt, blur, contrast, brightness, noise, JPEG."""
    turned = np.rot90(np.asarray(page), int(generator.integers(4)))
    page = Image.fromarray(np.ascontiguousarray(turned[:, ::-1] if generator.random() < 0.5 else turned))
    angle = generator.uniform(-15, 15)
    page = page.rotate(angle, Image.Resampling.BILINEAR, expand=True, fillcolor=(255, 255, 255))
    page = page.filter(ImageFilter.GaussianBlur(generator.uniform(0, 2.5)))
    page = ImageEnhance.Contrast(page).enhance(generator.uniform(0.6, 1.3))
    page = ImageEnhance.Brightness(page).enhance(generator.uniform(0.75, 1.15))
    noise = generator.normal(0, generator.uniform(0, 30), (*page.size[::-1], 3))
    page = Image.fromarray(np.clip(np.asarray(page) + noise, 0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=int(generator.integers(25, 80)))
    return Image.open(buffer).convert("RGB")
