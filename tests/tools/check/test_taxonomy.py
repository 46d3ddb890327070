from pathlib import Path

import pandas as pd
import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.stages import prepare
from tests.conftest import tiny_params, write_params
from tests.stage_files import digests
from tests.tools.check.helpers import apply_printed, check

FILES = {  # of TELEClass -> of TaxoClass
    "labels.txt": "classes.txt",
    "label_hierarchy.txt": "class_hierarchy.txt",
    "train/enrichment.txt": "class_related_keywords.txt",
    "train/corpus.txt": "train_corpus.txt",
    "test/corpus.txt": "test_corpus.txt",
    "test/doc2labels.txt": "test_doc2labels.txt",
}
TEXTS = {
    "labels.txt": "0\tfood\n1\ttea_cups\n2\ttea\n3\talone\n",
    "label_hierarchy.txt": "0\t2\n0\t1\n",
    "train/enrichment.txt": "tea:leaves,cup\n",
    "train/corpus.txt": "0\tgreen tea is good\n1\ta cup of it is good\n",
    "test/corpus.txt": "0\tgreen tea is good\n1\tthis is no tea\n",
    "test/doc2labels.txt": "0\t2\n1\t1\n",
}


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny_params(Path("none")))
    for name, other in FILES.items():
        for path in (Path("tele", name), Path("taxo", other)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TEXTS[name])
    return tmp_path


def test_both_layouts_are_recognised_and_give_the_same_prepared_files():
    found = []
    for folder, layout in (("tele", "TELEClass"), ("taxo", "TaxoClass")):
        code, output = check("taxonomy", folder)
        assert code == 0, output
        assert f"layout of {layout}" in output
        assert "4 classes on 2 levels, 3 leaves, 2 edges" in output
        assert "labels of 2 documents lack ancestors, which are added" in output
        assert "1 test documents are training documents, too" in output
        assert "1 classes are in no edge: alone" in output
        assert "1 leaves without a document: alone" in output
        assert apply_printed(output) == ["taxonomy-evaluate"]
        prepare.main()
        found.append({name: value for name, value in digests("data", "metrics").items() if "timing" not in str(name)})
    assert found[0] == found[1]
    assert pd.read_parquet("data/taxonomy/prepared/test.parquet")["doc_id"].tolist() == ["0", "1"]


def test_empty_texts_are_kept_by_what_is_printed():
    Path("tele/train/corpus.txt").write_text("0\tgreen tea\n1\t\n")
    code, output = check("taxonomy", "tele")
    assert code == 0
    assert "1 documents without a text" in output
    apply_printed(output)
    prepare.main()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train/corpus.txt", "0 no tab\n"),
        ("labels.txt", "0\ta\n0\tb\n"),
        ("label_hierarchy.txt", "0\t1\n1\t0\n"),
        ("test/corpus.txt", None),
    ],
)
def test_what_is_refused_is_refused_by_prepare_in_the_same_words(name, text):
    path = Path("tele", name)
    path.unlink() if text is None else path.write_text(text)
    code, output = check("taxonomy", "tele")
    assert code == 1
    apply_printed(output)
    with pytest.raises(InputError) as refused:
        prepare.main()
    assert str(refused.value) in output


def test_labels_of_a_document_that_is_not_there():
    Path("tele/test/doc2labels.txt").write_text("0\t2\n")
    code, output = check("taxonomy", "tele")
    assert (code, "no line for 1 documents, such as '1'" in output) == (1, True)


def test_no_layout_is_recognised_in_a_folder_without_classes():
    Path("none").mkdir()
    code, output = check("taxonomy", "none")
    assert code == 1
    assert "classes.txt: no such file" in output
    assert "recognised" not in output
