import pytest

from reprise.core.errors import InputError
from reprise.documents.data.tables import read_classes, read_labels

META = "target,class_name\n0,invoice\n1,letter\n"


def labels_of(tmp_path, text, meta=META):
    (tmp_path / "train.csv").write_text(text)
    (tmp_path / "meta.csv").write_text(meta)
    return read_labels(tmp_path / "train.csv", "ID", "target", read_classes(tmp_path / "meta.csv", "target"))


def test_labels_by_class_with_spaces_a_byte_order_mark_and_other_columns(tmp_path):
    labels = labels_of(tmp_path, "﻿ID, target,note\n a ,1,x\nb, 0,y\n")
    assert labels["id"].tolist() == ["a", "b"]
    assert labels["target"].tolist() == [1, 0]


def test_numeric_targets_are_ordered_as_numbers_and_others_as_in_the_file(tmp_path):
    (tmp_path / "meta.csv").write_text("target,class_name\n10,c\n2,b\n0,a\n")
    assert read_classes(tmp_path / "meta.csv", "target").names == ("a", "b", "c")
    (tmp_path / "meta.csv").write_text("target,class_name\nz,c\na,b\n")
    assert read_classes(tmp_path / "meta.csv", "target").targets == ("z", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,label\na,0\n", r"train\.csv: no column 'target'; there are ID, label"),
        ("ID,target\na,0\nb,1\na,1\n", r"train\.csv:4: ID 'a' stands in line 2 already"),
        ("ID,target\na,0\nb,7\n", r"train\.csv:3: class '7' is not in meta\.csv, which has 0, 1"),
        ("ID,target\na,\n", r"train\.csv:2: target is empty"),
        ("ID,target\n", r"train\.csv: no rows"),
        ("", r"train\.csv: not CSV"),
        ("ID,target\na,0,5,6\nb,1\n", r"train\.csv:2: more values than the 2 columns of line 1"),
        ("ID,target\na,0\nb,1,5\n", r"train\.csv: not CSV: .*Expected 2 fields in line 3, saw 3"),
        ("ID,target\na,0\nb\n", r"train\.csv:3: target is empty"),
        ("ID,target,fold\na,0,x\n", r"train\.csv:2: fold 'x'; expected a whole number"),
    ],
)
def test_bad_labels(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        labels_of(tmp_path, text)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("target,name\n0,a\n", r"meta\.csv: no column 'class_name'"),
        ("target,class_name\n0,a\n0,b\n", r"meta\.csv:3: target '0' stands in line 2"),
        ("target,class_name\n0,a\n", r"meta\.csv: 1 classes; expected at least 2"),
    ],
)
def test_bad_classes(tmp_path, meta, message):
    with pytest.raises(InputError, match=message):
        labels_of(tmp_path, "ID,target\na,0\n", meta)


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match=r"meta\.csv: no such file; expected a CSV file with columns target"):
        read_classes(tmp_path / "meta.csv", "target")
    (tmp_path / "meta.csv").write_bytes(b"target,class_name\n0,\xff\xfe\n")
    with pytest.raises(InputError, match=r"meta\.csv: not UTF-8"):
        read_classes(tmp_path / "meta.csv", "target")
