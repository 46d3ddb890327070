import time

import pytest

from reprise.core.errors import InputError
from reprise.documents.data.tables import Classes, read_classes, read_labels

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
        ("ID,target\na,0\nb,1\na,1\n", r"train\.csv:4: ID 'a' is already on line 2"),
        ("ID,target\na,0\nb,7\n", r"train\.csv:3: class '7' is not in meta\.csv, which has 0, 1"),
        ("ID,target\na,\n", r"train\.csv:2: target is empty"),
        ("ID,target\n", r"train\.csv: no rows"),
        ("", r"train\.csv: no column 'ID'; there are none"),
        ("ID,target\na,0,5,6\nb,1\n", r"train\.csv:2: 4 values, more than the 2 columns of line 1"),
        ("ID,target\na,0\nb,1,5\n", r"train\.csv:3: 3 values, more than the 2 columns of line 1"),
        ("ID,target\na,0\nb\n", r"train\.csv:3: target is empty"),
        ('ID,target\n\n"a\n\nb",0\nc,9\n', r"train\.csv:6: class '9'"),
        ('ID,target\na,0\nb,"1\n', r"train\.csv:3: not CSV: unexpected end of data"),
        ("ID,target,ID\na,0,b\n", r"train\.csv:1: column 'ID' is there 2 times"),
        ("ID,target\ncaf\u00e9,0\ncafe\u0301,1\n", r"train\.csv:3: ID .* is already on line 2"),
        ("ID,target,fold\na,0,99999999999999999999\n", r"train\.csv:2: fold '9+'; expected a whole number"),
        ("ID,target,fold\na,0,x\n", r"train\.csv:2: fold 'x'; expected a whole number"),
    ],
)
def test_bad_labels(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        labels_of(tmp_path, text)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("target,kind,note\n0,a,b\n", r"meta\.csv: no column 'class_name'"),
        ("target,class_name\n0,a\n0,b\n", r"meta\.csv:3: target '0' is already on line 2"),
        ("target,class_name\n0,a\n7,b\n9,a\n", r"meta\.csv:4: class_name 'a' is already on line 2"),
        ("target,class_name\n0,caf\u00e9\n1,cafe\u0301\n", r"meta\.csv:3: class_name .* is already on line 2"),
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


def test_names_are_data(tmp_path):
    """What pandas, Python or a spreadsheet would take for something else stays text."""
    odd = ["NA", "nan", "NULL", "1e3", "007", "=1+1", "$x$", "True", "-", "<b>"]
    meta = "target,class_name\n" + "".join(f"{name},{name}\n" for name in odd)
    labels = labels_of(tmp_path, "ID,target\n" + "".join(f"{name},{name}\n" for name in odd), meta)
    assert labels["id"].tolist() == odd
    assert labels["target"].tolist() == list(range(len(odd)))
    assert read_classes(tmp_path / "meta.csv", "target").names == tuple(odd)


def test_a_target_of_many_digits_is_text(tmp_path):
    (tmp_path / "meta.csv").write_text(f"target,class_name\n{'9' * 5000},b\n1,a\n")
    assert read_classes(tmp_path / "meta.csv", "target").names == ("b", "a")


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "meta.csv").mkdir()
    with pytest.raises(InputError, match=r"meta\.csv: a folder; expected a CSV file"):
        read_classes(tmp_path / "meta.csv", "target")


def test_many_classes_cost_no_search_for_each_row(tmp_path):
    classes = Classes(tuple(map(str, range(20_000))), tuple(map(str, range(20_000))))
    (tmp_path / "train.csv").write_text("ID,target\n" + "".join(f"{n},{n}\n" for n in range(20_000)))
    started = time.perf_counter()
    assert read_labels(tmp_path / "train.csv", "ID", "target", classes)["target"].tolist() == list(range(20_000))
    assert time.perf_counter() - started < 2
