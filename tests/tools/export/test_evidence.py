"""What a card says of figures, in a folder with the files that stages would have written."""

import json
from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.onnx.graphs import Contents
from reprise.tools.export import card
from reprise.tools.export.evidence import figures_of, read_lock
from reprise.tools.export.subjects import SUBJECTS
from tests.exported import record

EVALUATION = Path("metrics/documents/evaluation.json")


@pytest.fixture(autouse=True)
def _workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write({"test": {"macro_f1": 0.9}, "oof": {"macro_f1": 0.8, "macro_f1_ci95": [0.7, 0.9]}, "robust": {}}, {})


def write(evaluation, calibration):
    EVALUATION.parent.mkdir(parents=True, exist_ok=True)
    EVALUATION.write_text(json.dumps(evaluation))
    EVALUATION.with_name("calibration.json").write_text(json.dumps(calibration))
    record("documents")


def found():
    return {figure.headline.key: (figure.value, figure.interval) for figure in figures_of("documents", read_lock())}


def facts(figures):
    contents = Contents({}, {}, [], list, {}, lambda *_: pytest.fail("unused"), "", "")
    return card.Facts("documents", "mit", contents, [], [], {}, figures, None, "no")


def test_figures_that_the_data_does_not_give_are_left_out():
    assert found() == {"test.macro_f1": (0.9, None), "oof.macro_f1": (0.8, (0.7, 0.9))}
    write({"oof": {"macro_f1": 0.8}}, {"ece_after": 0.01})  # pages without test labels
    assert found() == {"oof.macro_f1": (0.8, None), "ece_after": (0.01, None)}


def test_a_card_without_figures_says_so():
    write({"mean_predicted_classes": 2.0}, {})
    assert found() == {}
    assert list(card.figures(facts([]))) == ["None: the data has no labels to measure by."]
    assert "model-index" not in card.head(facts([])).to_yaml()


def test_the_metric_of_a_task_is_that_of_its_first_headline_also_where_that_is_left_out():
    types: dict[str, str] = {}
    for evaluation in ({"test": {"macro_f1": 0.9}}, {"robust": {"macro_f1": 0.7}}):
        write(evaluation, {"ece_after": 0.01})
        head = card.head(facts(figures_of("documents", read_lock())))
        types |= {result.metric_name: result.metric_type for result in head.eval_results}
    assert types == {
        "macro-F1 on test pages": SUBJECTS["documents"].metric,
        "macro-F1 on corrupted pages": "robust_f1",
        "calibration error": "ece",
    }


def test_a_file_of_figures_that_is_gone_or_stale_is_refused_and_not_taken_for_one_without():
    EVALUATION.write_text("{}")
    with pytest.raises(InputError, match=r"^metrics/documents/evaluation.json: not the file that dvc.lock records"):
        found()
    EVALUATION.unlink()
    with pytest.raises(InputError, match=r"^metrics/documents/evaluation.json: no such file; run `dvc repro`$"):
        found()
