"""One folder of pages in several layouts gives the same prepared files, byte by byte."""

import hashlib
import shutil
from pathlib import Path

import pytest

from reprise.documents.stages import prepare, recipe
from tests.documents.helpers import KINDS, draw_page

OWN = Path("own")


@pytest.fixture
def own(workspace, change_params):
    for kind in KINDS:
        for number in range(6):
            page = OWN / "train" / kind / f"{number}.png"
            page.parent.mkdir(parents=True, exist_ok=True)
            draw_page(kind, number).save(page)
    change_params("documents.data", str(OWN))
    recipe.main()
    return OWN


def prepared():
    """Digests of all that the stage writes."""
    prepare.main()
    files = [path for folder in ("data", "metrics") for path in Path(folder).rglob("*") if path.is_file()]
    found = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if "timing" not in path.parts}
    assert "data/documents/prepared/images.npy" in found
    shutil.rmtree("data")
    shutil.rmtree("metrics")
    return found


def ids():
    return sorted(path.relative_to(OWN / "train").as_posix() for path in (OWN / "train").rglob("*.png"))


def test_layouts_are_alike(own, change_params):
    by_folders = prepared()
    (own / "train.csv").write_text("ID,target\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in ids()))
    assert prepared() == by_folders
    (own / "meta.csv").write_text("name,label\n" + "".join(f"{kind},{kind}\n" for kind in sorted(KINDS)))
    assert prepared() == by_folders
    (own / "train.csv").unlink()
    (own / "index.lst").write_text("".join(f"train/{name} {name.split('/')[0]}\n" for name in ids()))
    change_params("documents.prepare.files.train", "index.lst")
    assert prepared() == by_folders
    (own / "index.lst").write_text("".join(f"scans/{name}\t{name.split('/')[0]}\n" for name in ids()))
    (own / "train").rename(own / "scans")
    change_params("documents.prepare.files.images", "scans")
    assert prepared() == by_folders
