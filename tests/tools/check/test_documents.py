import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from reprise.core.errors import InputError
from reprise.documents.least_sure import LeastSure
from reprise.documents.stages import prepare, recipe
from tests.conftest import write_params
from tests.documents.helpers import KINDS, draw_page, tiny, write_folder
from tests.tools.check.helpers import apply_printed, check


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny())
    return tmp_path


def prepared_pages() -> pd.DataFrame:
    recipe.main()
    prepare.main()
    return pd.read_parquet("data/documents/prepared/pages.parquet")


def test_a_plain_folder(workspace):
    write_folder(Path("own"))
    code, output = check("documents", "own")
    assert code == 0
    assert "24 training pages of 3 classes" in output
    assert "28 of 28 images decoded" in output
    assert "test_labels.csv: no test score" in output
    assert output.endswith("run:\n  dvc exp run -S documents.data=own documents-evaluate\n")
    assert apply_printed(output) == ["documents-evaluate"]
    assert len(prepared_pages()) == 24


def test_an_image_that_cannot_be_read_is_not_counted_as_decoded(workspace):
    write_folder(Path("own"))
    next(Path("own/train").iterdir()).write_bytes(b"no image")
    assert "27 of 28 images decoded\n" in check("documents", "own")[1]


def write_index(folder):
    for kind in KINDS:
        for number in range(5):
            page = folder / "scans 'x'" / f"{kind}{number}.jpg"
            page.parent.mkdir(parents=True, exist_ok=True)
            draw_page(kind, number).save(page)
    lines = [f"{kind}{number}.jpg {kind}\n" for kind in KINDS for number in range(5)]
    (folder / "labels.txt").write_text("".join(lines))
    (folder / "scans 'x'").rename(folder / "images")


def write_other_columns(folder):
    write_folder(folder)
    table = pd.read_csv(folder / "train.csv").rename(columns={"ID": "filename", "target": "label"})
    table["filename"] += ".jpeg"  # which the files are not
    table.to_csv(folder / "train.csv", index=False)


def asked_table(page: str, target: str) -> str:
    """What `reprise predict documents --ask` writes of one page, with the target that a person filled in."""
    asked = LeastSure(1)
    asked.add({"path": f"scans/{page}", "probabilities": {"bars": 0.5, "dots": 0.3, "columns": 0.2}})
    return asked.csv_text().replace(f"{page},,", f"{page},{target},")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("label_corrections.csv", "ID,decision,target\nbars1,change,2\nbars2,keep,\n"),
        ("ask.csv", asked_table("bars1.png", "0")),
    ],
)
def test_tables_of_a_few_pages_are_not_taken_for_the_labels(workspace, name, content):
    write_folder(Path("own"))
    Path("own/train.csv").rename("own/pages.csv")
    Path("own", name).write_text(content)
    assert name < "pages.csv", "the first that fits is taken"
    code, output = check("documents", "own")
    assert (code, "documents.prepare.files.train=pages.csv" in output) == (0, True), output
    assert "24 training pages" in output
    Path("own/pages.csv").unlink()
    code, output = check("documents", "own")
    assert (code, "train.csv: no such file" in output, "files.train" in output) == (1, True, False), output


def write_few(folder):
    write_folder(folder)
    table = pd.read_csv(folder / "train.csv")
    table[(table["target"] != 1) | (table["ID"] < "columns3")].to_csv(folder / "train.csv", index=False)


@pytest.mark.parametrize(
    ("write", "folder", "said"),
    [
        (write_index, "data/my 'own' pages", "index labels.txt"),
        (write_other_columns, "own", "columns filename and label"),
    ],
)
def test_what_is_printed_runs(workspace, write, folder, said):
    write(Path(folder))
    code, output = check("documents", folder)
    assert (code, said in output) == (0, True), output
    apply_printed(output)
    assert len(prepared_pages()) in (15, 24)


def test_few_pages_take_fewer_folds(workspace):
    params = tiny()
    params["documents"]["prepare"]["folds"] = 5
    write_params(workspace, params)
    write_few(Path("own"))
    code, output = check("documents", "own")
    assert code == 0
    assert "1 classes of at most 5 pages: columns (3)" in output
    assert "class 'columns' has 3 distinct pages, fewer than 5 folds: the command below takes 3 folds" in output
    assert "5 images in own/train are in no table" in output
    apply_printed(output)
    assert sorted(prepared_pages()["fold"].unique()) == [0, 1, 2]


def test_copies_and_near_duplicates_are_those_of_prepare(workspace):
    write_folder(Path("own"))
    shutil.copy("own/train/bars0.png", "own/train/bars1.png")
    Image.open("own/train/bars0.png").save("own/train/dots1.png", compress_level=1)
    shutil.copy("own/train/bars0.png", "own/test/page0.png")
    code, output = check("documents", "own")
    assert code == 0
    assert "2 training images are copies of another one, such as bars0.png = bars1.png" in output
    assert "24 pages compared: 1 groups of near-duplicates, 1 disputed" in output
    assert "1 test pages are near-duplicates of training pages" in output
    prepared_pages_after(output)
    counts = json.loads(Path("metrics/documents/data.json").read_text())
    assert counts["train"]["near_duplicates"]["groups"] == 1
    assert counts["train"]["near_duplicates"]["groups_with_different_labels"] == 1
    assert counts["test"]["near_duplicates_of_training_pages"] == 1


def prepared_pages_after(output):
    apply_printed(output)
    return prepared_pages()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda own: (own / "train/bars1.png").write_bytes(b""),
        lambda own: (own / "train/bars1.png").unlink(),
        lambda own: (own / "meta.csv").write_text("target,class_name\n0,a\n1,b\n"),
        lambda own: shutil.rmtree(own / "train"),
    ],
)
def test_what_is_refused_is_refused_by_prepare_in_the_same_words(workspace, spoil):
    write_folder(Path("own"))
    spoil(Path("own"))
    code, output = check("documents", "own")
    assert code == 1
    apply_printed(output)
    recipe.main()
    with pytest.raises(InputError) as refused:
        prepare.main()
    assert str(refused.value) in output
