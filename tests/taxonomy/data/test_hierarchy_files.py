import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.hierarchy_files import as_words, read_hierarchy
from tests.taxonomy.readers import value_or_error

CLASSES = "0\tfood_drink\n1\ttea\n2\tice-cream\n3\ticed_tea\n4\ttoys\n"
EDGES = "0\t1\n0\t2\n1\t3\n2\t3\n"  # iced tea has two parents
LINES = st.lists(st.text(alphabet="ab\t:,\n\r é_\0", max_size=12).map(str.encode) | st.binary(max_size=8), max_size=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "classes.txt").write_text(CLASSES)
    (tmp_path / "class_hierarchy.txt").write_text(EDGES)
    return tmp_path


def test_a_diamond(folder):
    hierarchy = read_hierarchy(folder)
    assert hierarchy.names == ("food drink", "tea", "ice cream", "iced tea", "toys")
    assert hierarchy.roots == (0, 4)
    assert hierarchy.leaves.tolist() == [3, 4]
    assert hierarchy.levels.tolist() == [1, 2, 2, 3, 1]
    assert hierarchy.best_paths(3, np.array([0.9, 0.5, 0.8, 0.3, 0.1]), 4) == [(0, 2, 3), (0, 1, 3)]
    assert Hierarchy.from_dict(hierarchy.to_dict(), "") == hierarchy


@pytest.mark.parametrize("edges", ["", None])
def test_a_flat_list_of_classes(folder, edges):
    if edges is None:
        (folder / "class_hierarchy.txt").unlink()
    else:
        (folder / "class_hierarchy.txt").write_text(edges)
    hierarchy = read_hierarchy(folder)
    assert hierarchy.leaves.tolist() == [0, 1, 2, 3, 4]
    assert (hierarchy.levels == 1).all()
    assert np.array_equal(hierarchy.closure, np.eye(5, dtype=bool))


def test_a_single_class_is_refused_and_two_are_enough(tmp_path):
    (tmp_path / "classes.txt").write_text("7\tall\n\n")
    with pytest.raises(InputError, match=r"classes\.txt: one class, '7'; expected at least two lines of id<TAB>name"):
        read_hierarchy(tmp_path)
    (tmp_path / "classes.txt").write_text("7\tall\n8\tsome\n")
    assert read_hierarchy(tmp_path).ids == ("7", "8")
    hierarchy = Hierarchy(("7",), ("all",), ((),), ())
    assert (hierarchy.roots, hierarchy.leaves.tolist(), hierarchy.best_paths(0, np.ones(1), 4)) == ((0,), [0], [(0,)])


def test_keywords_belong_to_the_longest_known_name(folder):
    (folder / "classes.txt").write_text("0\tsize\n1\tsize: large\n")
    (folder / "class_hierarchy.txt").write_text("")
    (folder / "class_related_keywords.txt").write_text("size: large:big, extra_big,\nsize:\n")
    assert read_hierarchy(folder).keywords == ((), ("big", "extra big"))


