"""Check a folder of pages."""

import dataclasses
import functools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.core.params import Hardware, load_as, load_params, load_seed, load_value
from reprise.core.recipe import resolve_recipe
from reprise.core.text import compose_name
from reprise.documents.data.corrections import FILE as CORRECTIONS
from reprise.documents.data.folds import check_folds, near_duplicate_groups, near_duplicate_rows, perceptual_hash
from reprise.documents.data.images import EXTENSIONS, cache_size, decode
from reprise.documents.data.layouts import Files, class_folders, file_layout, read_label_file, recognise
from reprise.documents.data.listing import list_test, list_train
from reprise.documents.data.tables import TARGET_COLUMNS, Classes, class_columns, read_header
from reprise.documents.least_sure import COLUMNS as ASKED_COLUMNS
from reprise.documents.quality.labels import labels_of_folders, read_test_labels
from reprise.documents.recipe import TASK, Recipe
from reprise.tools.check.findings import SHOWN, Findings, same_content, some

PREPARE = "documents.prepare"
FEW_PAGES = 5  # a class of fewer is named
SECONDS = 4.0  # for decoding
BLOCK = 64  # pages decoded between two looks at the clock
ID_COLUMNS = ("ID", "id", "image_id", "image", "file", "filename", "file_name", "path", "page")
CLASS_COLUMNS = (*TARGET_COLUMNS, "class", "class_name")
IMAGE_FOLDERS = ("images", "train_images", "pages", "imgs")
TEST_FOLDERS = ("test_images", "test_pages")


@dataclasses.dataclass
class Settings:
    """The values of params.yaml that say how a folder is read, as far as they fit it."""

    files: Files
    id_column: str
    target_column: str

    @property
    def columns(self) -> tuple[str, str]:
        """Columns of ids and targets."""
        return self.id_column, self.target_column


def check(folder: Path) -> Findings:
    """Read a folder as documents-prepare and documents-evaluate do."""
    found = Findings(overrides={"documents.data": str(folder)})
    settings = fit_settings(found, folder)
    files = settings.files
    with found.collect():
        train, classes, train_images = list_train(folder, files, settings.columns)
        describe(found, folder, settings, train, classes)
        note_unlisted(found, folder / files.images, train, train_images)
        test = pd.DataFrame({"id": [], "file": []}, dtype=object)
        with found.collect():
            test, test_images = list_test(folder, files, settings.id_column)
            note_unlisted(found, folder / files.test_images, test, test_images)
        if len(test):
            found.recognised.append(f"{len(test)} test pages")
            with found.collect():
                check_test_labels(found, folder, test["id"].tolist(), classes, settings.columns)
        else:
            found.missing.append(f"{files.test_images}/: no pages to predict")
        check_images(found, folder, files, train, test, classes)
    return found


def fit_settings(found: Findings, folder: Path) -> Settings:
    """Take params.yaml's names of files and columns, and others where the folder clearly has those."""
    names = load_params(f"{PREPARE}.files", Files)
    changed: dict[str, str] = {}
    if not (folder / names.images).is_dir():
        changed |= first_of("images", [name for name in IMAGE_FOLDERS if holds_images(folder / name)])
    if not (folder / names.test_images).is_dir():
        changed |= first_of("test_images", [name for name in TEST_FOLDERS if holds_images(folder / name)])
    images = changed.get("images", names.images)
    if not (folder / names.train).exists() and not class_folders_or_none(folder / images):
        changed |= first_of("train", list(label_files(folder, names)))
    found.overrides |= {f"{PREPARE}.files.{key}": value for key, value in changed.items()}
    settings = Settings(
        names.model_copy(update=changed),
        *(str(load_value(f"{PREPARE}.{key}")) for key in ("id_column", "target_column")),
    )
    fit_columns(found, folder / settings.files.train, settings)
    return settings


def first_of(key: str, names: list[str]) -> dict[str, str]:
    """A key with the first of some names; nothing where there are none."""
    return {key: names[0]} if names else {}


def holds_images(folder: Path) -> bool:
    """Whether a folder holds an image somewhere."""
    if not folder.is_dir():
        return False
    return any(Path(name).suffix.lower() in EXTENSIONS for _, _, files in os.walk(folder) for name in files)


def class_folders_or_none(images: Path) -> list[str]:
    return class_folders(images) if holds_images(images) else []


