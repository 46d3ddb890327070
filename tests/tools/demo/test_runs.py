"""Figures and experiments as tables."""

import json
import shutil
from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.tools.demo import runs
from reprise.tools.experiments import Experiment
from reprise.tools.headlines import Change, read_headlines
from reprise.tools.report.build import main as report_main
from tests.conftest import ROOT


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "headlines.yaml", tmp_path)
    Path("metrics/documents").mkdir(parents=True)
    found = {"test": {"macro_f1": 0.9, "macro_f1_ci95": [0.85, 0.95]}, "oof": {"macro_f1": 0.8}}
    Path("metrics/documents/evaluation.json").write_text(json.dumps(found))


def test_each_headline_has_a_row_with_its_interval(figures):
    rows = {row[0]: row[1:] for row in runs.headline_rows()}
    assert len(rows) == len(read_headlines())
    told = rows["documents: macro-F1 on test pages (higher is better)"]
    assert told == ["0.900", "0.850 to 0.950", "0.870 (basic): reached; 0.934 (highperf): 0.034 to go"]
    assert rows["documents: macro-F1 out of fold (higher is better)"][:2] == ["0.800", ""]
    assert rows["deepfake: pointing game (higher is better)"][:2] == ["-", ""]
    found = runs.summary()
    assert found["documents"]["macro-F1 on test pages"] == {"value": 0.9, "ci95": (0.85, 0.95), "better": "higher"}


def test_without_headlines_the_line_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"headlines\.yaml: no such file"):
        runs.headline_rows()


def test_an_experiment_has_a_column_for_each_figure_that_changed():
    first, second, *_ = read_headlines(ROOT / "headlines.yaml")
    made = [
        Experiment("good", "success", "base", "c1", {"train.lr": 0.1}),
        Experiment("bad", "failed", "base", "c2", {"seed": 7}),
        Experiment("same", "success", "base", "c3", {}),
    ]
    changes = {
        "c1": [Change(first, 0.8, 0.9, "better"), Change(second, 0.5, 0.5, "same")],
        "c3": [Change(first, 0.8, 0.8, "same"), Change(second, 0.5, 0.5, "same")],
    }
    header, rows = runs.table_of(made, changes)
    assert header == ["experiment", "state", "parameters", f"{first.short} ({first.task})"]
    assert rows == [
        ["good", "success", "train.lr=0.1", "0.900 better"],
        ["bad", "failed", "seed=7", ""],
        ["same", "success", "", ""],
    ]
    assert runs.table_of([], {}) == (["experiment", "state", "parameters"], [])


def test_the_report_is_where_the_command_writes_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reprise.tools.report.build.write_page", lambda base: f"<p>{base}</p>")
    assert runs.write_report().read_text() == "<p>HEAD</p>"
    report_main()
    assert Path(runs.REPORT).read_text() == "<p>HEAD</p>"