def test_windows_lines_a_byte_order_mark_and_a_doubled_edge(folder):
    (folder / "classes.txt").write_bytes(b"\xef\xbb\xbf" + CLASSES.replace("\n", "\r\n").encode())
    (folder / "class_hierarchy.txt").write_text(EDGES + EDGES + "\n\n")
    hierarchy = read_hierarchy(folder)
    assert hierarchy.ids[0] == "0"
    assert len(hierarchy.edges) == 4


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "class_hierarchy.txt",
            EDGES + "3\t0\n",
            r"class_hierarchy\.txt: the edges form a cycle: .*\(iced tea\) -> 0 ",
        ),
        ("class_hierarchy.txt", EDGES + "2\t2\n", r"class_hierarchy\.txt:5: class '2' is its own parent"),
        ("class_hierarchy.txt", EDGES + "9\t2\n", r"class_hierarchy\.txt:5: class id '9' is not in classes\.txt"),
        ("class_hierarchy.txt", "0 1\n", r"class_hierarchy\.txt:1: no tab in '0 1'; expected parent id<TAB>child id"),
        ("classes.txt", CLASSES + "0\tx\n", r"classes\.txt:6: duplicate class id '0', first on line 1"),
        ("classes.txt", CLASSES + "5\ttea\n", r"classes\.txt:6: duplicate class name 'tea', first on line 2"),
        ("classes.txt", CLASSES + "5\t \n", r"classes\.txt:6: class '5' has an empty name"),
        ("classes.txt", CLASSES + " \ttea\n", r"classes\.txt:6: nothing before the tab"),
        ("classes.txt", "", r"classes\.txt: no classes"),
        ("classes.txt", "\n0\ta\n\n1\ta\n", r"classes\.txt:4: duplicate class name 'a', first on line 2"),
        ("classes.txt", "a,b\tx\n", r"classes\.txt:1: class id 'a,b' holds a comma"),
        ("classes.txt", "0\t" + "x" * 2000, r"classes\.txt:1: 'x+…' has 2000 characters; ids and names have at most"),
        ("classes.txt", "0\tfood\n1\tt\xe9\n", r"classes\.txt:2: byte 4 of the line is not UTF-8 \(0xe9\)"),
        ("class_related_keywords.txt", "coffee:bean\n", r"keywords\.txt:1: 'coffee' is not a name in classes\.txt"),
        ("class_related_keywords.txt", "tea\n", r"keywords\.txt:1: no colon"),
        (
            "class_related_keywords.txt",
            "tea:a\ntea:b\n",
            r"txt:2: second line of keywords for 'tea', first on line 1",
        ),
    ],
)
def test_bad_input_is_named(folder, file, content, message):
    (folder / file).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message) as error:
        read_hierarchy(folder)
    assert "\n" not in str(error.value)


def test_names_read_as_words():
    assert [as_words(name) for name in ("skin_care", "hiking-boots", "__", "a  b")] == [
        "skin care",
        "hiking boots",
        "__",
        "a b",
    ]


def test_one_name_in_two_encodings_is_one_name(folder):
    (folder / "classes.txt").write_text("e\u0301\tcafe\u0301\nb\tbar\n")
    (folder / "class_hierarchy.txt").write_text("b\t\u00e9\n")
    (folder / "class_related_keywords.txt").write_text("caf\u00e9:espresso\n")
    hierarchy = read_hierarchy(folder)
    assert (hierarchy.ids, hierarchy.names, hierarchy.edges) == (("é", "b"), ("café", "bar"), ((1, 0),))
    assert hierarchy.keywords == (("espresso",), ())
    (folder / "classes.txt").write_text("1\tcafe\u0301\n2\tcaf\u00e9\n")
    with pytest.raises(InputError, match=r":2: duplicate class name 'café', first on line 1"):
        read_hierarchy(folder)


@pytest.mark.parametrize("line", ["tea" + ":" * 2_000_000, ":" * 2_000_000, "tea :" + "a:," * 700_000])
def test_two_million_colons_take_linear_time(folder, line):
    (folder / "class_related_keywords.txt").write_text(line)
    started = time.process_time()
    if line.startswith("tea"):
        read_hierarchy(folder)
    else:
        with pytest.raises(InputError, match="is not a name"):
            read_hierarchy(folder)
    assert time.process_time() - started < 5


def test_a_long_cycle_is_shown_in_part(folder):
    count = 3000
    (folder / "classes.txt").write_text("".join(f"{number}\tc{number}\n" for number in range(count)))
    edges = "".join(f"{number}\t{(number + 1) % count}\n" for number in range(count))
    (folder / "class_hierarchy.txt").write_text(edges)
    with pytest.raises(InputError, match="the edges form a cycle") as error:
        read_hierarchy(folder)
    assert len(str(error.value)) < 500


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes=LINES, edges=LINES, keywords=LINES)
def test_any_files_give_a_sound_hierarchy_or_one_line_of_error(tmp_path, classes, edges, keywords):
    files = {"classes": classes, "class_hierarchy": edges, "class_related_keywords": keywords}
    for name, lines in files.items():
        (tmp_path / f"{name}.txt").write_bytes(b"\n".join(lines))
    hierarchy, error = value_or_error(lambda: read_hierarchy(tmp_path))
    if hierarchy is None:
        assert error
        assert error.isprintable()
    else:
        assert len(set(hierarchy.ids)) == len(hierarchy)
        assert hierarchy.closure.diagonal().all()
        assert Hierarchy.from_dict(hierarchy.to_dict(), "") == hierarchy