def label_files(folder: Path, files: Files) -> Iterator[str]:
    """Files at the top of a folder that could hold the training labels: tables first, then indexes.

    A person's answers and the table of `reprise predict documents --ask` have columns of ids and targets, too, but of a
    few pages.
    """
    others = {files.classes, files.test, load_as("documents.evaluate.labels", str), CORRECTIONS}
    texts = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".txt", ".tsv", ".lst")]
    candidates = [path for path in texts if path.name not in others and "test" not in path.stem.lower()]
    for path in candidates:
        header = read_header(path)
        if set(ASKED_COLUMNS) <= set(header):
            continue
        if any(name in header for name in ID_COLUMNS) and any(name in header for name in CLASS_COLUMNS):
            yield path.name
    for path in candidates:
        if path.suffix.lower() != ".csv" and is_index(path, files):
            yield path.name


def is_index(path: Path, files: Files) -> bool:
    """Whether the first ids of a file of `path label` look like images' names."""
    try:
        table = read_label_file(path, ("", ""), files.images)
    except InputError:
        return False
    return all(Path(name).suffix.lower() in EXTENSIONS for name in table["id"].head(5))


def fit_columns(found: Findings, path: Path, settings: Settings) -> None:
    """Take other names of the columns of train.csv where the given ones are not there."""
    header = read_header(path)
    if file_layout(path, settings.columns) != "table" or not header:
        return
    for key, known in (("id_column", ID_COLUMNS), ("target_column", CLASS_COLUMNS)):
        if compose_name(getattr(settings, key)) not in header:
            other = next((name for name in known if name in header), None)
            if other is not None:
                setattr(settings, key, other)
                found.overrides[f"{PREPARE}.{key}"] = other


def describe(found: Findings, folder: Path, settings: Settings, train: pd.DataFrame, classes: Classes) -> None:
    """Say the layout, and which classes have few pages."""
    files = settings.files
    layout = recognise(folder, files, settings.columns)
    place = {
        "table": f"table {files.train}, columns {settings.id_column} and {settings.target_column}",
        "index": f"index {files.train}, lines of path and label",
        "folders": f"folders of classes, {files.images}/<class>/",
    }[layout]
    found.recognised.append(place)
    if (folder / files.classes).exists():
        target, name = class_columns(folder / files.classes, settings.target_column)
        found.recognised.append(f"class names from {files.classes}, columns {target} and {name}")
    else:
        found.missing.append(f"{files.classes}: classes are called by their labels")
    counts = np.bincount(train["target"], minlength=len(classes))
    found.recognised.append(f"{len(train)} training pages of {len(classes)} classes")
    if none := [classes.names[index] for index in np.flatnonzero(counts == 0)]:
        found.odd.append(f"{len(none)} classes without a page: {some(none)}")
    few = np.flatnonzero((counts > 0) & (counts <= FEW_PAGES)).tolist()
    if few:
        named = [f"{classes.names[index]} ({counts[index]})" for index in few]
        found.odd.append(f"{len(few)} classes of at most {FEW_PAGES} pages: {some(named)}")
    if "fold" in train:
        found.recognised.append("folds from the column fold")
        with found.collect():
            targets = train["target"].to_numpy()
            check_folds(train["fold"].to_numpy(), targets, load_as(f"{PREPARE}.folds", int), classes.names)
    else:
        fit_folds(found, counts, classes)


def fit_folds(found: Findings, counts: np.ndarray, classes: Classes) -> None:
    """Take as many folds as the rarest class has distinct pages, (C,) counts, where params.yaml asks for more."""
    folds = int(found.overrides.get(f"{PREPARE}.folds", load_as(f"{PREPARE}.folds", int)))
    fewest = int(counts[counts > 0].min())
    name = classes.names[int(np.flatnonzero(counts == fewest)[0])]
    if fewest >= folds:
        return
    line = f"class {name!r} has {fewest} distinct pages, fewer than {folds} folds"
    if fewest < 2:
        found.stops.append(f"{line}; expected 2 or more")
        return
    found.odd.append(f"{line}: the command below takes {fewest} folds")
    use_folds(found, fewest)


def use_folds(found: Findings, folds: int) -> None:
    found.overrides[f"{PREPARE}.folds"] = str(folds)
    found.overrides["documents.folds"] = f"[{','.join(map(str, range(folds)))}]"


