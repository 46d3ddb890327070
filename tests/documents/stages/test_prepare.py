import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprise.core.errors import InputError
from reprise.documents.data.images import decode
from reprise.documents.data.tables import read_classes, read_labels
from reprise.documents.stages import prepare, recipe
from tests.documents.helpers import draw_page, write_folder
from tests.stage_files import digests

OWN = Path("own")


@pytest.fixture
def own(workspace, change_params):
    """A person's folder, with three kinds of pages and two folds."""
    write_folder(OWN)
    change_params("documents.data", str(OWN))
    recipe.main()
    return OWN


def prepared():
    pages = np.load("data/documents/prepared/images.npy")
    return pd.read_parquet("data/documents/prepared/pages.parquet"), pages


def change_table(path, function):
    table = pd.read_csv(path, dtype=str)
    function(table).to_csv(path, index=False)


def test_what_is_stored_is_every_page_decoded_and_its_label(own):
    prepare.main()
    table, pages = prepared()
    assert table["id"].tolist() == pd.read_csv(own / "train.csv")["ID"].tolist()
    for row in (0, 9, 23):
        assert np.array_equal(pages[row], decode(own / "train" / table["file"][row], pages.shape[1], 1.0).pixels)
    labels = read_labels(own / "train.csv", "ID", "target", read_classes(own / "meta.csv", "target"))
    assert table["target"].tolist() == labels["target"].tolist()
    assert pages.shape == (24, 36, 36, 3)  # 1.125 of 32
    tests = pd.read_parquet("data/documents/prepared_test/pages.parquet")
    assert tests["id"].tolist() == [f"page{number}.png" for number in range(4)]  # no list: all, by name


def test_a_given_fold_column_is_kept_and_near_duplicates_over_folds_are_counted(own):
    change_table(own / "train.csv", lambda table: table.assign(fold=[number % 2 for number in range(len(table))]))
    (own / "train/bars1.png").write_bytes((own / "train/bars0.png").read_bytes())
    prepare.main()
    assert prepared()[0]["fold"].tolist() == [number % 2 for number in range(24)]
    counts = json.loads(Path("metrics/documents/data.json").read_text())["train"]["near_duplicates"]
    assert counts == {
        "pages": 2,
        "groups": 1,
        "groups_with_different_labels": 0,
        "groups_over_several_folds": 1,
    }
    assert "bars1" in Path("metrics/documents/near_duplicates.csv").read_text()


def test_near_duplicates_share_a_fold_and_test_pages_among_them_are_counted(own):
    page = draw_page("bars", 0)
    for number in range(1, 5):
        page.save(own / f"train/bars{number}.png")
    page.save(own / "test/page0.png")
    prepare.main()
    table, _ = prepared()
    assert table.loc[table["id"].isin([f"bars{number}" for number in range(5)]), "fold"].unique().size == 1
    data = json.loads(Path("metrics/documents/data.json").read_text())
    assert data["train"]["near_duplicates"]["pages"] == 5
    assert data["test"]["near_duplicates_of_training_pages"] == 1


def test_the_submission_file_gives_the_order_and_unlisted_images_are_counted(own):
    (own / "sample_submission.csv").write_text("ID,target\npage2.png,0\npage0,0\n")
    draw_page("bars", 99).save(own / "train/unlisted.png")
    prepare.main()
    assert pd.read_parquet("data/documents/prepared_test/pages.parquet")["file"].tolist() == ["page2.png", "page0.png"]
    data = json.loads(Path("metrics/documents/data.json").read_text())
    assert (data["train"]["unlisted_images"], data["test"]["unlisted_images"]) == (1, 2)


def test_unusual_files_are_handled_and_counted(own):
    Image.open(own / "train/bars0.png").convert("CMYK").save(own / "train/bars0.tif")
    (own / "train/bars0.png").unlink()
    prepare.main()
    data = json.loads(Path("metrics/documents/data.json").read_text())
    assert data["train"]["handled"] == {"cmyk": 1}


def test_no_test_folder_is_no_test_pages(own):
    for path in (own / "test").iterdir():
        path.unlink()
    (own / "test").rmdir()
    prepare.main()
    assert len(pd.read_parquet("data/documents/prepared_test/pages.parquet")) == 0


