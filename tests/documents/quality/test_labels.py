import pytest

from reprise.core.errors import InputError
from reprise.documents.data.tables import Classes
from reprise.documents.quality.labels import labels_of_folders, read_test_labels

CLASSES = Classes(("0", "1"), ("bars", "dots"))
IDS = ["b.PNG", "a.png"]


@pytest.mark.parametrize("text", ["ID,target\na,1\nb.png,0\n", "test/a.png 1\ntest/b.png 0\n", "a.png\t1\nb.png\t0\n"])
def test_labels_in_a_table_or_an_index(tmp_path, text):
    path = tmp_path / ("labels.csv" if text.startswith("ID") else "labels.txt")
    path.write_text(text)
    assert read_test_labels(path, IDS, CLASSES, ("ID", "target")) == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,target\na,1\n", r"1 test pages have no label, such as 'b\.PNG'"),
        ("ID,target\na,1\nb,0\nc,0\n", r"label for 'c', which is not a test page"),
        ("ID,target\na,1\na.png,1\n", r"second label for 'a\.png'"),
        ("ID,target\na,2\n", r"labels\.csv:2: class '2' is not in"),
    ],
)
def test_bad_labels(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_test_labels(tmp_path / "labels.csv", IDS, CLASSES, ("ID", "target"))


def test_labels_by_folders_where_all_are_classes():
    assert labels_of_folders(["dots/a.png", "0/b.png"], CLASSES) == [1, 0]
    assert labels_of_folders(["dots/a.png", "b.png"], CLASSES) is None
    assert labels_of_folders(["dots/a.png", "other/b.png"], CLASSES) is None
    assert labels_of_folders([], CLASSES) is None