def note_unlisted(found: Findings, images: Path, pages: pd.DataFrame, count: int) -> None:
    if count > len(pages):
        found.dropped.append(f"{count - len(pages)} images in {images} are in no table")


def check_test_labels(
    found: Findings, folder: Path, ids: list[str], classes: Classes, columns: tuple[str, str]
) -> None:
    """Read the labels of test pages as documents-evaluate does, which alone uses them."""
    path = folder / load_as("documents.evaluate.labels", str)
    if path.exists():
        read_test_labels(path, ids, classes, columns)
        found.recognised.append(f"labels of the test pages, {path.name}")
    elif labels_of_folders(ids, classes):
        found.recognised.append("labels of the test pages, by their folders")
    else:
        found.missing.append(f"{path.name}: no test score")


def check_images(
    found: Findings, folder: Path, files: Files, train: pd.DataFrame, test: pd.DataFrame, classes: Classes
) -> None:
    """Look for files that cannot be read, copies, and near-duplicates."""
    paths = [folder / files.images / name for name in train["file"]]
    test_paths = [folder / files.test_images / name for name in test["file"]]
    if copies := same_content(paths):
        first = " = ".join(path.name for path in copies[0])
        found.odd.append(f"{sum(map(len, copies))} training images are copies of another one, such as {first}")
    hashes = decode_some(found, [*paths, *test_paths])
    bits = load_as(f"{PREPARE}.duplicate_bits", int)
    rows = np.array([row for row in range(len(paths)) if row in hashes], np.int64)
    if not len(rows):
        return
    own = np.stack([hashes[row] for row in rows.tolist()])
    seen = train.iloc[rows].assign(group=near_duplicate_groups(own, bits))
    grouped = seen[seen["group"].duplicated(keep=False)].groupby("group")["target"]
    if grouped.ngroups:
        differ = int((grouped.min() < grouped.max()).sum())
        found.odd.append(f"{len(rows)} pages compared: {grouped.ngroups} groups of near-duplicates, {differ} disputed")
    others = [hashes[row] for row in range(len(paths), len(paths) + len(test_paths)) if row in hashes]
    if others and (leaked := len(near_duplicate_rows(np.stack(others), own, bits))):
        found.odd.append(f"{leaked} test pages are near-duplicates of training pages")
    if len(rows) == len(train) and "fold" not in train:  # near-duplicates count as one page
        distinct = seen.drop_duplicates(["target", "group"])["target"]
        fit_folds(found, np.bincount(distinct, minlength=len(classes)), classes)


def hash_page(path: Path, size: int, max_megapixels: float) -> np.ndarray | str:
    """Perceptual hash of a page, or what is wrong with it."""
    try:
        return perceptual_hash(decode(path, size, max_megapixels).pixels)
    except InputError as error:
        return str(error)


def decode_some(found: Findings, paths: list[Path]) -> dict[int, np.ndarray]:
    """Decode pages in random order for a few seconds, and hash them as documents-prepare does: hashes by row."""
    recipe, _ = resolve_recipe(TASK, Recipe)
    size, most = cache_size(recipe.image_size), load_as(f"{PREPARE}.max_megapixels", float)
    order = np.random.default_rng(load_seed()).permutation(len(paths)).tolist()
    hashes: dict[int, np.ndarray] = {}
    errors: list[str] = []

    started = time.monotonic()
    look = functools.partial(hash_page, size=size, max_megapixels=most)
    with ProcessPoolExecutor(load_params("hardware", Hardware).threads) as pool:
        for start in range(0, len(order), BLOCK):
            if time.monotonic() - started > SECONDS:
                break
            rows = order[start : start + BLOCK]
            for row, result in zip(rows, pool.map(look, (paths[row] for row in rows)), strict=True):
                if isinstance(result, str):
                    errors.append(result)
                else:
                    hashes[row] = result
    looked = len(hashes) + len(errors)
    found.recognised.append(
        f"{len(hashes)} of {len(paths)} images decoded" + (", drawn at random" if looked < len(paths) else "")
    )
    found.refuse(sorted(errors), "images")
    empty = [path for row, path in enumerate(paths) if path.stat().st_size == 0 and row not in hashes]
    known = {error.partition(":")[0] for error in errors}
    found.stops += [f"{path}: empty file" for path in empty if str(path) not in known][:SHOWN]
    return hashes