def test_names_of_columns_are_the_users(own, change_params):
    change_table(own / "train.csv", lambda table: table.rename(columns={"ID": "page", "target": "kind"}))
    change_table(own / "meta.csv", lambda table: table.rename(columns={"target": "kind"}))
    change_params("documents.prepare.id_column", "page")
    change_params("documents.prepare.target_column", "kind")
    prepare.main()
    assert len(prepared()[0]) == 24


def damage_file(own, name, content):
    (own / name).write_bytes(content)


BAD = {
    "an id without an image": (
        lambda own: change_table(own / "train.csv", lambda t: t.replace("bars3", "lost")),
        r"^own/train\.csv:5: ID 'lost' has no image in own/train$",
    ),
    "an id with its extension twice": (
        lambda own: change_table(own / "train.csv", lambda t: t.replace("bars3", "bars3.png.png")),
        r"ID 'bars3\.png\.png' has no image",
    ),
    "an id outside the folder": (
        lambda own: change_table(own / "train.csv", lambda t: t.replace("bars3", "../../x")),
        r"train\.csv:5: ID '\.\./\.\./x' points outside",
    ),
    "one image under two ids": (
        lambda own: change_table(own / "train.csv", lambda t: t.replace("bars3", "bars2.png")),
        r"train\.csv:5: file 'bars2\.png' is already on line 4",
    ),
    "an unknown class": (
        lambda own: change_table(own / "train.csv", lambda t: t.replace("2", "9")),
        r"class '9' is not in meta\.csv, which has 0, 1, 2",
    ),
    "damaged images, all named at once": (
        lambda own: [damage_file(own, f"train/{name}.png", b"") for name in ("bars1", "dots2")],
        r"^own/train/bars1\.png: empty file; own/train/dots2\.png: empty file$",
    ),
    "many damaged images": (
        lambda own: [damage_file(own, f"train/dots{number}.png", b"x") for number in range(8)],
        r"dots4\.png: not an image that can be read \(.*\) \(and 3 more images\)$",
    ),
    "a damaged test image": (
        lambda own: damage_file(own, "test/page1.png", (own / "test/page0.png").read_bytes()[:100]),
        r"^own/test/page1\.png: damaged image",
    ),
    "an empty test folder": (
        lambda own: [path.unlink() for path in (own / "test").iterdir()],
        r"^own/test: no image in it; known extensions are",
    ),
    "a test file whose name is not text": (
        lambda own: (own / "test/page0.png").rename(own / "test" / os.fsdecode(b"\xff.png")),
        r"own/test: '\\udcff\.png': the file's name is not UTF-8; rename it",
    ),
    "two targets with one name": (
        lambda own: change_table(own / "meta.csv", lambda t: t.replace("dots", "bars")),
        r"^own/meta\.csv:4: class_name 'bars' is already on line 2$",
    ),
    "a test page that is not there": (
        lambda own: (own / "sample_submission.csv").write_text("ID,target\npage9,0\n"),
        r"^own/sample_submission\.csv:2: ID 'page9' has no image in own/test$",
    ),
    "a class with fewer pages than folds": (
        lambda own: change_table(own / "train.csv", lambda t: t[(t["target"] != "1") | (t["ID"] == "columns0")]),
        r"class 'columns' has 1 distinct pages, fewer than the 2 folds",
    ),
    "a fold column that does not match": (
        lambda own: change_table(own / "train.csv", lambda t: t.assign(fold=[n % 3 for n in range(len(t))])),
        r"column fold has \[0, 1, 2\]; documents\.prepare\.folds: 2 expects \[0, 1\]",
    ),
    "no train folder": (
        lambda own: (own / "train").rename(own / "pages"),
        r"^own/train: no such folder of images$",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_one_line_and_leave_nothing_half_written(own, case):
    spoil, message = BAD[case]
    spoil(own)
    with pytest.raises(InputError, match=message) as caught:
        prepare.main()
    assert "\n" not in str(caught.value)
    written = [path for folder in ("data", "metrics") for path in Path(folder).rglob("*") if path.is_file()]
    assert written == []


def test_absurdly_large_images_name_the_limit(own, change_params):
    change_params("documents.prepare.max_megapixels", 0.005)
    with pytest.raises(InputError, match=r"bars0\.png: 80 x 80 pixels, more than max_megapixels 0\.005"):
        prepare.main()


ODD = {"bars": "ID", "columns": "NA", "dots": "$x$ <b>=1+1 | \u202e"}


def test_classes_with_names_that_mean_something_elsewhere(own):
    change_table(own / "meta.csv", lambda table: table.replace(ODD))
    (own / "train/bars1.png").write_bytes((own / "train/bars0.png").read_bytes())
    prepare.main()
    assert list(read_data()["train"]["classes"]) == list(ODD.values())
    assert Path("metrics/documents/class_distribution.png").exists()


def read_data():
    return json.loads(Path("metrics/documents/data.json").read_text())


def test_pages_of_one_colour_and_wide_pixels_are_counted_and_named(own, caplog):
    Image.new("RGB", (80, 80), "white").save(own / "train/bars0.png")
    Image.fromarray(np.asarray(draw_page("bars", 1).convert("L")) / np.float32(255)).save(own / "train/bars1.tif")
    (own / "train/bars1.png").unlink()
    with caplog.at_level("WARNING", logger="reprise"):
        prepare.main()
    assert read_data()["train"]["handled"] == {"constant": 1, "float": 1}
    assert "1 images are of one colour all over: own/train/bars0.png" in caplog.text


def test_formulas_are_no_formulas_in_the_list_of_duplicates(own):
    (own / "train/bars1.png").write_bytes((own / "train/bars0.png").read_bytes())
    (own / "train/bars1.png").rename(own / "train/=1+1.png")
    change_table(own / "train.csv", lambda table: table.replace("bars1", "=1+1"))
    prepare.main()
    assert "'=1+1" in Path("metrics/documents/near_duplicates.csv").read_text()
    assert "=1+1" in prepared()[0]["id"].tolist()


def test_nothing_is_written_where_the_picture_cannot_be_drawn(own, monkeypatch):
    def fail(*_):
        raise InputError("no picture")

    monkeypatch.setattr("reprise.documents.class_distribution.plot_class_distribution", fail)
    with pytest.raises(InputError, match="no picture"):
        prepare.main()
    assert [path for folder in ("data", "metrics") for path in Path(folder).rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("documents.data", None, r"documents\.data: expected the path"),
        ("documents.data", 5, r"documents\.data: expected the path"),
        ("seed", "abc", r"seed: expected a whole number"),
        ("documents.prepare.folds", 1, r"documents\.prepare\.folds: .*greater than or equal to 2"),
        ("documents.prepare.id_column", "", r"documents\.prepare\.id_column: .*at least 1 character"),
        ("documents.prepare.max_megapixels", "many", r"documents\.prepare\.max_megapixels: "),
    ],
)
def test_parameters_that_make_no_sense(own, change_params, key, value, message):
    change_params(key, value)
    with pytest.raises(InputError, match=message) as caught:
        prepare.main()
    assert "\n" not in str(caught.value)


def test_corrections_are_applied_and_counted_and_the_table_of_labels_stays(own):
    before = (own / "train.csv").read_bytes()
    (own / "label_corrections.csv").write_text("ID,decision,target\nbars0,change,2\nbars1,keep,\ndots1,unsure,\n")
    prepare.main()
    targets = dict(prepared()[0][["id", "target"]].itertuples(index=False))
    assert (targets["bars0"], targets["bars1"], targets["dots1"]) == (2, 0, 2)
    counts = json.loads(Path("metrics/documents/data.json").read_text())["corrections"]
    assert counts == {"keep": 1, "change": 1, "unsure": 1, "labels_changed": 1}
    assert (own / "train.csv").read_bytes() == before


def test_a_decision_that_changes_no_label_changes_nothing_that_trainings_read(own):
    prepare.main()
    before = digests("data/documents/prepared")
    (own / "label_corrections.csv").write_text("ID,decision\nbars1,keep\ndots1,unsure\n")
    prepare.main()
    assert digests("data/documents/prepared") == before
