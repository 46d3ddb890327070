import contextlib
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.documents.data.images import FileNames, ImageFolder
from reprise.documents.data.layouts import Files, read_index, read_train, recognise, split_index_line
from reprise.documents.data.tables import class_columns, read_classes
from tests.conftest import read_params

FILES = parse_params(read_params()["documents"]["prepare"]["files"], Files, "files")
COLUMNS = ("ID", "target")


def write_pages(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / "train" / name, "PNG")
    return folder


PAGES = ("bars/a.png", "bars/b.JPG", "dots/a.png")


@pytest.mark.parametrize("meta", [None, "target,class_name\nbars,Bars\ndots,Dots\n"])
def test_the_same_labels_in_three_layouts(tmp_path, meta):
    folder = write_pages(tmp_path, *PAGES)
    if meta:
        (folder / "meta.csv").write_text(meta)
    read = {"folders": read_train(folder, FILES, COLUMNS)}
    assert recognise(folder, FILES, COLUMNS) == "folders"
    for layout, text in {
        "table": "ID,target\n" + "".join(f"{name},{name[:4]}\n" for name in PAGES),
        "index": "".join(f"train/{name} {name[:4]}\n" for name in PAGES),
    }.items():
        files = FILES if layout == "table" else FILES.model_copy(update={"train": "index.txt"})
        (folder / files.train).write_text(text)
        assert recognise(folder, files, COLUMNS) == layout
        read[layout] = read_train(folder, files, COLUMNS)
    for labels, classes in read.values():
        assert labels["id"].tolist() == list(PAGES)
        assert labels["target"].tolist() == [0, 0, 1]
        assert classes.targets == ("bars", "dots")
        assert classes.names == (("Bars", "Dots") if meta else ("bars", "dots"))


def test_folders_are_called_like_classes_or_their_targets(tmp_path):
    folder = write_pages(tmp_path, "bars/a.png", "1/a.png")
    (folder / "meta.csv").write_text("target,class_name\n1,dots\n0,bars\n")
    labels, _ = read_train(folder, FILES, COLUMNS)
    assert dict(zip(labels["id"], labels["target"], strict=True)) == {"bars/a.png": 0, "1/a.png": 1}


def test_labels_without_meta_csv_are_ordered_as_numbers_where_they_are(tmp_path):
    folder = write_pages(tmp_path, *PAGES)
    (folder / "train.csv").write_text("ID,target\nbars/a,10\nbars/b,9\ndots/a,10\n")
    labels, classes = read_train(folder, FILES, COLUMNS)
    assert (classes.targets, labels["target"].tolist()) == (("9", "10"), [1, 0, 1])


@pytest.mark.parametrize(
    ("meta", "columns"),
    [
        ("target,class_name\n", ("target", "class_name")),
        ("label,name\n", ("label", "name")),
        ("class_name,target,label\n", ("target", "class_name")),
        ("id,class\n", ("id", "class")),
        ("code,class_name\n", ("code", "class_name")),
        ("target,description\n", ("target", "description")),
        ("class_name\n", ("class_name", "class_name")),
        ("a,b,c\n", ("target", "class_name")),
    ],
)
def test_the_label_column_of_meta_csv_is_recognised(tmp_path, meta, columns):
    (tmp_path / "meta.csv").write_text(meta)
    assert class_columns(tmp_path / "meta.csv", "target") == columns


def test_meta_csv_of_names_alone(tmp_path):
    (tmp_path / "meta.csv").write_text("class_name\nbars\ndots\n")
    assert read_classes(tmp_path / "meta.csv", "target").targets == ("bars", "dots")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png bars\nb.png\n", r"index\.txt:2: 'b\.png'; expected `path label`"),
        ("a.png bars\n\na.png dots\n", r"index\.txt:3: id 'a\.png' is already on line 1"),
        ("", r"index\.txt: no rows; expected lines of `path label`"),
        ("a.png bars\nb.png bars\n", r"index\.txt: 1 classes; expected at least 2"),
    ],
)
def test_bad_indexes(tmp_path, text, message):
    write_pages(tmp_path, "a.png", "b.png")
    (tmp_path / "index.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_train(tmp_path, FILES.model_copy(update={"train": "index.txt"}), COLUMNS)


def test_bad_folders(tmp_path):
    write_pages(tmp_path, *PAGES, "loose.png")
    with pytest.raises(InputError, match=r"train/loose\.png: in no class's folder; expected .*<class>/loose\.png"):
        read_train(tmp_path, FILES, COLUMNS)
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(InputError, match=r"train\.csv: no such file; expected a CSV file with columns ID, target"):
        read_train(tmp_path, FILES, COLUMNS)


def test_paths_with_spaces_stand_before_the_last_white_space_or_a_tab():
    assert split_index_line("my pages/a b.png  7", "x:1", "train") == ("my pages/a b.png", "7")
    assert split_index_line("./train/a b.png\tbank letter", "x:1", "train") == ("a b.png", "bank letter")


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@given(st.dictionaries(NAME.map(lambda name: f"{name}.png"), NAME, min_size=1, max_size=6))
def test_every_index_that_is_written_is_read(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "index.txt"
    path.write_text("".join(f"{name}\t{label}\n" for name, label in labels.items()), encoding="utf-8")
    with contextlib.suppress(InputError):  # names that differ in the composition of their accents alone
        table = read_index(path, "train")
        assert dict(zip(table["id"], table["label"], strict=True)) == {
            name.removeprefix("./"): label for name, label in labels.items()
        }


@given(st.binary(max_size=200))
def test_any_bytes_are_an_index_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert len(read_index(path, "train"))


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        ("a.jpg", ["a.JPG"]),
        ("a.jpeg", ["a.JPG"]),
        ("a", ["a.JPG"]),
        ("b.jpg", ["b.png"]),
        ("c.v2", ["c.v2.tif"]),
        ("c.v2.tiff", ["c.v2.tif"]),
        ("d.jpg", ["d.jpeg"]),  # its own kind before the preferred one
        ("d.bmp", ["d.png"]),  # the preferred one of several
        ("d", ["d.png"]),
        ("e", ["e.gif", "e.tif"]),
        ("f.jpg", []),
        ("b.txt", []),
    ],
)
def test_ids_whose_extension_is_spelt_otherwise(identifier, found):
    names = ["a.JPG", "b.png", "c.v2.tif", "d.jpeg", "d.png", "e.gif", "e.tif"]
    assert FileNames(names, ".png").find(identifier) == found


def test_a_file_without_an_extension_is_found_by_an_id_that_has_one(tmp_path):
    write_pages(tmp_path, "a.png", "scan", "notes")
    folder = ImageFolder(tmp_path / "train")
    assert (folder.find("scan.jpg", "x:2"), folder.find("scan", "x:2")) == ("scan", "scan")
    assert folder.files == ["a.png"]


@given(st.sets(st.sampled_from([f"{stem}{end}" for stem in "ab" for end in (".jpg", ".JPG", ".jpeg", ".png", "")])))
def test_an_exact_name_always_means_its_file(names):
    index = FileNames(sorted(names), ".jpg")
    for name in names:
        if "." in name:
            assert index.find(name) == [name]


def test_one_page_under_two_spellings_is_refused(tmp_path):
    from reprise.documents.data.listing import list_train

    write_pages(tmp_path, "a.png", "b.png")
    pd.DataFrame({"ID": ["a.jpg", "a.png", "b"], "target": [0, 1, 0]}).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InputError, match=r"train\.csv:3: file 'a\.png' is already on line 2"):
        list_train(tmp_path, FILES, COLUMNS)
