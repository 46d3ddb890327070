"""Charts and tables of the report, from small files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from reprise.core.errors import InputError
from reprise.core.params import read_yaml
from reprise.tools.report.build import confused_rows, main, on_sample, read_picture, read_seconds, read_table
from reprise.tools.report.charts import (
    PLOTS,
    declared_plots,
    draw,
    labels,
    least_width,
    read_columns,
    seconds_by_stage,
    y_columns,
)
from tests.conftest import ROOT


def declaration(**changes):
    return {"x": "step", "y": {"a.tsv": "loss"}, "x_label": "epoch", "y_label": "nats"} | changes


def test_a_line_for_each_column_with_the_names_that_tell_them_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for fold in (0, 1):
        Path(f"fold-{fold}/plots").mkdir(parents=True)
        Path(f"fold-{fold}/plots/loss.tsv").write_text(f"step\tloss\n0\t2.5\n1\t{fold}\n")
    files = {f"fold-{fold}/plots/loss.tsv": "loss" for fold in (0, 1, 2)}  # there is no third fold
    figure = draw("Loss", declaration(y=files))
    assert figure is not None
    assert [trace.name for trace in figure.data] == ["fold-0", "fold-1"]
    assert list(figure.data[1].y) == [2.5, 1.0]
    assert figure.layout.xaxis.title.text == "epoch"
    assert draw("Loss", declaration()) is None, "without a file there is no chart"


def matrix_of(path):
    return declaration(x="actual", y={path: "predicted"}, template="confusion_normalized")


def test_labels():
    same = Path("train/plots")
    assert labels([(same / "train_loss.tsv", "train_loss"), (same / "valid_loss.tsv", "valid_loss")]) == [
        "train loss",
        "valid loss",
    ]
    assert labels([(Path("curves/a.csv"), "miss"), (Path("curves/b.csv"), "miss")]) == ["a", "b"]
    assert labels([(same / "lr.tsv", "lr")]) == ["lr"]


def test_a_det_curve_is_on_normal_deviates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("false_alarm,miss\n1,0\n0.1,0.2\n0,1\n")
    figure = draw("DET", declaration(x={"a.csv": "false_alarm"}, y={"a.csv": "miss"}))
    assert figure is not None
    assert np.allclose([figure.data[0].x[1], figure.data[0].y[1]], norm.ppf([0.1, 0.2]))
    assert figure.data[0].text[1] == "10.00 % accepted, 20.00 % refused"
    assert np.isfinite([*figure.data[0].x, *figure.data[0].y]).all()


def test_a_confusion_matrix_holds_shares_of_the_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.csv").write_text("actual,predicted\na,a\na,b\nb,b\nb,b\n")
    figure = draw("Classes", matrix_of("c.csv"))
    assert figure is not None
    assert figure.data[0].z.tolist() == [[0.5, 0.5], [0, 1]]
    assert figure.layout.yaxis.title.text == "epoch", "labels go down, as rows"


def test_names_of_classes_are_no_html_and_no_missing_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = "n" * 60
    Path("c.csv").write_text(f"actual,predicted\n<b>,NA\nNA,NA\n{long},{long}x\n")
    figure = draw("Classes", matrix_of("c.csv"))
    assert figure is not None
    assert list(figure.layout.xaxis.ticktext) == ["&lt;b&gt;", "NA", "n" * 23 + "…", "n" * 23 + "…"]
    assert figure.data[0].z.shape == (4, 4), "two names that are shown alike stay apart"


def test_of_many_classes_the_most_confused_are_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"c{number:03},c{(number + (number >= 100)) % 150:03}" for number in range(150)]
    Path("c.csv").write_text("\n".join(["actual,predicted", *rows]))
    figure = draw("Classes", matrix_of("c.csv"))
    assert figure is not None
    assert "60 most confused of 150" in figure.layout.title.text
    assert {f"c{number:03}" for number in range(100, 150)} <= set(figure.layout.xaxis.ticktext)
    assert least_width(figure) > 1000


def test_the_most_confused_pairs_are_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.csv").write_text("actual,predicted\na,b\na,b\nb,b\nb,a\na,(no leaf)\n")
    rows = confused_rows("Leaf classes", matrix_of("c.csv"))
    header = ["label", "predicted", "count", "labelled", "share"]
    assert rows == (
        "most confused leaf classes",
        header,
        [["a", "b", "2", "3", "0.667"], ["b", "a", "1", "2", "0.5"]],
        2,
    )
    assert confused_rows("Loss", declaration()) is None
    Path("c.csv").unlink()
    assert confused_rows("Leaf classes", matrix_of("c.csv")) is None


@pytest.mark.parametrize("title", ["DET", "Reliability", "Loss", "Classes"])
def test_a_sentence_stands_for_a_chart_of_nothing(tmp_path, monkeypatch, title):
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("step\tloss\n")
    Path("c.csv").write_text("actual,predicted\n")
    figure = draw(title, matrix_of("c.csv") if title == "Classes" else declaration())
    assert figure is not None
    assert len(figure.layout.annotations) == 1


def test_a_missing_column_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("step\tother\n0\t1\n")
    with pytest.raises(
        InputError, match=r"a\.tsv: no column 'loss', which metrics/dvc\.yaml names; it has step, other"
    ):
        draw("Loss", declaration())
    Path("a.tsv").write_text("step\tloss\n0\tmuch\n")
    with pytest.raises(InputError, match=r"a\.tsv: column 'loss'"):
        draw("Loss", declaration())


def test_all_declared_plots_have_axes_a_task_and_files_in_git(monkeypatch):
    monkeypatch.chdir(ROOT)
    entries = read_yaml(PLOTS)["plots"]
    found = [entry for task in ("taxonomy", "documents", "deepfake") for entry in declared_plots(task)]
    assert len(found) == len(entries) > 15
    rates = {title for title, entry in found if entry["y_label"] == "learning rate"}
    assert {title.removesuffix(" by fold") for title in rates} == {
        "Learning rate",
        "Self-training learning rate",
        "Detector learning rate",
        "Explainer learning rate",
    }
    assert all("lower is better" in entry["y_label"] for title, entry in found if "loss" in title or "EER" in title)
    for title, entry in found:
        assert title[0].isupper()
        assert {"x_label", "y_label", "x", "y"} <= entry.keys()
        assert all(path.is_relative_to("metrics") for path, _ in y_columns(entry))


def test_seconds_are_sorted():
    assert list(seconds_by_stage({"a": 3.0, "b": 1.0}).data[0].y) == ["b", "a"]


def test_files_become_parts_of_the_page(tmp_path):
    from PIL import Image

    Image.new("RGB", (1200, 10)).save(tmp_path / "wide_one.png")
    picture = read_picture(tmp_path / "wide_one.png")
    assert (picture.caption, picture.wide) == ("wide one", True)
    assert picture.url.startswith("data:image/png;base64,iVBOR")
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 50)
    caption, header, rows, count = read_table(tmp_path / "t.csv")
    assert (caption, header, len(rows), count) == ("t", ["a", "b"], 40, 50)
    (tmp_path / "s.json").write_text('{"seconds": 1.5}')
    assert read_seconds(tmp_path / "s.json") == 1.5
    assert read_columns(tmp_path / "t.csv")["b"][0] == "2"


def test_goals_of_real_data_are_not_held_against_the_generated_sample(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {
        "documents": "data/documents/sample",
        "deepfake": "data/deepfake/sample/flac",
        "taxonomy": "data/taxonomy/samples",
    }
    Path("params.yaml").write_text("".join(f"{task}:\n  data: {folder}\n" for task, folder in data.items()))
    assert [on_sample(task) for task in data] == [True, True, False]


def test_a_folder_as_output_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match=r"a folder; expected the name of the page, such as .*report\.html"):
        main(output=tmp_path)
    assert not list(tmp_path.iterdir())
