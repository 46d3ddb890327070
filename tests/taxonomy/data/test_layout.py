"""TELEClass's layout, against the same data in TaxoClass's."""

import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.data.layout import recognise
from reprise.taxonomy.quality.labels import labels_path

FILES = {  # of TaxoClass's layout -> of TELEClass's
    "classes.txt": "labels.txt",
    "class_hierarchy.txt": "label_hierarchy.txt",
    "class_related_keywords.txt": "train/llm_enrichment.txt",
    "train_corpus.txt": "train/corpus.txt",
    "test_corpus.txt": "test/corpus.txt",
    "train_doc2labels.txt": "train/doc2labels.txt",
    "test_doc2labels.txt": "test/doc2labels.txt",
}


def write_file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_both_layouts_give_one_hierarchy_and_name_the_same_files(tmp_path):
    texts = {
        "classes.txt": "0\tfood\n1\ttea_cups\n2\ttea\n",
        "class_hierarchy.txt": "0\t2\n",
        "class_related_keywords.txt": "tea:green_tea,leaves\n",
    }
    for name, other in FILES.items():
        write_file(tmp_path / "taxo" / name, texts.get(name, "0\tx\n"))
        write_file(tmp_path / "tele" / other, texts.get(name, "0\tx\n"))
    taxo, tele = recognise(tmp_path / "taxo"), recognise(tmp_path / "tele")
    assert (taxo.name, tele.name) == ("TaxoClass", "TELEClass")
    assert read_hierarchy(tmp_path / "taxo") == read_hierarchy(tmp_path / "tele")
    for split in ("train", "test"):
        assert tele.corpus_path(split) == tmp_path / "tele" / split / "corpus.txt"
        assert labels_path(tmp_path / "tele", split).exists()
        assert labels_path(tmp_path / "taxo", split).exists()


def test_keywords_of_both_files_are_joined_each_once(tmp_path):
    write_file(tmp_path / "labels.txt", "0\tfood\n1\ttea\n")
    write_file(tmp_path / "train/enrichment.txt", "tea:leaves,cup\n")
    write_file(tmp_path / "train/llm_enrichment.txt", "tea:green_tea,cup\nfood:meal\n")
    assert read_hierarchy(tmp_path).keywords == (("meal",), ("leaves", "cup", "green tea"))


def test_two_files_of_classes_are_refused(tmp_path):
    for name in ("labels.txt", "classes.txt"):
        write_file(tmp_path / name, "0\ta\n")
    with pytest.raises(InputError, match=r"classes\.txt and labels\.txt are both there"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("label_hierarchy.txt", "0\t9\n", r"label_hierarchy\.txt:1: class id '9' is not in labels\.txt"),
        ("train/enrichment.txt", "cake:sweet\n", r"enrichment\.txt:1: 'cake' is not a name in labels\.txt"),
        ("labels.txt", "0\ta\n0\tb\n", r"labels\.txt:2: duplicate class id '0'"),
    ],
)
def test_errors_name_the_files_of_the_layout(tmp_path, name, text, message):
    write_file(tmp_path / "labels.txt", "0\tfood\n1\ttea\n")
    write_file(tmp_path / name, text)
    with pytest.raises(InputError, match=message):
        read_hierarchy(tmp_path)
